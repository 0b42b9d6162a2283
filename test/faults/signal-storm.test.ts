// Under a storm of signals no check is missed, and nothing is kept of it; that memory, file and reply
// agree at its end is test/contract/control-commands.test.ts.
import { expect, test } from "bun:test";
import { startAgent } from "../../scripts/lib/agent.ts";
import { Load } from "../../scripts/lib/load.ts";
import { until } from "../../scripts/lib/until.ts";
import { formatState } from "../../src/state/state.ts";
import { holdsNoMore } from "./memory.ts";
import { times } from "./scale.ts";

const SIGNALS = times(10_000, 1000);
const NAMES = ["SIGHUP", "SIGUSR1", "SIGUSR2"] as const;

test.each(["off", "on"])(
  "10,000 mixed signals while 32 connections check: none is missed, no memory is kept (watch %s)",
  async (watch) => {
    const state = { status: "UP", weight: 42 } as const;
    await using agent = await startAgent({ state, env: { HAPGENT_WATCH: watch } });
    await holdsNoMore(agent, async () => {
      using load = new Load(agent.port, { reply: /^(UP|DOWN) 42%\n$/ });
      for (let i = 0; i < SIGNALS; i += 1) {
        agent.signal(NAMES[Math.floor(Math.random() * 3)] ?? "SIGHUP");
        // The checks run in this process too: they get their turn.
        if (i % 10 === 0) await new Promise(setImmediate);
      }
      // Of signals that are pending together the kernel decides the order: some may come after this.
      await until("saved, and answered", async () => {
        agent.signal("SIGUSR1");
        return agent.file() === formatState(state) && (await agent.ask()) === "UP 42%\n";
      });
      expect(await load.stop()).toMatchObject({ failed: 0, failures: [] });
      agent.log.length = 0;
    });
  },
);
