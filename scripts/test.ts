// Runs test suites: bun scripts/test.ts check unit system faults [--full]. Installs what they need
// and lacks; its last line sums up all of them. With --full the fault battery has its full counts,
// for minutes.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT, run, succeeds } from "./lib/shell.ts";
import { needTools } from "./lib/tools.ts";

interface Result {
  passed: number;
  failed: number;
}

/** A Debian package that a suite needs, by the command that it brings. */
const SYSTEM_TOOLS = {
  curl: "curl",
  haproxy: "haproxy",
  socat: "socat",
  prlimit: "util-linux",
  setpriv: "util-linux",
};

const FAULT_TOOLS = {
  ...SYSTEM_TOOLS,
  faketime: "faketime",
  fincore: "util-linux",
  strace: "strace",
  unshare: "util-linux",
};

/**
 * What test:deploy builds with, boots, installs into and looks at, beside what is in SYSTEM_TOOLS.
 */
const DEPLOY_TOOLS = {
  ...{ mmdebstrap: "mmdebstrap", ip: "iproute2", git: "git" },
  ...{ "dpkg-buildpackage": "dpkg-dev", dh: "debhelper", lintian: "lintian", piuparts: "piuparts" },
  ...{ "ansible-playbook": "ansible-core", "ansible-lint": "ansible-lint" },
  ...{ buildah: "buildah", podman: "podman", runc: "runc" },
  ...{ "podman-compose": "podman-compose", iptables: "iptables" },
  ...{ "/usr/lib/podman/netavark": "netavark", "/usr/lib/podman/aardvark-dns": "aardvark-dns" },
  ...{ "qemu-aarch64-static": "qemu-user-static" },
  "/usr/aarch64-linux-gnu/lib/libc.so.6": "libc6-arm64-cross",
};

const SUITES: Record<string, () => Promise<Result>> = {
  check: async () => addUp([succeeds(["bun", "scripts/check.ts"]) ? PASSED : FAILED]),
  unit: async () => runTests("test/{*,state/*,agent/*,commands/*}.test.ts"),
  async system() {
    await needTools(SYSTEM_TOOLS);
    run(["bun", "scripts/build.ts"]);
    return runTests("test/system/*.test.ts", ["--timeout=60000"]);
  },
  async faults() {
    await needTools(FAULT_TOOLS);
    run(["bun", "scripts/build.ts"]);
    return runTests("test/system/faults/*.test.ts", ["--timeout=180000"]);
  },
  async deploy() {
    await needTools({ ...SYSTEM_TOOLS, ...DEPLOY_TOOLS });
    run(["bun", "scripts/build.ts"]);
    const lab = ["bun", "test/deploy/lab.ts"];
    return runTests("test/deploy/*.test.ts", ["--timeout=900000"], lab);
  },
};

const PASSED: Result = { passed: 1, failed: 0 };
const FAILED: Result = { passed: 0, failed: 1 };

run(["bun", "install", "--frozen-lockfile", "--silent"]);
const results: Result[] = [];
const names = process.argv.slice(2).filter((argument) => argument !== "--full");
// The tests inherit it.
if (names.length < process.argv.length - 2) process.env["HAPGENT_TEST_FULL"] = "1";
for (const name of names) {
  const suite = SUITES[name];
  if (!suite) throw new Error(`expected a suite of ${Object.keys(SUITES).join(", ")}, got ${name}`);
  const start = performance.now();
  const result = await suite();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${name}: ${result.passed} passed, ${result.failed} failed in ${seconds} s\n`);
  results.push(result);
}
const sum = addUp(results);
console.log(`${sum.passed} passed, ${sum.failed} failed`);
process.exit(sum.failed === 0 && sum.passed > 0 ? 0 : 1);

/**
 * Runs test files with Bun's own runner, in an environment that a launcher makes; a skipped test
 * counts as failed, and so does a file without tests.
 */
function runTests(pattern: string, flags: string[] = [], launcher: string[] = []): Result {
  const files = [...new Bun.Glob(pattern).scanSync(ROOT)].toSorted((a, b) => a.localeCompare(b));
  const directory = mkdtempSync(join(tmpdir(), "hapgent-junit-"));
  const report = join(directory, "junit.xml");
  try {
    const isGood = succeeds([
      ...launcher,
      "bun",
      "test",
      ...flags,
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      ...files.map((file) => `./${file}`),
    ]);
    const totals = /<testsuites [^>]*/.exec(readFileSync(report, "utf8"))?.[0] ?? "";
    const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(totals)?.[1] ?? 0);
    const failed = count("failures") + count("skipped");
    const passed = count("tests") - failed;
    // An error outside of any test (a file that cannot be loaded) shows in the exit code only.
    return { passed, failed: failed === 0 && (!isGood || passed === 0) ? 1 : failed };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function addUp(results: readonly Result[]): Result {
  return results.reduce(
    (sum, { passed, failed }) => ({ passed: sum.passed + passed, failed: sum.failed + failed }),
    { passed: 0, failed: 0 },
  );
}
