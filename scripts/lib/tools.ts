import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { outcome } from "./shell.ts";

/** Debian's names of packages (those of 12 and 13 are alike), where Fedora has another one. */
const FEDORA: Record<string, string> = {
  bsdutils: "util-linux-script",
  iproute2: "iproute",
  iptables: "iptables-nft",
  mount: "util-linux",
  "openssh-client": "openssh",
  prometheus: "golang-github-prometheus",
  "qemu-user-static": "qemu-user-static-aarch64",
  shellcheck: "ShellCheck",
  "util-linux-extra": "util-linux",
};

/** Debian keeps commands of the system where not every user's PATH looks. */
const SYSTEM = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/**
 * Makes sure that commands are there, installing their packages where this user may; else one line
 * says what is missing, and this program ends with exit code 1.
 *
 * @param tools Debian package by command.
 * @param purpose What needs them, for the line that says what is installed.
 */
export async function needTools(
  tools: Record<string, string>,
  purpose = basename(Bun.main),
): Promise<void> {
  addSystemToPath();
  const missing = listMissing(tools);
  if (missing.length === 0) return;
  const packages = packagesOf(missing, tools);
  const problem = `missing for ${purpose}: ${missing.join(", ")}`;
  if (process.getuid?.() !== 0 || !isThere("apt-get")) {
    const release = existsSync(RELEASE) ? readFileSync(RELEASE, "utf8") : "";
    refuse(`${problem}; ${advise(packages, release)}`);
  }
  console.log(`installing ${packages.join(", ")} for ${purpose}`);
  const failure = await install(packages);
  if (failure) refuse(`${failure}${problem}`);
  const left = listMissing(tools);
  if (left.length > 0) {
    refuse(`still missing for ${purpose}: ${left.join(", ")}; not in ${packages.join(", ")}`);
  }
}

/** Says of which distribution a machine is. */
const RELEASE = "/etc/os-release";

/**
 * What to type for packages that are missing, by the names that this distribution gives them.
 *
 * @param packages Debian's names.
 * @param release The text of /etc/os-release.
 */
export function advise(packages: readonly string[], release: string): string {
  const ids = [...release.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)/gm)].flatMap(([, words = ""]) =>
    words.split(" "),
  );
  if (ids.includes("debian")) return `as root: apt-get install ${packages.join(" ")}`;
  if (ids.includes("fedora")) {
    const names = new Set(packages.map((name) => FEDORA[name] ?? name));
    return `as root: dnf install ${[...names].join(" ")}`;
  }
  return `Debian's names of the packages: ${packages.join(" ")}`;
}

/** The commands that are not there. */
function listMissing(tools: Record<string, string>): string[] {
  return Object.keys(tools).filter((command) => !isThere(command));
}

/** Tells whether there is a command, or a file of this path. */
function isThere(command: string): boolean {
  if (command.startsWith("/")) return existsSync(command);
  return Bun.which(command, { PATH: process.env["PATH"] ?? "" }) !== null;
}

/** The packages of commands, each once. */
function packagesOf(commands: readonly string[], tools: Record<string, string>): string[] {
  return [...new Set(commands.map((command) => tools[command] ?? command))].toSorted();
}

/** Lets this program, and all that it starts, find commands of the system: `su` alone does not. */
function addSystemToPath(): void {
  const path = (process.env["PATH"] ?? "").split(":");
  process.env["PATH"] = [...path, ...SYSTEM.filter((name) => !path.includes(name))].join(":");
}

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

function refuse(problem: string): never {
  console.error(problem);
  process.exit(1);
}
