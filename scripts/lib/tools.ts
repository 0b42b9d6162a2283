import { basename } from "node:path";
import { outcome } from "./shell.ts";

/**
 * Makes sure that commands are there, installing their Debian packages where this user may.
 *
 * @param tools Debian package by command.
 * @param purpose What needs them, for the line that says what is installed.
 */
export async function needTools(
  tools: Record<string, string>,
  purpose = basename(Bun.main),
): Promise<void> {
  const missing = Object.keys(tools).filter((command) => !Bun.which(command, { PATH: SEARCH }));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((command) => tools[command] ?? command))];
  let problem = "";
  if (process.getuid?.() === 0 && Bun.which("apt-get")) {
    console.log(`installing ${packages.join(", ")} for ${purpose}`);
    problem = await install(packages);
    if (problem === "") return;
  }
  console.error(
    `${problem}missing: ${missing.join(", ")}; install ${packages.join(", ")} and try again`,
  );
  process.exit(1);
}

/** Where Debian puts commands; those of the system are not on every user's path. */
const SEARCH = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;

/** Installs packages, and returns what apt-get said if it failed. */
async function install(packages: string[]): Promise<string> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  for (const step of [["update"], ["install", "--no-install-recommends", ...packages]]) {
    const { stdout, stderr, exitCode } = await outcome(["apt-get", "-qq", ...step], {
      env,
      limit: 900,
    });
    if (exitCode !== 0) return stdout + stderr;
  }
  return "";
}
