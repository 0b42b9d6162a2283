import { expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { TUNED } from "../../../src/runtime.ts";
import { parseState } from "../../../src/state.ts";
import { startAgent, temporaryDirectory } from "../harness.ts";
import { BOUND_BY_PERMISSIONS } from "./launchers.ts";
import { times } from "./scale.ts";

const KILLS = times(500, 60);

test.each<[string, string, string[], string]>([
  ["replaced", "755", [], '{"status":"UP","weight":42,"maxconn":7}'],
  [
    "written in place",
    "555",
    BOUND_BY_PERMISSIONS,
    `{"status":"UP","weight":42,"maxconn":7}${" ".repeat(3000)}`,
  ],
])(
  "SIGKILL in the middle of saves leaves one whole state (file %s)",
  async (_, mode, launcher, state) => {
    using directory = temporaryDirectory();
    const stateFile = `${directory.path}/state.json`;
    writeFileSync(stateFile, state);
    Bun.spawnSync(["chmod", mode, directory.path]);
    let interrupted = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      await using agent = await startAgent({ stateFile, launcher, env: TUNED });
      // What the last kill left is gone before the agent answers.
      expect(readdirSync(dirname(stateFile))).toEqual(["state.json"]);
      const end = performance.now() + Math.random() * 15;
      for (let i = 0; performance.now() < end; i += 1) {
        agent.signal(i % 2 ? "SIGUSR1" : "SIGUSR2");
        await Bun.sleep(0);
      }
      await agent.stop("SIGKILL");
      expect(parseState(agent.file())).toEqual({
        status: expect.stringMatching(/^(UP|DOWN)$/),
        weight: 42,
        maxconn: 7,
      });
      if (readdirSync(dirname(stateFile)).length > 1) interrupted += 1;
    }
    console.log(
      `${KILLS} kills, ${interrupted} left a temporary file for the next start to remove`,
    );
    if (launcher.length === 0) expect(interrupted).toBeGreaterThan(0);
  },
);
