import { type Environment, readSetting } from "../config.ts";
import { describeError } from "../errors.ts";
import { EXIT, UsageError } from "../exit.ts";
import { printable, quote } from "../text.ts";
import type { Arguments } from "./arguments.ts";
import { formatTable } from "./table.ts";

/** Seconds that an answer may take, beyond those that a `wait` asks for. */
const PATIENCE = 10;

/** The longest `wait` that the control socket takes, in seconds. */
const WAIT_LIMIT = 86_400;

/**
 * `hapgent ctl [@SERVICE] COMMAND...`: sends a command to the control socket and prints the answer;
 * a list as a table where a person reads it.
 *
 * @returns the exit code: 0, or 1 when the answer is an error or there is none.
 */
export async function runCtl({ operands, flags }: Arguments, env: Environment): Promise<number> {
  const option = operands.find((word) => /^--?[a-z]/i.test(word));
  if (option !== undefined) {
    throw new UsageError(`ctl: expected options before the command, got ${quote(option)} in it`);
  }
  const path = readSetting(env, "HAPGENT_SOCKET");
  if (path === undefined) {
    console.error("hapgent ctl: set HAPGENT_SOCKET to the path that the agent was started with");
    return EXIT.failure;
  }
  const command = operands.join(" ").replaceAll("\n", " ").trim();
  const [, seconds = "0"] = /^(?:@\S+\s+)?wait\s+(\d+)/.exec(command) ?? [];
  try {
    const answer = await ask(path, command, Math.min(Number(seconds), WAIT_LIMIT) + PATIENCE);
    const isError = answer.startsWith("error:");
    const isTable = process.stdout.isTTY && answer.startsWith("[") && !flags.has("json");
    const shown = isTable ? formatTable(answer) : printable(answer);
    console[isError ? "error" : "log"](shown);
    return isError ? EXIT.failure : EXIT.ok;
  } catch (error) {
    console.error(`hapgent ctl: no answer from ${path}: ${describeError(error)}`);
    return EXIT.failure;
  }
}

async function ask(path: string, command: string, seconds: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const decoder = new TextDecoder();
  let answer = "";
  const timer = setTimeout(() => reject(new Error(`nothing within ${seconds} s`)), seconds * 1000);
  const connection = Bun.connect({
    unix: path,
    socket: {
      open(socket) {
        socket.write(`${command}\n`);
      },
      data(socket, chunk) {
        answer += decoder.decode(chunk, { stream: true });
        if (!answer.includes("\n")) return;
        resolve(answer.slice(0, answer.indexOf("\n")));
        socket.end();
      },
      close: () => reject(new Error("closed without an answer")),
      error: (_, error) => reject(error),
    },
  });
  connection.catch(reject);
  return await promise.finally(() => clearTimeout(timer));
}
