import { type Address, formatAddress, parseAddress } from "../address.ts";
import { type Environment, readSetting } from "../config.ts";
import { describeError } from "../errors.ts";
import { EXIT, UsageError } from "../exit.ts";
import { STATUSES } from "../state/state.ts";
import { printable, quote } from "../text.ts";
import type { Arguments } from "./arguments.ts";

/** The longest line that HAProxy reads, its newline included. */
const LINE_LIMIT = 16_383;

/** How much of a wrong reply is shown, in characters. */
const SHOWN = 60;

/** The words that an agent may send (HAProxy's configuration manual, "agent-check"). */
const HEALTH = /^(up|down|fail|stopped)$/i;
const WORD = /^(up|down|ready|drain|fail|maint|stopped|\d+%|maxconn:\d+)$/i;

/** How many milliseconds pass between two tries of `--wait`. */
const PAUSE_MS = 50;

/** What a probe sends first, so that the agent does not take it for a load balancer. */
const PROBE_MARK = "#";

/** A check: whom it asks, for what, and how long it may take (ms). */
interface Question {
  readonly target: Address;
  readonly sent: string;
  readonly timeout: number;
}

/** What one check gave. */
interface Answer {
  readonly reply?: string;
  readonly problem?: string;
}

/**
 * `hapgent status [HOST[:PORT]]`: asks as HAProxy does and prints the line. Without an address it
 * asks the agent that the environment, or the machine's installation, describes.
 *
 * @returns the exit code: 0 when the reply is well-formed and, with `--expect`, as expected; else 1.
 */
export async function runStatus(args: Arguments, env: Environment): Promise<number> {
  const { values, flags, operands } = args;
  if (operands.length > 1) throw new UsageError("status: expected one HOST:PORT");
  const question: Question = {
    target: readTarget(operands[0], env),
    sent: `${PROBE_MARK}${readName(values["send"] ?? "")}\n`,
    timeout: readSeconds("--timeout", values["timeout"] ?? "2"),
  };
  const expected = readStatuses(values["expect"]);
  const end = performance.now() + readSeconds("--wait", values["wait"] ?? "0");
  const address = formatAddress(question.target);
  for (;;) {
    const { reply, problem } = expect(expected, await ask(question));
    if (problem !== undefined && performance.now() < end) {
      await Bun.sleep(PAUSE_MS);
      continue;
    }
    const ok = problem === undefined;
    const problems = ok ? [] : [problem];
    if (flags.has("json")) console.log(JSON.stringify({ ok, address, reply, problems }));
    else if (ok) console.log(printable(reply ?? ""));
    else console.error(`hapgent status: ${address}: ${problem}`);
    return ok ? EXIT.ok : EXIT.failure;
  }
}

/** One check: connects, sends, reads up to the first newline, closes. */
async function ask({ target: { ip, port }, sent, timeout }: Question): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  let isConnected = false;
  const giveUp = () => {
    if (!isConnected) resolve("timed out: no connection");
    else resolve(text === "" ? "timed out: connected, but it said nothing" : "timed out");
  };
  const timer = setTimeout(giveUp, timeout);
  const connection = Bun.connect({
    hostname: ip,
    port,
    socket: {
      open(socket) {
        isConnected = true;
        socket.write(sent);
      },
      data(socket, chunk) {
        text += chunk.toString("latin1");
        if (!text.includes("\n") && text.length < LINE_LIMIT) return;
        socket.end();
        resolve("");
      },
      close: () => resolve(""),
      error: (_, error) => resolve(describeError(error)),
    },
  });
  connection.catch((error: unknown) => resolve(describeError(error)));
  const failure = await promise;
  clearTimeout(timer);
  if (failure) return { problem: failure };
  if (text === "") return { problem: "expected a line, got nothing: it closed the connection" };
  if (!text.includes("\n")) return { problem: `expected a line, got ${show(text)}` };
  const reply = text.slice(0, text.search(/[\r\n]/));
  if (isWellFormed(reply)) return { reply };
  return { reply, problem: `expected words that HAProxy knows, got ${show(reply)}` };
}

/** Turns a status that is not among the expected ones into a problem. */
function expect(expected: readonly string[], { reply, problem }: Answer): Answer {
  if (problem !== undefined || reply === undefined || expected.length === 0) {
    return { ...(reply !== undefined && { reply }), ...(problem !== undefined && { problem }) };
  }
  const status = readStatus(reply);
  if (expected.includes(status)) return { reply };
  return {
    reply,
    problem: `expected ${expected.join(" or ")}, got ${status}: ${printable(reply)}`,
  };
}

/** The status that a reply speaks of, in exact and in full words: what takes a server out first. */
function readStatus(reply: string): string {
  const words = new Set(
    reply
      .split("#")[0]
      ?.toUpperCase()
      .split(/[ \t,]+/),
  );
  const order = ["MAINT", "DRAIN", "FAIL", "STOPPED", "DOWN"] as const;
  const out = order.find((status) => words.has(status));
  if (out) return out;
  return words.has("READY") && !words.has("UP") ? "READY" : "UP";
}

/** The statuses of `--expect`. A full reply says `ready up` for both, so UP and READY are one. */
function readStatuses(text: string | undefined): string[] {
  if (text === undefined) return [];
  const statuses = text.split(",");
  const wrong = statuses.find((status) => !STATUSES.some((known) => known === status));
  if (wrong !== undefined) {
    throw new UsageError(
      `status: --expect: expected some of ${STATUSES.join(",")}, got ${quote(wrong)}`,
    );
  }
  return statuses;
}

function readName(name: string): string {
  if (/^[\w.-]{0,64}$/.test(name)) return name;
  throw new UsageError(`status: --send: expected the name of a service, got ${quote(name)}`);
}

/** What came in place of a reply, as an error shows it: whatever listens there may have sent it. */
function show(text: string): string {
  return quote(text.slice(0, SHOWN));
}

/**
 * Whether HAProxy knows every word; a description is one of its own and comes after a health word.
 */
function isWellFormed(reply: string): boolean {
  const words = reply.split(/[ \t,]+/).filter((word) => word !== "");
  const health = words.findIndex((word) => HEALTH.test(word));
  const description = words.findIndex(
    (word, i) => word.startsWith("#") && i > health && health >= 0,
  );
  const known = description < 0 ? words : words.slice(0, description);
  return known.length > 0 && known.every((word) => WORD.test(word));
}

function readTarget(text: string | undefined, env: Environment): Address {
  if (text !== undefined) {
    const address = parseAddress(text) ?? parseAddress(`${text}:9777`);
    if (address) return address;
    throw new UsageError(`status: expected HOST[:PORT] or [IPV6][:PORT], got ${quote(text)}`);
  }
  const ip = readSetting(env, "HAPGENT_IP");
  // What listens on all addresses is asked on the local one.
  const local: Record<string, string> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  return { ip: local[ip] ?? ip, port: readSetting(env, "HAPGENT_PORT") };
}

/** Milliseconds from a number of seconds of the command line. */
function readSeconds(name: string, text: string): number {
  if (/^\d{1,5}(\.\d+)?$/.test(text)) return Number(text) * 1000;
  throw new UsageError(`status: ${name}: expected seconds from 0 to 99999, got ${quote(text)}`);
}
