import { parseArgs } from "node:util";
import { EXIT, usageError } from "./cli.ts";
import { ConfigError, type Environment, readConfig } from "./config.ts";
import { formatAddress } from "./listener.ts";
import { reasonOf } from "./log.ts";

/** The longest line that HAProxy reads, its newline included. */
const LINE_LIMIT = 16_383;

/** So many characters of a wrong reply are shown. */
const SHOWN = 60;

/** The words that an agent may send (HAProxy's configuration manual, "agent-check"). */
const HEALTH = /^(up|down|fail|stopped)$/i;
const WORD = /^(up|down|ready|drain|fail|maint|stopped|\d+%|maxconn:\d+)$/i;

interface Options {
  readonly ip: string;
  readonly port: number;
  /** Milliseconds that one check may take, and during which it is tried again. */
  readonly timeout: number;
  readonly wait: number;
  readonly isJson: boolean;
}

/**
 * `hapgent status [HOST:PORT] [--timeout S] [--wait S] [--json]`: asks as HAProxy does and prints
 * the line. Without an address it asks the agent that the environment describes.
 *
 * @returns the exit code: 0 when the reply is well-formed, 1 otherwise.
 */
export async function status(args: string[], env: Environment): Promise<number> {
  const options = readOptions(args, env);
  const address = formatAddress(options);
  const end = performance.now() + options.wait;
  for (;;) {
    const { reply, problem } = await ask(options);
    if (problem !== undefined && performance.now() < end) {
      await Bun.sleep(50);
      continue;
    }
    const isGood = problem === undefined;
    if (options.isJson) console.log(JSON.stringify({ address, isGood, reply, problem }));
    else if (isGood) console.log(reply);
    else console.error(`hapgent status: ${address}: ${problem}`);
    return isGood ? EXIT.ok : EXIT.failure;
  }
}

/** One check: connects, reads up to the first newline, closes. */
async function ask({ ip, port, timeout }: Options): Promise<{ reply?: string; problem?: string }> {
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
      error: (_, error) => resolve(reasonOf(error)),
    },
  });
  connection.catch((error: unknown) => resolve(reasonOf(error)));
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

function readOptions(args: string[], env: Environment): Options {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: {
        timeout: { type: "string", default: "2" },
        wait: { type: "string", default: "0" },
        json: { type: "boolean", default: false },
      },
      allowPositionals: true,
    });
    if (positionals.length > 1) throw new Error("expected one HOST:PORT");
    return {
      ...readAddress(positionals[0], env),
      timeout: readSeconds("--timeout", values.timeout),
      wait: readSeconds("--wait", values.wait),
      isJson: values.json,
    };
  } catch (error) {
    throw error instanceof ConfigError ? error : usageError("status", error);
  }
}

function readAddress(text: string | undefined, env: Environment): { ip: string; port: number } {
  if (text === undefined) {
    const { listen } = readConfig({ ...env, LISTEN_PID: undefined });
    if ("fd" in listen) throw new Error("expected HOST:PORT");
    // What listens on all addresses is asked on the local one.
    const local: Record<string, string> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
    return { ip: local[listen.ip] ?? listen.ip, port: listen.port };
  }
  const [, bracketed, host, port] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const ip = bracketed ?? host;
  if (ip === undefined || Number(port) > 65535) {
    throw new Error(`expected HOST:PORT or [IPV6]:PORT, got ${JSON.stringify(text)}`);
  }
  return { ip, port: Number(port) };
}

/** Milliseconds from a number of seconds of the command line. */
function readSeconds(name: string, text: string): number {
  if (/^\d{1,5}(\.\d+)?$/.test(text)) return Number(text) * 1000;
  throw new Error(`${name}: expected seconds from 0 to 99999, got ${JSON.stringify(text)}`);
}
