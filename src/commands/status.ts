import { type Address, formatAddress, parseAddress } from "../address.ts";
import { describeError } from "../errors.ts";
import { EXIT, UsageError } from "../exit.ts";
import { PROBE_MARK, SERVICE_NAME } from "../sent.ts";
import type { Environment } from "../settings.ts";
import { STATUSES, type Status } from "../state/state.ts";
import { findNearest, printableAscii, quote, suggest } from "../text.ts";
import type { Arguments } from "./arguments.ts";
import { findSettings } from "./installation.ts";
import { isWellFormed, readStatuses } from "./words.ts";

/** The longest line that HAProxy reads, its newline included. */
const LINE_LIMIT = 16_383;

/** How much of a wrong reply is shown, in characters. */
const SHOWN = 60;

/** How many milliseconds pass between two tries of `--wait`. */
const PAUSE_MS = 50;

/** The port of an address that names none. */
const DEFAULT_PORT = 9777;

/** A check: whom it asks, what it sends, and how many seconds it may take. */
interface Question {
  readonly target: Address;
  readonly sent: string;
  readonly timeout: number;
}

/** How one check went. */
interface Answer {
  readonly reply?: string | undefined;
  readonly problem?: string | undefined;
}

/**
 * `hapgent status [HOST[:PORT]]`: asks as HAProxy does and prints the line. Without an address it
 * asks the agent that the environment, or the installation on this machine, describes.
 *
 * @returns the exit code: 0 when the reply is well-formed, else 1. With `--expect` it is a
 * monitor's: 0 when the status is one of these, else 2, which Nagios calls critical.
 */
export async function runStatus(args: Arguments, env: Environment): Promise<number> {
  const { values, flags, operands } = args;
  if (operands.length > 1) {
    throw new UsageError(`status: expected one HOST[:PORT], got ${quote(operands.join(" "))}`);
  }
  const service = readService(values["send"]);
  const timeout = readSeconds("--timeout", values["timeout"] ?? "2");
  const end = performance.now() + readSeconds("--wait", values["wait"] ?? "0") * 1000;
  const expected = readExpected(values["expect"]);
  const { target, origin } = await findTarget(operands[0], env, values["instance"]);
  const question = { target, sent: `${PROBE_MARK}${service}\n`, timeout };
  const address = formatAddress(target);
  for (;;) {
    const { reply, problem } = compare(await ask(question), expected);
    if (problem !== undefined && performance.now() < end) {
      await Bun.sleep(PAUSE_MS);
      continue;
    }
    const ok = problem === undefined;
    const problems = ok ? [] : [problem];
    const failure = `${address}${origin}: ${problem}`;
    const shown = printableAscii(reply ?? "");
    if (flags.has("json")) {
      console.log(printableAscii(JSON.stringify({ ok, address, reply, problems })));
    } else if (expected) console.log(ok ? `OK: ${shown}` : `CRITICAL: ${failure}`);
    else if (ok) console.log(shown);
    else console.error(`hapgent status: ${failure}`);
    if (ok) return EXIT.ok;
    return expected ? EXIT.critical : EXIT.failure;
  }
}

/** One check: connects, sends, reads up to the first newline, closes. */
async function ask({ target: { ip, port }, sent, timeout }: Question): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  let isConnected = false;
  const giveUp = () => {
    if (!isConnected) resolve(`no connection within ${timeout} s`);
    else if (text === "") resolve(`connected, but it said nothing within ${timeout} s`);
    else resolve(`expected a line within ${timeout} s, got ${show(text)}`);
  };
  const timer = setTimeout(giveUp, timeout * 1000);
  const connection = Bun.connect({
    hostname: ip,
    port,
    socket: {
      open(socket) {
        isConnected = true;
        socket.write(sent);
      },
      data(socket, chunk) {
        // One character a byte, until all of them are there.
        text += chunk.toString("latin1");
        if (!text.includes("\n") && text.length < LINE_LIMIT) return;
        socket.end();
        resolve("");
      },
      close: () => resolve(text === "" ? "connected, but it said nothing" : ""),
      error: (_, error) => resolve(describeError(error)),
    },
  });
  connection.catch((error: unknown) => resolve(describeError(error)));
  const failure = await promise;
  clearTimeout(timer);
  if (failure) return { problem: failure };
  if (!text.includes("\n")) return { problem: `expected a line, got ${show(text)}` };
  const reply = decode(text.slice(0, text.search(/[\r\n]/)));
  if (isWellFormed(reply)) return { reply };
  return { reply, problem: `expected words that HAProxy knows, got ${show(reply)}` };
}

/** The same answer; with a status that is not among the expected ones, that is its problem. */
function compare(answer: Answer, expected: readonly Status[] | undefined): Answer {
  const { reply, problem } = answer;
  if (!expected || problem !== undefined || reply === undefined) return answer;
  if (readStatuses(reply).some((status) => expected.includes(status))) return answer;
  return { reply, problem: `expected ${expected.join(" or ")}, got ${show(reply)}` };
}

function readExpected(text: string | undefined): Status[] | undefined {
  return text?.split(",").map((word) => {
    const status = STATUSES.find((each) => each === word.toUpperCase());
    if (status !== undefined) return status;
    const nearest = findNearest(word, STATUSES);
    const hint = suggest(nearest);
    const all = STATUSES.join(", ");
    throw new UsageError(`status: --expect: expected some of ${all}, got ${quote(word)}${hint}`);
  });
}

function readService(name = ""): string {
  if (name === "" || SERVICE_NAME.test(name)) return name;
  throw new UsageError(`status: --send: expected the name of a service, got ${quote(name)}`);
}

function decode(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString();
}

/** Text that came in place of a reply, safe to show: anything may listen there. */
function show(text: string): string {
  return printableAscii(JSON.stringify(text.slice(0, SHOWN)));
}

/** The address to ask, and where it comes from if not the command line or the environment. */
async function findTarget(
  text: string | undefined,
  env: Environment,
  instance: string | undefined,
): Promise<{ target: Address; origin: string }> {
  if (text !== undefined) {
    const target = parseAddress(text, DEFAULT_PORT);
    if (target) return { target, origin: "" };
    throw new UsageError(`status: expected HOST[:PORT] or [IPV6][:PORT], got ${quote(text)}`);
  }
  const settings = await findSettings(env, instance);
  const ip = settings.read("HAPGENT_IP");
  // An agent that listens on all addresses is asked on the local one.
  const local: Record<string, string> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  const target = { ip: local[ip] ?? ip, port: settings.read("HAPGENT_PORT") };
  return { target, origin: settings.explain("HAPGENT_PORT") };
}

/** A number of seconds of the command line. */
function readSeconds(name: string, text: string): number {
  if (/^\d{1,5}(\.\d+)?$/.test(text)) return Number(text);
  throw new UsageError(`status: ${name}: expected seconds from 0 to 99999, got ${quote(text)}`);
}
