import { succeeds } from "./shell.ts";

/**
 * Makes sure that commands are there, installing their Debian packages where this user may.
 *
 * @param tools Debian package by command.
 */
export async function needTools(tools: Record<string, string>): Promise<void> {
  const missing = Object.keys(tools).filter((command) => !Bun.which(command, { PATH: SEARCH }));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((command) => tools[command] ?? command))];
  if (process.getuid?.() === 0 && Bun.which("apt-get")) {
    console.log(`installing ${packages.join(", ")}`);
    const environment = { DEBIAN_FRONTEND: "noninteractive" };
    const install = ["apt-get", "install", "-qq", "--no-install-recommends", ...packages];
    if (succeeds(["apt-get", "update", "-qq"], environment) && succeeds(install, environment))
      return;
  }
  console.error(`missing: ${missing.join(", ")}; install ${packages.join(", ")} and try again`);
  process.exit(1);
}

/** Where Debian puts commands; those of the system are not on every user's path. */
const SEARCH = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
