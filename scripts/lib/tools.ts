import { existsSync } from "node:fs";
import { basename } from "node:path";
import { outcome } from "./shell.ts";

/** Debian keeps commands of the system where not every user's PATH looks: `su` alone does not. */
const SYSTEM = ":/usr/local/sbin:/usr/sbin:/sbin";

/**
 * Makes sure that commands are there, installing their packages where this user may; else one line
 * says what is missing, and this program ends with exit code 1.
 *
 * @param tools Debian package by command; a path stands for itself.
 * @param purpose What needs them, for the line that says what is installed.
 */
export async function needTools(
  tools: Readonly<Record<string, string>>,
  purpose = basename(Bun.main),
): Promise<void> {
  const PATH = `${process.env["PATH"] ?? ""}${SYSTEM}`;
  // All that this program starts finds them, too.
  process.env["PATH"] = PATH;
  const isThere = (command: string) =>
    command.startsWith("/") ? existsSync(command) : Bun.which(command, { PATH }) !== null;
  const missing = Object.keys(tools).filter((command) => !isThere(command));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((command) => tools[command] ?? ""))].toSorted();
  const advice = `missing for ${purpose}: ${missing.join(", ")}; as root: apt-get install ${packages.join(" ")}`;
  if (process.getuid?.() !== 0 || !isThere("apt-get")) refuse(advice);
  console.log(`installing ${packages.join(", ")} for ${purpose}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  for (const step of [["update"], ["install", "--no-install-recommends", ...packages]]) {
    const install = ["apt-get", "-qq", ...step];
    const { stdout, stderr, exitCode } = await outcome(install, { env, limit: 900 });
    if (exitCode !== 0) refuse(`${stdout}${stderr}${advice}`);
  }
}

function refuse(problem: string): never {
  console.error(problem);
  process.exit(1);
}
