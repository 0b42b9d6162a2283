// The launcher of the units and of the init script starts the agent with every env: no signal ends
// it before its handlers are set, and none is lost where env can block signals.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { LAUNCH } from "../../scripts/lib/launchers.ts";
import { outcome } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";

const SCRIPT = LAUNCH.join("\n");

/** Bits of SIGHUP, SIGUSR1 and SIGUSR2 in a signal mask. */
const MASK = (1n << 0n) | (1n << 9n) | (1n << 11n);

/** How many starts of each kind get a signal. */
const STARTS = 5;

/** Says what the Rust coreutils say, and coreutils before 8.31, with the code of the former. */
const REFUSING = `#!/bin/sh
case $1 in --block-signal*) echo "error: unexpected argument '$1' found" >&2; exit 125 ;; esac
exec /usr/bin/env "$@"
`;

/** Directories with the commands of a machine, by the env that it has. */
const machines: Record<string, Disposable & { path: string }> = {};

beforeAll(() => {
  for (const env of ["coreutils", "busybox", "refusing"]) {
    const machine = temporaryDirectory();
    machines[env] = machine;
    symlinkSync(EXECUTABLE, join(machine.path, "hapgent"));
    symlinkSync(Bun.which("true") ?? "", join(machine.path, "true"));
    const file = join(machine.path, "env");
    if (env === "refusing") writeFileSync(file, REFUSING, { mode: 0o755 });
    else symlinkSync(Bun.which(env === "coreutils" ? "env" : "busybox") ?? "", file);
  }
});

afterAll(() => {
  for (const machine of Object.values(machines)) machine[Symbol.dispose]();
});

/**
 * Sends SIGUSR2 as soon as /proc/PID/status says that it ends nothing: by one of these masks, of
 * one of these programs. A shell that forks blocks all signals for a moment, which does not count.
 */
async function signalEarly(pid: number, masks: RegExp, programs: RegExp): Promise<void> {
  await until("no signal ends it", () => {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const [, program = ""] = /^Name:\t(.*)$/m.exec(status) ?? [];
    if (!programs.test(program)) return false;
    const kept = /^(sh|dash|bash|busybox)$/.test(program) ? /^SigIgn$/ : masks;
    const held = [...status.matchAll(/^(Sig\w+):\t([0-9a-f]+)$/gm)]
      .filter(([, name = ""]) => kept.test(name))
      .reduce((sum, [, , digits]) => sum | BigInt(`0x${digits}`), 0n);
    return (held & MASK) === MASK;
  });
  process.kill(pid, "SIGUSR2");
}

/** Ignored, blocked or handled; or not only ignored. */
const ANY = /^Sig(Ign|Blk|Cgt)$/;
const KEPT = /^Sig(Blk|Cgt)$/;

describe.each(["dash", "bash", "busybox"])("with %s as sh", (shell) => {
  const sh = shell === "busybox" ? ["busybox", "sh"] : [shell];

  test.each([
    ["coreutils", "is ended by a signal", ANY, /./, /^(UP|DOWN)\n$/],
    ["coreutils", "loses one that env has blocked", KEPT, /^(env|hapgent)$/, /^DOWN\n$/],
    ["busybox", "is ended by a signal", ANY, /./, /^(UP|DOWN)\n$/],
    ["refusing", "is ended by a signal", ANY, /./, /^(UP|DOWN)\n$/],
  ])("and the env of %s no start %s", async (env, _, masks, programs, replies) => {
    const [program = "", ...rest] = sh;
    const launcher = [Bun.which(program) ?? program, ...rest, "-c", SCRIPT];
    for (let start = 0; start < STARTS; start += 1) {
      let sent: Promise<void> | undefined;
      await using agent = await startAgent({
        state: { status: "UP" },
        launcher,
        env: { ...TUNED, PATH: machines[env]?.path ?? "" },
        onSpawn(pid) {
          sent = signalEarly(pid, masks, programs);
        },
      });
      await sent;
      await until(`a reply ${replies}`, async () => replies.test(await agent.ask()));
    }
  });
});

test("a shell that cannot fork does not end as with a wrong setting", async () => {
  const user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const run = async (script: string) =>
    (await outcome([...user, "prlimit", "--nproc=0", "dash", "-c", script])).exitCode;
  expect(await run(SCRIPT)).toBe(1);
  // Without that line it does.
  expect(await run(SCRIPT.replace('trap "exit 1" EXIT;', ""))).toBe(2);
});
