// Whoever starts it, the agent runs with the tuned variables, in the same process, or says why not and
// answers all the same. When it does what is in test/agent/tuning.test.ts.
import { describe, expect, test } from "bun:test";
import { copyFileSync, readFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { readUsage } from "../../scripts/lib/proc.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { TUNED } from "../../src/agent/tuning.ts";

describe.concurrent("an agent that is started", () => {
  test.each(["hapgent", "a=b"])("bare, as %s, becomes the tuned process", async (name) => {
    using directory = temporaryDirectory();
    // env would take a path with a `=` for a variable.
    const executable = `${directory.path}/${name}`;
    copyFileSync(EXECUTABLE, executable);
    const env = { HAPGENT_REPLY: "full", SOMETHING: "else\nthan that" };
    await using agent = await startAgent({
      state: { status: "UP" },
      isBare: true,
      env,
      executable,
    });
    const environment = readFileSync(`/proc/${agent.pid}/environ`, "utf8").split("\0");
    const expected = Object.entries({ ...TUNED, ...env, HAPGENT_TUNE: "off" });
    for (const [variable, value] of expected) expect(environment).toContain(`${variable}=${value}`);
    expect(readUsage(agent.pid).threads).toBeLessThanOrEqual(3);
    agent.signal("SIGUSR2");
    await agent.answers("ready down 100%\n");
  });

  test("through a loader cannot become tuned, says so and answers", async () => {
    const [loader = ""] = new Bun.Glob("/lib*/ld-linux-*.so.*").scanSync({ followSymlinks: true });
    await using agent = await startAgent({
      state: { status: "UP" },
      isBare: true,
      launcher: [loader],
    });
    expect(await agent.logs(/not tuned/)).toMatch(
      /^hapgent: not tuned, it needs more memory and threads: started through \/\S+\/ld-linux-\S+$/,
    );
    expect(await agent.ask()).toBe("UP\n");
  });

  test("with 330 MiB of address space (ulimit -v) answers", async () => {
    const launcher = ["prlimit", `--as=${330 * 2 ** 20}`];
    await using agent = await startAgent({ state: { status: "UP" }, launcher });
    agent.signal("SIGUSR2");
    await agent.answers("DOWN\n");
  });
});
