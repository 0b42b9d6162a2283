// Under a storm of signals no check is missed, and memory, file and reply agree at its end.
import { expect, test } from "bun:test";
import { startAgent } from "../../scripts/lib/agent.ts";
import { Load } from "../../scripts/lib/load.ts";
import { readPendingSignals, readUsage } from "../../scripts/lib/proc.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { formatState } from "../../src/state/state.ts";
import { GROWTH_LIMIT, settle, warmUp } from "./memory.ts";

const SIGNALS = 10_000;
const NAMES = ["SIGHUP", "SIGUSR1", "SIGUSR2"] as const;

test.each([
  ["by default", {}],
  ["following the file", { HAPGENT_WATCH: "on" }],
])(
  "10,000 mixed signals while 32 connections poll: no missed poll, one state, no memory, %s",
  async (name, on) => {
    const state = { status: "UP", weight: 42 } as const;
    await using agent = await startAgent({ state, env: { ...TUNED, ...on } });
    await warmUp(agent);
    const before = readUsage(agent.pid);

    using load = new Load(agent.port, { reply: /^(UP|DOWN) 42%\n$/ });
    for (let i = 0; i < SIGNALS; i += 1) {
      agent.signal(NAMES[Math.floor(Math.random() * 3)] ?? "SIGHUP");
      // The polls run in this process too: they get their turn.
      if (i % 10 === 0) await new Promise(setImmediate);
    }
    // Of signals that are pending together the kernel decides the order; so the last one comes
    // alone.
    await until("all delivered", () => readPendingSignals(agent.pid) === 0n);
    await until("all handled", async () => {
      const lines = agent.log.length;
      await Bun.sleep(100);
      return agent.log.length === lines;
    });
    agent.log.length = 0;
    agent.signal("SIGUSR2");
    await agent.logs(/cause=SIGUSR2/);
    await until("saved", () => agent.file() === formatState({ ...state, status: "DOWN" }));
    agent.signal("SIGHUP");
    await agent.logs(/cause=SIGHUP old="DOWN 42%" new="DOWN 42%"/);
    expect(await agent.ask()).toBe("DOWN 42%\n");

    const { checks, failed, failures, slowest } = await load.stop();
    const after = await settle(agent, before);
    console.log(
      `${SIGNALS} signals ${name}: ${checks} checks, slowest ${slowest.toFixed()} ms, ` +
        `RssAnon ${before.memory} -> ${after.memory} kB`,
    );
    expect({ failed, failures }).toEqual({ failed: 0, failures: [] });
    // Each connection has had more than one.
    expect(checks).toBeGreaterThan(64);
    expect(after.memory - before.memory).toBeLessThan(GROWTH_LIMIT);
    expect(after.threads).toBe(before.threads);
  },
);
