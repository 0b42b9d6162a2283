// Whoever starts it, the agent runs with the tuned variables, in the same process; when they are
// set, or it is told not to, nothing is executed again.
import { describe, expect, test } from "bun:test";
import { copyFileSync, readFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { readUsage } from "../../scripts/lib/proc.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";

/** The environment of the program that a process last became. */
function readEnvironment(pid: number): Record<string, string> {
  const text = readFileSync(`/proc/${pid}/environ`, "utf8");
  return Object.fromEntries(
    text.split("\0").flatMap((line) => {
      const [, name, value] = /^(\w+)=(.*)$/s.exec(line) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value]];
    }),
  );
}

describe.concurrent("an agent that is started", () => {
  test("bare becomes the tuned process, with the same id and environment", async () => {
    const env = { HAPGENT_REPLY: "full", SOMETHING: "else\nthan that" };
    await using agent = await startAgent({ state: { status: "UP" }, env });
    expect(readEnvironment(agent.pid)).toMatchObject({ ...TUNED, ...env, HAPGENT_TUNE: "off" });
    expect(readUsage(agent.pid).threads).toBeLessThanOrEqual(3);
    expect(await agent.ask()).toBe("ready up 100%\n");
  });

  test("with a part of the settings gets the others", async () => {
    const { BUN_JSC_useJIT: _, ...others } = TUNED;
    await using agent = await startAgent({ state: { status: "UP" }, env: others });
    expect(readEnvironment(agent.pid)).toMatchObject(TUNED);
  });

  test("with the settings, or told not to, stays the process that it is", async () => {
    await using tuned = await startAgent({ state: { status: "UP" }, env: TUNED });
    expect(readEnvironment(tuned.pid)).not.toHaveProperty("HAPGENT_TUNE");
    await using bare = await startAgent({ state: { status: "UP" }, env: { HAPGENT_TUNE: "off" } });
    expect(readEnvironment(bare.pid)).not.toHaveProperty("BUN_JSC_useJIT");
    expect(await bare.ask()).toBe("UP\n");
  });

  test("bare by a path that has a `=`, which env would take for a variable, becomes tuned", async () => {
    using directory = temporaryDirectory();
    const executable = `${directory.path}/a=b`;
    copyFileSync(EXECUTABLE, executable);
    await using agent = await startAgent({ state: { status: "UP" }, executable });
    expect(readEnvironment(agent.pid)).toMatchObject(TUNED);
    agent.signal("SIGUSR2");
    await agent.answers("DOWN\n");
  });

  test("through a loader cannot become tuned, says so and answers", async () => {
    const [loader = ""] = new Bun.Glob("/lib*/ld-linux-*.so.*").scanSync({ followSymlinks: true });
    await using agent = await startAgent({ state: { status: "UP" }, launcher: [loader] });
    expect(await agent.logs(/not tuned/)).toMatch(
      /^hapgent: not tuned, it needs more memory and threads: started through \/\S+\/ld-linux-\S+$/,
    );
    expect(await agent.ask()).toBe("UP\n");
  });

  test("and deleted before it is tuned says so and answers", async () => {
    using directory = temporaryDirectory();
    const executable = `${directory.path}/hapgent`;
    copyFileSync(EXECUTABLE, executable);
    const script = 'exec 3<"$0"; rm "$0"; exec /proc/self/fd/3';
    const launcher = ["sh", "-euc", script, executable];
    await using agent = await startAgent({ state: { status: "UP" }, launcher });
    expect(await agent.logs(/not tuned/)).toBe(
      `hapgent: not tuned, it needs more memory and threads: cannot execute ${executable} (deleted)`,
    );
    expect(await agent.ask()).toBe("UP\n");
  });

  test.each([330, 1200])(
    "with %d MiB of address space (ulimit -v) answers and saves",
    async (size) => {
      const launcher = ["prlimit", `--as=${size * 2 ** 20}`];
      await using agent = await startAgent({ state: { status: "UP" }, launcher, env: TUNED });
      agent.signal("SIGUSR2");
      await agent.answers("DOWN\n");
      await until("saved", () => agent.file().includes("DOWN"));
    },
  );
});
