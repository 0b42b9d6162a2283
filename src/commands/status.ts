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

/**
 * Where an agent that listens on all addresses is asked. One that listens on `::` has IPv4 too, and
 * has only that where IPv6 is off.
 */
const LOCAL: Readonly<Record<string, readonly [string, string]>> = {
  "0.0.0.0": ["127.0.0.1", "::1"],
  "::": ["::1", "127.0.0.1"],
};

/** A check: whom it asks, what it sends, and what it takes for a good reply. */
interface Question {
  readonly target: Address;
  /** Is asked where the target has no port open. */
  readonly other?: Address | undefined;
  readonly sent: string;
  /** Seconds. */
  readonly timeout: number;
  readonly expected: readonly Status[] | undefined;
}

/**
 * `hapgent status [HOST[:PORT]]`: asks as HAProxy does and prints the reply. What the address does
 * not say is that of the agent that the environment, or the installation on this machine, describes.
 *
 * @returns the exit code: 0 when the reply is well-formed, else 1. With `--expect` it is a
 * monitor's: 0 when the status is one of these, else 2, which Nagios calls critical.
 */
export async function runStatus(args: Arguments, env: Environment): Promise<number> {
  const { values, flags, operands } = args;
  if (operands.length > 1) {
    throw new UsageError(`status: expected one HOST[:PORT], got ${quote(operands.join(" "))}`);
  }
  const sent = `${PROBE_MARK}${readService(values["send"])}\n`;
  const timeout = readSeconds("--timeout", values["timeout"] ?? "2");
  const end = performance.now() + readSeconds("--wait", values["wait"] ?? "0") * 1000;
  const expected = readExpected(values["expect"]);
  const { origin, ...targets } = await findTargets(operands[0], env, values["instance"]);
  const question = { ...targets, sent, timeout, expected };
  let outcome = await check(question);
  while (outcome.problem !== undefined && performance.now() < end) {
    await Bun.sleep(PAUSE_MS);
    outcome = await check(question);
  }
  const { address, reply, problem } = outcome;
  const ok = problem === undefined;
  const failure = `${address}${origin}: ${problem}`;
  const shown = printableAscii(reply ?? "");
  if (flags.has("json")) {
    const problems = ok ? [] : [problem];
    console.log(printableAscii(JSON.stringify({ ok, address, reply, problems })));
  } else if (expected) console.log(ok ? `OK: ${shown}` : `CRITICAL: ${failure}`);
  else if (ok) console.log(shown);
  else console.error(`hapgent status: ${failure}`);
  if (ok) return EXIT.ok;
  return expected ? EXIT.critical : EXIT.failure;
}

/** Asks the target, or the other one if only that is there. */
async function check(question: Question) {
  const { target, other } = question;
  const outcome = await ask(target, question);
  if (outcome.isConnected || !other) return outcome;
  const second = await ask(other, question);
  return second.isConnected ? second : outcome;
}

/** One check: connects, sends, reads up to the first newline, closes. */
async function ask({ ip, port }: Address, question: Question) {
  const { sent, timeout, expected } = question;
  // What is wrong with the connection; nothing, if a line or its end has come.
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
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
      data(_, chunk) {
        // One character a byte, until all of them are there.
        text += chunk.toString("latin1");
        if (text.includes("\n") || text.length >= LINE_LIMIT) resolve(undefined);
      },
      close: () => resolve(text === "" ? "connected, but it said nothing" : undefined),
      error: (_, error) => resolve(describeError(error)),
    },
  });
  connection.catch((error: unknown) => resolve(describeError(error)));
  const failure = await promise;
  clearTimeout(timer);
  // Also one that has said nothing: with `--wait` many would stay open beside an agent that hangs.
  void connection.then((socket) => socket.end()).catch(() => undefined);
  const [line = ""] = text.split(/[\r\n]/, 1);
  const reply = text.includes("\n") ? Buffer.from(line, "latin1").toString() : undefined;
  const problem =
    failure ??
    (reply === undefined ? `expected a line, got ${show(text)}` : findProblem(reply, expected));
  return { address: formatAddress({ ip, port }), isConnected, reply, problem };
}

/** What is wrong with a reply; undefined: nothing. */
function findProblem(reply: string, expected: readonly Status[] | undefined): string | undefined {
  const got = `got ${show(reply)}`;
  if (!isWellFormed(reply)) return `expected words that HAProxy knows, ${got}`;
  const isExpected = !expected || readStatuses(reply).some((status) => expected.includes(status));
  return isExpected ? undefined : `expected ${expected.join(" or ")}, ${got}`;
}

function readExpected(text: string | undefined): Status[] | undefined {
  return text?.split(",").map((word) => {
    const status = STATUSES.find((each) => each === word.toUpperCase());
    if (status !== undefined) return status;
    const hint = suggest(findNearest(word, STATUSES));
    const all = STATUSES.join(", ");
    throw new UsageError(`status: --expect: expected some of ${all}, got ${quote(word)}${hint}`);
  });
}

function readService(name: string | undefined): string {
  if (name === undefined) return "";
  if (SERVICE_NAME.test(name)) return name;
  throw new UsageError(`status: --send: expected the name of a service, got ${quote(name)}`);
}

/** Text that came in place of a reply, safe to show: anything may listen there. */
function show(text: string): string {
  return printableAscii(JSON.stringify(text.slice(0, SHOWN)));
}

/** Whom to ask, and where that comes from if not the command line or the environment. */
async function findTargets(text: string | undefined, env: Environment, instance?: string) {
  const given = parseAddress(text ?? "");
  if (given && instance !== undefined) {
    throw new UsageError(`status: expected a port or --instance, got both: ${quote(text ?? "")}`);
  }
  // Whoever names the port needs no settings.
  if (given) return { target: given, origin: "" };
  const settings = await findSettings(env, instance);
  const port = settings.read("HAPGENT_PORT");
  const origin = settings.explain("HAPGENT_PORT");
  if (text !== undefined) {
    const target = parseAddress(text, port);
    if (target) return { target, origin };
    throw new UsageError(`status: expected HOST[:PORT] or [IPV6][:PORT], got ${quote(text)}`);
  }
  const ip = settings.read("HAPGENT_IP");
  const [first = ip, second] = LOCAL[ip] ?? [];
  const other = second === undefined ? undefined : { ip: second, port };
  return { target: { ip: first, port }, other, origin };
}

/** A number of seconds of the command line. */
function readSeconds(name: string, text: string): number {
  if (/^\d{1,5}(\.\d+)?$/.test(text)) return Number(text);
  throw new UsageError(`status: ${name}: expected seconds from 0 to 99999, got ${quote(text)}`);
}
