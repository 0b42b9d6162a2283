// Runs the README's two commands on a fresh Debian machine: bun scripts/fresh.ts [--release NAME]
// [--npm VERSION] [--path PATH]
//
// The machine is a root directory that has npm and nothing else: Debian's, or the version that is
// named, with a newer Node.js. The last commit of this repository is cloned to PATH in it, into a directory that only
// root may enter. With --here the machine is this one, with an empty home and npm's newest version,
// and `test` ends when all is prepared. The last line says how many of the two commands passed.
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { packageManager } from "../package.json";
import { ask } from "./lib/check.ts";
import { collectLines } from "./lib/lines.ts";
import { freePort } from "./lib/port.ts";
import { findMirror, readAptOptions, readSettings } from "./lib/registries.ts";
import { output, ROOT } from "./lib/shell.ts";
import { step } from "./lib/steps.ts";
import { needTools } from "./lib/tools.ts";
import { until } from "./lib/until.ts";

/** The major version of Node.js that the newest npm runs on. */
const NODE = 24;

/** Milliseconds until an agent must answer: two downloads come before it. */
const START_MS = 300_000;

/** Makes a directory the root of a namespace, with the devices and control groups of this machine. */
const ENTER = `
  mount --bind "$0" "$0"
  cd "$0"
  mount --rbind /dev dev
  mount --rbind /sys sys
  mount -t proc proc proc
  pivot_root . .
  umount --lazy .
  cd /
  exec "$@"`;

/** A machine: how a command runs on it, and where the clone is, as it is seen there. */
interface Machine {
  readonly path: string;
  enter(command: string, env?: Record<string, string>): string[];
}

const { values: options } = parseArgs({
  options: {
    release: { type: "string", default: "bookworm" },
    npm: { type: "string", default: "debian" },
    path: { type: "string", default: "/root/hapgent" },
    here: { type: "boolean", default: false },
  },
});

