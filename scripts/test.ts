// Runs suites of tests: bun scripts/test.ts check unit system faults [--full] [--prepare]
//
// Installs what they need and lacks. A file that passes is one line, and the last line sums up all.
// With --full the fault battery has its full counts, for minutes.
// With --prepare it only installs and builds what the suites need.
import { parseArgs } from "node:util";
import { outcome, ROOT, run } from "./lib/shell.ts";
import { addUp, findFiles, type Result, runFiles, type SuiteOptions } from "./lib/suite.ts";
import { needTools } from "./lib/tools.ts";

/** The Debian packages that a suite needs, by the commands that they bring. */
const SYSTEM_TOOLS = {
  ...byOwnName("busybox curl dash fish git gzip haproxy mount openssl socat wget zsh zstd"),
  ...{ prlimit: "util-linux", setpriv: "util-linux", unshare: "util-linux" },
  ...{ script: "bsdutils", "ssh-keygen": "openssh-client" },
};

const FAULT_TOOLS = {
  ...SYSTEM_TOOLS,
  ...byOwnName("bindfs strace"),
  ...{ setfacl: "acl", fincore: "util-linux-extra", "mkfs.ext4": "e2fsprogs" },
};

/** What test:deploy builds with, boots, installs into and looks at, beside that. */
const DEPLOY_TOOLS = {
  ...SYSTEM_TOOLS,
  ...byOwnName("ansible-lint buildah iptables mandoc mmdebstrap patchelf podman podman-compose"),
  ...byOwnName("rpmlint runc shellcheck yamllint"),
  ...{ nsenter: "util-linux", ip: "iproute2", "ansible-playbook": "ansible-core" },
  ...{ "dpkg-buildpackage": "dpkg-dev", dh: "debhelper", rpmbuild: "rpm" },
  ...{ promtool: "prometheus", nft: "nftables", "qemu-aarch64-static": "qemu-user-static" },
  ...{ "/usr/lib/podman/netavark": "netavark", "/usr/lib/podman/aardvark-dns": "aardvark-dns" },
  "/usr/aarch64-linux-gnu/lib/libc.so.6": "libc6-arm64-cross",
};

/** A suite: where its files are, what they need, and how they run. */
interface Suite extends SuiteOptions {
  readonly directories: readonly string[];
  /** Files that each run beside all others: they take as long as they do, or mostly wait. */
  readonly beside?: readonly string[];
  /** The commands that it needs; such a suite runs the compiled executable. */
  readonly tools?: Record<string, string>;
}

const UNIT = ["state", "agent", "commands", "simulator", "contract"];

const SUITES: Readonly<Record<string, Suite>> = {
  check: { directories: [] },
  unit: {
    directories: ["test", ...UNIT.map((name) => `test/${name}`)],
    timeout: 180_000,
    jobs: 2,
  },
  system: {
    // The contract once more, against the executable.
    directories: ["test/contract", "test/system"],
    env: { HAPGENT_TEST_DRIVER: "executable" },
    timeout: 180_000,
    // Most of the time they wait.
    jobs: 4,
    tools: SYSTEM_TOOLS,
  },
  // One after another: they load the machine.
  faults: { directories: ["test/faults"], timeout: 900_000, tools: FAULT_TOOLS },
  // Only the lab can take down the machines that it boots.
  deploy: {
    directories: ["test/deploy"],
    jobs: 2,
    timeout: 1_800_000,
    beside: ["ansible", "rolling-deploy"].map((name) => `test/deploy/${name}.test.ts`),
    tools: DEPLOY_TOOLS,
  },
};

const { values: options, positionals: names } = parseArgs({
  options: {
    full: { type: "boolean", default: false },
    prepare: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
// The tests inherit it.
if (options.full) process.env["HAPGENT_TEST_FULL"] = "1";
const suites = names.map((name) => {
  const suite = SUITES[name];
  if (suite) return [name, suite] as const;
  throw new Error(`expected a suite of ${Object.keys(SUITES).join(", ")}, got ${name}`);
});
// All that is missing is said before anything runs.
const tools = Object.assign({}, ...suites.map(([, suite]) => suite.tools ?? {}));
await needTools(tools, `the tests of ${names.join(", ")}`);
run(["bun", "install", "--frozen-lockfile", "--silent"]);
if (Object.keys(tools).length > 0) {
  // What single tests look at files with, apart from what contributors install.
  run(["bun", "install", "--frozen-lockfile", "--ignore-scripts", "--silent"], `${ROOT}test`);
  run(["bun", "scripts/build.ts"]);
}
if (options.prepare) process.exit(0);
const results: Result[] = [];
for (const [name, suite] of suites) {
  const start = performance.now();
  const result = name === "check" ? await check() : await runSuite(name, suite);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${name}: ${result.passed} passed, ${result.failed} failed in ${seconds} s\n`);
  results.push(result);
}
const sum = addUp(results);
console.log(`${sum.passed} passed, ${sum.failed} failed`);
process.exit(sum.failed === 0 && sum.passed > 0 ? 0 : 1);

/** Commands whose packages are named as they are. */
function byOwnName(commands: string): Record<string, string> {
  return Object.fromEntries(commands.split(" ").map((name) => [name, name]));
}

/** Checks types, lint and format: one test. */
async function check(): Promise<Result> {
  const { stdout, stderr, exitCode } = await outcome(["bun", "scripts/check.ts"], { limit: 300 });
  if (exitCode === 0) return { passed: 1, failed: 0 };
  console.log(stdout + stderr);
  return { passed: 0, failed: 1 };
}

async function runSuite(name: string, suite: Suite): Promise<Result> {
  if (name === "deploy" && process.env["LAB_GROUPS"] === undefined) {
    throw new Error("expected to run in the lab, as bun run test:deploy does");
  }
  const { beside = [] } = suite;
  const files = findFiles(suite.directories).filter((file) => !beside.includes(file));
  const lanes = [files, ...beside.map((file) => [file])];
  return addUp(await Promise.all(lanes.map((lane) => runFiles(lane, suite))));
}
