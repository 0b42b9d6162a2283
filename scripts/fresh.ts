// Runs the README's `start` and `test` on a fresh Debian machine: bun scripts/fresh.ts
// [--release NAME] [--npm VERSION] [--prepare]
//
// The machine is a root directory that has npm and nothing else: Debian's, or the version that is
// named, with a newer Node.js below /opt. The last commit of this repository is cloned in it to
// a directory that only root may enter. With --prepare `test` ends when all is prepared. The last
// line says how many of the two passed.
import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { packageManager } from "../package.json";
import { ask } from "./lib/check.ts";
import { freePort } from "./lib/port.ts";
import { findMirror, readAptOptions, readSettings } from "./lib/registries.ts";
import { output, ROOT } from "./lib/shell.ts";
import { step } from "./lib/steps.ts";
import { needTools } from "./lib/tools.ts";
import { until } from "./lib/until.ts";

/** The major version of Node.js that the newest npm runs on. */
const NODE = 24;

/** Where the clone is in it. */
const CLONE = "/root/hapgent";

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

const { values: options } = parseArgs({
  options: {
    release: { type: "string", default: "bookworm" },
    npm: { type: "string", default: "debian" },
    prepare: { type: "boolean", default: false },
  },
});

await needTools({
  ...{ git: "git", setpriv: "util-linux", unshare: "util-linux", mmdebstrap: "mmdebstrap" },
});
const directory = mkdtempSync(join(tmpdir(), "hapgent-fresh-"));
process.on("exit", () => {
  // Nothing below a mount is touched, should one be left.
  Bun.spawnSync(["rm", "-rf", "--one-file-system", directory]);
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

const settings = await readSettings();
const root = join(directory, "root");
await makeRoot();
const versions = await output(enter("echo npm $(npm --version), node $(node --version)"));
const tried = [await tryStart(), await tryTest()];
const passed = tried.filter(Boolean).length;
console.log(`Debian ${options.release}, ${versions}`);
console.log(`${passed} passed, ${tried.length - passed} failed`);
process.exit(passed === tried.length ? 0 : 1);

/** Runs `start` until the agent answers. */
async function tryStart(): Promise<boolean> {
  const port = freePort();
  const address = { HAPGENT_IP: "127.0.0.1", HAPGENT_PORT: String(port) };
  const child = spawn(enter(runScript("start"), address));
  const reply = await until(
    "answers",
    async () => (await ask(port).catch(() => "")) || (child.exitCode === null ? "" : "nothing"),
    START_MS,
  ).catch(() => "nothing");
  child.kill("SIGKILL");
  console.log(`start: ${reply.trimEnd()}`);
  return reply === "UP 100%\n";
}

/** Runs `test` to its end, or until all is prepared. */
async function tryTest(): Promise<boolean> {
  const child = spawn(enter(runScript(options.prepare ? "test --prepare" : "test")));
  return (await child.exited) === 0;
}

/** The README's command for a script. */
function runScript(script: string): string {
  return `npx --yes --allow-scripts=bun ${packageManager} run ${script}`;
}

/** Starts a command, which shows what it prints. */
function spawn(command: string[]) {
  return Bun.spawn(command, { stdio: ["ignore", "inherit", "inherit"] });
}

/**
 * A shell command in the clone, in process and mount namespaces of its own and with nothing of this
 * program's environment; all of it ends with this program. The shell stays: it is the first process,
 * which takes care of orphans.
 */
function enter(command: string, env: Record<string, string> = {}): string[] {
  const unshare = "setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child";
  const PATH = "/opt/node_modules/.bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const words = Object.entries({ HOME: "/root", PATH, ...settings.env, ...env });
  return [
    ...[...unshare.split(" "), "--propagation=private", "sh", "-euc", ENTER, root],
    ...["env", "-i", ...words.map(([key, value]) => `${key}=${value}`)],
    ...["sh", "-c", `cd "$0" && ${command}; exit $?`, CLONE],
  ];
}

/** Makes a Debian root with an npm and a clone. */
async function makeRoot(): Promise<void> {
  const { release, npm } = options;
  const aptOptions = join(directory, "apt.conf");
  writeFileSync(aptOptions, await readAptOptions());
  await step(`make a root of Debian ${release}`, async () => {
    const include = `--include=ca-certificates${npm === "debian" ? ",npm" : ""}`;
    const mode = ["--mode=root", "--variant=minbase", `--aptopt=${aptOptions}`];
    const mirror = findMirror();
    const place = mirror === undefined ? [] : [mirror];
    await output(["mmdebstrap", ...mode, include, release, root, ...place], { limit: 900 });
  });
  for (const file of ["/etc/hosts", "/etc/resolv.conf", ...settings.files]) {
    await output(["cp", "--dereference", file, join(root, file)]);
  }
  writeFileSync(join(root, "root/.npmrc"), settings.npmrc);
  // A checkout may belong to another user, in a container of CI.
  const config = join(directory, "gitconfig");
  writeFileSync(config, "[safe]\n\tdirectory = *\n");
  const clone = ["git", "clone", "--quiet", ROOT, root + CLONE];
  await output(clone, { env: { GIT_CONFIG_GLOBAL: config } });
  chmodSync(root + CLONE, 0o700);
  if (npm === "debian") return;
  const packages = [`node-linux-${process.arch}@${NODE}`, `npm@${npm}`];
  await step(`install ${packages.join(" ")}`, async () => {
    // npx hands its own option on in the environment, and npm takes it for no other kind of install.
    const install = ["env", "--unset=npm_config_allow_scripts", "npm", "install"];
    const place = ["--loglevel=error", "--prefix", join(root, "opt")];
    await output([...install, ...place, ...packages], { limit: 300 });
  });
}
