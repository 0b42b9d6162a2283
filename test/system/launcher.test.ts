// The launcher of the units and of the init script starts the agent with every env and every shell: no
// signal ends it before its handlers are set, and none is lost where env can block signals.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { LAUNCH } from "../../scripts/lib/launchers.ts";
import { outcome } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { UNPRIVILEGED } from "../faults/launchers.ts";

const SCRIPT = LAUNCH.join("\n");

/** Bits of SIGHUP, SIGUSR1 and SIGUSR2 in a signal mask. */
const MASK = (1n << 0n) | (1n << 9n) | (1n << 11n);

/** What an agent that is MAINT answers after each; before SIGHUP another file is put in its place. */
const SIGNALS = [
  ["SIGHUP", "READY\n"],
  ["SIGUSR1", "UP\n"],
  ["SIGUSR2", "DOWN\n"],
] as const;

/** How many starts of each kind get each of them. */
const STARTS = 3;

/** How long (ms) after the first moment at which it may be sent a signal is sent at most. */
const LATEST_MS = 20;

/** Says what the Rust coreutils say, and coreutils before 8.31, with the code of the former. */
const REFUSING = `#!/bin/sh
case $1 in --block-signal*) echo "error: unexpected argument '$1' found" >&2; exit 125 ;; esac
exec /usr/bin/env "$@"
`;

/** Below it a directory for each env, with all commands of a machine that has it. */
const machines = temporaryDirectory();

beforeAll(() => {
  for (const env of ["coreutils", "busybox", "refusing"]) {
    const path = `${machines.path}/${env}`;
    mkdirSync(path);
    symlinkSync(EXECUTABLE, `${path}/hapgent`);
    symlinkSync(Bun.which("true") ?? "", `${path}/true`);
    if (env === "refusing") writeFileSync(`${path}/env`, REFUSING, { mode: 0o755 });
    else symlinkSync(Bun.which(env === "busybox" ? env : "env") ?? "", `${path}/env`);
  }
});

afterAll(() => machines[Symbol.dispose]());

/**
 * Waits until /proc/PID/status says that no signal ends it: by one of these masks, of one of these
 * programs. A shell that forks blocks all signals for a moment, which does not count.
 */
async function holdsSignals(pid: number, masks: RegExp, programs: RegExp): Promise<void> {
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
}

/** Ignored, blocked or handled; or not only ignored. */
const ANY = /^Sig(Ign|Blk|Cgt)$/;
const KEPT = /^Sig(Blk|Cgt)$/;

describe.each(["dash", "bash", "busybox sh"])("with %s as sh", (shell) => {
  test.each([
    ["coreutils", "is ended by a signal", ANY, /./],
    ["coreutils", "loses one that env has blocked", KEPT, /^(env|hapgent)$/],
    ["busybox", "is ended by a signal", ANY, /./],
    ["refusing", "is ended by a signal", ANY, /./],
  ])("and the env of %s no start %s", async (env, _, masks, programs) => {
    const [program = "", ...rest] = shell.split(" ");
    const launcher = [Bun.which(program) ?? program, ...rest, "-c", SCRIPT];
    for (const [name, reply] of SIGNALS.flatMap((signal) => Array(STARTS).fill(signal))) {
      using directory = temporaryDirectory();
      const stateFile = `${directory.path}/state.json`;
      const send = async (pid: number) => {
        await holdsSignals(pid, masks, programs);
        await Bun.sleep(Math.random() * LATEST_MS);
        writeFileSync(`${stateFile}.new`, '{"status":"READY"}');
        if (name === "SIGHUP") renameSync(`${stateFile}.new`, stateFile);
        process.kill(pid, name);
      };
      let sent: Promise<void> | undefined;
      await using agent = await startAgent({
        state: { status: "MAINT" },
        stateFile,
        launcher,
        env: { PATH: `${machines.path}/${env}` },
        onSpawn(pid) {
          sent = send(pid);
        },
      });
      await sent;
      const replies = masks === KEPT ? [reply] : [reply, "MAINT\n"];
      await until(`one of ${replies}`, async () => replies.includes(await agent.ask()));
    }
  });
});

test("a shell that cannot fork does not end as with a wrong setting", async () => {
  const alone = [...UNPRIVILEGED, "prlimit", "--nproc=0"];
  const { exitCode } = await outcome([...alone, "dash", "-c", SCRIPT]);
  expect(exitCode).toBe(1);
});
