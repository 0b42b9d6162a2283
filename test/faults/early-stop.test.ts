// At any moment of a start SIGTERM ends the agent with exit code 0, and nothing of it stays: no socket,
// no temporary file, no stack trace. Of other signals: test/system/launcher.test.ts.
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { freePort } from "../../scripts/lib/port.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { times } from "./scale.ts";

/** A start takes 20 to 50 ms here. */
const LONGEST_MS = 80;

test.each([
  ["with a stop status", { ...TUNED, HAPGENT_STOP_STATUS: "DOWN", HAPGENT_STOP_GRACE: "1" }],
  ["bare, so that it starts itself again", {}],
])("SIGTERM at any moment of a start, %s: exit code 0, and nothing is left", async (_, more) => {
  for (let round = 0; round < times(30, 10); round += 1) {
    await Promise.all([1, 2, 3, 4].map((i) => stopAtStart(`127.6.0.${i}`, more)));
  }
});

/** Stops an agent with everything on, and an address of its own, at a random moment of its start. */
async function stopAtStart(address: string, more: Record<string, string>): Promise<void> {
  using directory = temporaryDirectory();
  const { path } = directory;
  mkdirSync(`${path}/services`);
  writeFileSync(`${path}/state.json`, '{"status":"UP"}');
  const agent = Bun.spawn([EXECUTABLE], {
    env: {
      PATH: Bun.env["PATH"],
      ...{ HAPGENT_IP: address, HAPGENT_PORT: String(freePort(address)) },
      ...{ HAPGENT_STATE_FILE: `${path}/state.json`, HAPGENT_SERVICES: `${path}/services` },
      ...{ HAPGENT_SOCKET: `${path}/socket`, HAPGENT_WATCH: "on", ...more },
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  await Bun.sleep(Math.random() * LONGEST_MS);
  agent.kill("SIGTERM");
  const log = (await agent.stderr.text()).split("\n").filter(Boolean);
  await agent.exited;
  // Before it has its handlers it has done nothing yet, and the signal's default action ends it.
  const isEarly = agent.signalCode === "SIGTERM" && log.length === 0;
  const odd = log.filter((line) => !/^hapgent: (stopping|stop status|listening)/.test(line));
  expect({ exitCode: isEarly ? 0 : agent.exitCode, odd }).toEqual({ exitCode: 0, odd: [] });
  expect(readdirSync(path).toSorted()).toEqual(["services", "state.json"]);
}
