import { findControls } from "../controls.ts";
import { describeError } from "../errors.ts";
import { EXIT, UsageError } from "../exit.ts";
import type { Environment } from "../settings.ts";
import { printable } from "../text.ts";
import type { Arguments } from "./arguments.ts";
import { converse, NO_SOCKET, NoAnswerError } from "./conversation.ts";
import { findSettings } from "./installation.ts";
import { formatTable } from "./table.ts";

/**
 * `hapgent ctl [@SERVICE] COMMAND...`: sends a command to the control socket and prints the answer;
 * on a terminal, a list is printed as a table; with `--json` as `{"ok","answer","problems"}`.
 *
 * @returns the exit code: 0, or 1 when the answer is an error or there is none.
 */
export async function runCtl(args: Arguments, env: Environment): Promise<number> {
  const { operands, flags, values } = args;
  // A newline would end the command.
  const command = operands
    .join(" ")
    .replaceAll(/[\r\n]+/g, " ")
    .trim();
  if (command === "") throw new UsageError("ctl: expected a control command");
  const [verb = ""] = command.replace(/^@\S*\s+/, "").split(/\s+/);
  if (findControls(verb).some(({ staysOpen }) => staysOpen)) {
    throw new UsageError(`ctl: ${verb} would end at once, with its connection: use hapgent deploy`);
  }
  const settings = await findSettings(env, values["instance"]);
  const path = settings.read("HAPGENT_SOCKET");
  const origin = settings.explain("HAPGENT_SOCKET");
  try {
    if (path === undefined) throw new NoAnswerError(NO_SOCKET);
    const { answer } = await converse({ path, origin }, command);
    const isError = answer.startsWith("error:");
    const isTable = process.stdout.isTTY && answer.startsWith("[");
    if (flags.has("json")) printJson(answer);
    else if (isError) console.error(printable(answer));
    else console.log(isTable ? formatTable(answer) : printable(answer));
    return isError ? EXIT.failure : EXIT.ok;
  } catch (error) {
    const problem = describeError(error);
    if (flags.has("json")) printJson(`error: ${problem}`);
    else console.error(`hapgent ctl: ${problem}`);
    return EXIT.failure;
  }
}

/** Prints an answer in the shape of all `--json` outputs. */
function printJson(text: string): void {
  const [, isError, words] = /^(?:ok |(error: ))?(.*)$/s.exec(text) ?? [];
  const outcome = isError
    ? { ok: false, problems: [words] }
    : { ok: true, answer: /^[[{]/.test(text) ? JSON.parse(text) : words, problems: [] };
  console.log(printable(JSON.stringify(outcome)));
}
