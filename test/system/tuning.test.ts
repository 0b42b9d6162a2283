// Whoever starts it, the agent runs with the tuned variables, in the same process; when they are
// set, or it is told not to, nothing is executed again.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { readUsage } from "../../scripts/lib/proc.ts";
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

  test("with everything on keeps under 2.5 MB to itself", async () => {
    const options = { HAPGENT_REPLY: "full", HAPGENT_WATCH: "on", HAPGENT_STOP_STATUS: "DOWN" };
    const env = { ...TUNED, ...options };
    await using agent = await startAgent({ state: { status: "UP" }, socket: true, env });
    expect(await agent.ask()).toBe("ready up 100%\n");
    expect(readUsage(agent.pid).memory).toBeLessThan(2.5 * 1024);
  });

  test("with the settings, or told not to, stays the process that it is", async () => {
    await using tuned = await startAgent({ state: { status: "UP" }, env: TUNED });
    expect(readEnvironment(tuned.pid)).not.toHaveProperty("HAPGENT_TUNE");
    await using bare = await startAgent({ state: { status: "UP" }, env: { HAPGENT_TUNE: "off" } });
    expect(readEnvironment(bare.pid)).not.toHaveProperty("BUN_JSC_useJIT");
    expect(await bare.ask()).toBe("UP\n");
  });
});