await needTools({
  ...{ git: "git", setpriv: "util-linux", unshare: "util-linux" },
  ...(options.here ? {} : { mmdebstrap: "mmdebstrap" }),
});
const directory = mkdtempSync(join(tmpdir(), "hapgent-fresh-"));
process.on("exit", () => {
  // Nothing below a mount is touched, should one be left.
  Bun.spawnSync(["rm", "-rf", "--one-file-system", directory]);
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

const settings = await readSettings();
const machine = options.here ? await prepareHere() : await makeRoot();
const versions = await output(machine.enter("echo npm $(npm --version), node $(node --version)"));
const tried = [await tryStart(machine), await tryTest(machine)];
const passed = tried.filter((result) => result.passed).length;
const name = options.here ? "this machine" : `Debian ${options.release}`;
console.log(`${name}, ${versions}, ${machine.path}`);
for (const { line } of tried) console.log(`  ${line}`);
console.log(`${passed} passed, ${tried.length - passed} failed`);
process.exit(passed === tried.length ? 0 : 1);

interface Tried {
  readonly passed: boolean;
  readonly line: string;
}

/** Runs `start` until the agent answers. */
async function tryStart({ enter }: Machine): Promise<Tried> {
  const port = freePort();
  const address = { HAPGENT_IP: "127.0.0.1", HAPGENT_PORT: String(port) };
  const child = spawn(enter(`${runScript("start")} 2>&1`, address));
  const lines: string[] = [];
  void collectLines(child.stdout, lines);
  const reply = await until(
    "answers",
    async () => (await ask(port).catch(() => "")) || child.exitCode !== null,
    START_MS,
  ).catch(() => "nothing");
  child.kill("SIGKILL");
  const isUp = reply === "UP 100%\n";
  if (!isUp) console.log(lines.join("\n"));
  return { passed: isUp, line: `start: ${isUp ? reply.trimEnd() : "no answer"}` };
}

/** Runs `test` to its end, or until all is prepared, and shows what it prints. */
async function tryTest({ enter }: Machine): Promise<Tried> {
  const child = spawn(enter(`${runScript("test")}${options.here ? " --prepare" : ""} 2>&1`));
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of child.stdout) {
    process.stdout.write(chunk);
    text += decoder.decode(chunk, { stream: true });
  }
  const passed = (await child.exited) === 0;
  const lines = text.trimEnd().split("\n");
  const result = lines.findLast((line) => /^\d+ passed, \d+ failed$/.test(line));
  return { passed, line: `test: ${result ?? lines.at(-1)}` };
}

/** The README's command for a script. */
function runScript(script: string): string {
  return `npx --yes --allow-scripts=bun ${packageManager} run ${script}`;
}

/** Starts a command; it, and all that it starts, ends with this program. */
function spawn(command: string[]) {
  return Bun.spawn(command, { stdio: ["ignore", "pipe", "inherit"] });
}

/** A command in its own process and mount namespaces, after a shell script. */
function isolate(script: string, ...rest: string[]): string[] {
  const unshare = "setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child";
  return [...unshare.split(" "), "--propagation=private", "sh", "-euc", script, ...rest];
}

/** Makes a Debian root with an npm and a clone. */
async function makeRoot(): Promise<Machine> {
  const { release, npm, path } = options;
  const root = join(directory, "root");
  const aptOptions = join(directory, "apt.conf");
  writeFileSync(aptOptions, await readAptOptions());
  await step(`make a root of Debian ${release}`, async () => {
    const include = "--include=ca-certificates,npm";
    const mode = ["--mode=root", "--variant=minbase", `--aptopt=${aptOptions}`];
    const mirror = findMirror();
    const place = mirror === undefined ? [] : [mirror];
    await output(["mmdebstrap", ...mode, include, release, root, ...place], { limit: 900 });
  });
  for (const file of ["/etc/hosts", "/etc/resolv.conf", ...settings.files]) {
    await output(["cp", "--dereference", file, join(root, file)]);
  }
  const machine = {
    path,
    enter(command: string, env: Record<string, string> = {}): string[] {
      return isolate(ENTER, root, ...inHome("/root", path, command, env));
    },
  };
  await clone(join(root, path));
  writeFileSync(join(root, "root/.npmrc"), settings.npmrc);
  if (npm === "debian") return machine;
  // One after the other: npm refuses to become one that its own Node.js is too old for.
  for (const name of [`node-linux-${process.arch}@${NODE}`, `npm@${npm}`]) {
    await step(`install ${name}`, async () => {
      const install = `cd / && npm install --loglevel=error --global ${name}`;
      await output(machine.enter(install), { limit: 300 });
    });
  }
  return machine;
}

/** Makes a home with the newest npm and a clone. */
async function prepareHere(): Promise<Machine> {
  const npm = options.npm === "debian" ? "latest" : options.npm;
  const home = join(directory, "home");
  const path = join(home, "hapgent");
  await clone(path);
  writeFileSync(join(home, ".npmrc"), settings.npmrc);
  const tools = join(directory, "tools");
  const packages = [`node-linux-${process.arch}@${NODE}`, `npm@${npm}`];
  await step(`install ${packages.join(" ")}`, async () => {
    // npx hands its own option on in the environment, and npm takes it for no other kind of install.
    const install = ["env", "--unset=npm_config_allow_scripts", "npm", "install"];
    await output([...install, "--loglevel=error", "--prefix", tools, ...packages], {
      limit: 300,
    });
  });
  const bin = join(tools, "node_modules/.bin");
  return {
    path,
    enter: (command, env = {}) =>
      isolate('mount -t proc proc /proc; exec "$0" "$@"', ...inHome(home, path, command, env, bin)),
  };
}

/** Clones the last commit to a directory that only root may enter. */
async function clone(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // A checkout may belong to another user, in a container of CI.
  const config = join(directory, "gitconfig");
  writeFileSync(config, "[safe]\n\tdirectory = *\n");
  await output(["git", "clone", "--quiet", ROOT, path], { env: { GIT_CONFIG_GLOBAL: config } });
  chmodSync(path, 0o700);
}

/**
 * A shell command in the clone, with nothing of this program's environment. The shell stays: it is
 * the first process, which takes care of orphans.
 */
function inHome(
  home: string,
  path: string,
  command: string,
  env: Record<string, string>,
  ...paths: string[]
): string[] {
  const system = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  const variables = { HOME: home, PATH: [...paths, ...system].join(":"), ...settings.env, ...env };
  const words = Object.entries(variables).map(([key, value]) => `${key}=${value}`);
  return ["env", "-i", ...words, "sh", "-c", `cd "$0" && ${command}; exit $?`, path];
}
