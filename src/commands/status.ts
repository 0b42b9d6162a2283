import { type Address, formatAddress, parseAddress } from "../address.ts";
import { type Environment, readSetting } from "../config.ts";
import { describeError } from "../errors.ts";
import { EXIT, UsageError } from "../exit.ts";
import type { Arguments } from "./arguments.ts";

/** The longest line that HAProxy reads, its newline included. */
const LINE_LIMIT = 16_383;

/** How much of a wrong reply is shown, in characters. */
const SHOWN = 60;

/** The words that an agent may send (HAProxy's configuration manual, "agent-check"). */
const HEALTH = /^(up|down|fail|stopped)$/i;
const WORD = /^(up|down|ready|drain|fail|maint|stopped|\d+%|maxconn:\d+)$/i;

/** What one check gave. */
interface Answer {
  readonly reply?: string;
  readonly problem?: string;
}

/**
 * `hapgent status [HOST:PORT] [--timeout S] [--wait S] [--json]`: asks as HAProxy does and prints
 * the line. Without an address it asks the agent that the environment describes.
 *
 * @returns the exit code: 0 when the reply is well-formed, 1 otherwise.
 */
export async function runStatus(args: Arguments, env: Environment): Promise<number> {
  const { values, flags, operands } = args;
  if (operands.length > 1) throw new UsageError("status: expected one HOST:PORT");
  const target = readTarget(operands[0], env);
  const timeout = readSeconds("--timeout", values["timeout"] ?? "2");
  const end = performance.now() + readSeconds("--wait", values["wait"] ?? "0");
  const address = formatAddress(target);
  for (;;) {
    const { reply, problem } = await ask(target, timeout);
    if (problem !== undefined && performance.now() < end) {
      await Bun.sleep(50);
      continue;
    }
    const ok = problem === undefined;
    const problems = ok ? [] : [problem];
    if (flags.has("json")) console.log(JSON.stringify({ ok, address, reply, problems }));
    else if (ok) console.log(reply);
    else console.error(`hapgent status: ${address}: ${problem}`);
    return ok ? EXIT.ok : EXIT.failure;
  }
}

/** One check: connects, reads up to the first newline, closes. `timeout` is in milliseconds. */
async function ask({ ip, port }: Address, timeout: number): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  const timer = setTimeout(() => resolve("timed out"), timeout);
  const connection = Bun.connect({
    hostname: ip,
    port,
    socket: {
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
  if (!text.includes("\n")) return { problem: `expected a line, got ${show(text)}` };
  const reply = text.slice(0, text.search(/[\r\n]/));
  if (isWellFormed(reply)) return { reply };
  return { reply, problem: `expected words that HAProxy knows, got ${show(reply)}` };
}

/** What came in place of a reply, as an error shows it: whatever listens there may have sent it. */
function show(text: string): string {
  return JSON.stringify(text.slice(0, SHOWN));
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
    const address = parseAddress(text);
    if (address) return address;
    throw new UsageError(`status: expected HOST:PORT or [IPV6]:PORT, got ${JSON.stringify(text)}`);
  }
  const ip = readSetting(env, "HAPGENT_IP");
  // What listens on all addresses is asked on the local one.
  const local: Record<string, string> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  return { ip: local[ip] ?? ip, port: readSetting(env, "HAPGENT_PORT") };
}

/** Milliseconds from a number of seconds of the command line. */
function readSeconds(name: string, text: string): number {
  if (/^\d{1,5}(\.\d+)?$/.test(text)) return Number(text) * 1000;
  throw new UsageError(
    `status: ${name}: expected seconds from 0 to 99999, got ${JSON.stringify(text)}`,
  );
}
