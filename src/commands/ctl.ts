import { type Environment, readSetting } from "../config.ts";
import { describeError } from "../errors.ts";
import { EXIT } from "../exit.ts";
import type { Arguments } from "./arguments.ts";

/** Seconds that an answer may take, beyond those that a `wait` asks for. */
const PATIENCE = 10;

/**
 * `hapgent ctl COMMAND...`: sends a command to the control socket and prints the answer.
 *
 * @returns the exit code: 0, or 1 when the answer is an error or there is none.
 */
export async function runCtl({ operands }: Arguments, env: Environment): Promise<number> {
  const path = readSetting(env, "HAPGENT_SOCKET");
  if (path === undefined) {
    console.error("hapgent ctl: set HAPGENT_SOCKET to the path that the agent was started with");
    return EXIT.failure;
  }
  const seconds = PATIENCE + (operands[0] === "wait" ? Number(operands[1]) || 0 : 0);
  try {
    const answer = await ask(path, operands.join(" ").replaceAll("\n", " "), seconds);
    const isError = answer.startsWith("error:");
    console[isError ? "error" : "log"](answer);
    return isError ? EXIT.failure : EXIT.ok;
  } catch (error) {
    console.error(`hapgent ctl: no answer from ${path}: ${describeError(error)}`);
    return EXIT.failure;
  }
}

async function ask(path: string, command: string, seconds: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = "";
  const timer = setTimeout(() => reject(new Error(`nothing within ${seconds} s`)), seconds * 1000);
  await Bun.connect({
    unix: path,
    socket: {
      open(socket) {
        socket.write(`${command}\n`);
      },
      data(socket, chunk) {
        answer += chunk.toString();
        if (!answer.includes("\n")) return;
        resolve(answer.trimEnd());
        socket.end();
      },
      close: () => reject(new Error("closed without an answer")),
      error: (_, error) => reject(error),
    },
  });
  return promise.finally(() => clearTimeout(timer));
}
