// SIGTERM at any moment of a start ends the agent with exit code 0, whatever is switched on, and
// nothing of it stays: no socket, no temporary file, no stack trace.
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { freePort } from "../../scripts/lib/port.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { withInjected } from "./launchers.ts";
import { times } from "./scale.ts";

const STARTS = times(300, 100);
/** Starts at a time. */
const LANES = 4;
/** A start takes 20 to 50 ms here. */
const LONGEST_MS = 80;

/** What may be switched on, in a directory. */
const OPTIONS: ((directory: string) => Record<string, string>)[] = [
  () => TUNED,
  () => ({}),
  (directory) => ({
    ...TUNED,
    ...{ HAPGENT_WATCH: "on", HAPGENT_SERVICES: `${directory}/services` },
    ...{ HAPGENT_SOCKET: `${directory}/socket`, HAPGENT_STOP_STATUS: "DOWN" },
    HAPGENT_STOP_GRACE: "1",
  }),
];

test(`${STARTS} starts are stopped, each with exit code 0 and without a trace`, async () => {
  let started = 0;
  const work = async () => {
    for (let i = started++; i < STARTS; i = started++) {
      const { options, ...result } = await stopAtStart(OPTIONS[i % OPTIONS.length] ?? (() => ({})));
      expect(result, JSON.stringify(options)).toEqual({ end: 0, odd: [], left: EXPECTED });
    }
  };
  await Promise.all(Array.from({ length: LANES }, work));
});

test("stopped while its control socket has another name yet, the agent removes it", async () => {
  using directory = temporaryDirectory();
  const stateFile = `${directory.path}/state.json`;
  writeFileSync(stateFile, '{"status":"UP"}');
  const launcher = withInjected("rename:signal=TERM:delay_exit=300000");
  const env = { ...TUNED, HAPGENT_IP: "127.0.0.1", HAPGENT_SOCKET: `${directory.path}/socket` };
  const process = Bun.spawn([...launcher, EXECUTABLE], {
    env: { ...env, HAPGENT_PORT: String(freePort()), HAPGENT_STATE_FILE: stateFile },
    stdio: ["ignore", "ignore", "inherit"],
  });
  expect(await process.exited).toBe(0);
  expect(readdirSync(directory.path)).toEqual(["state.json"]);
});

/** What was there before, and is all that may be there after. */
const EXPECTED = ["services", "services/web.json", "state.json"];

/** Starts an agent and stops it at a random moment; tells how it ended and what it left. */
async function stopAtStart(makeOptions: (directory: string) => Record<string, string>) {
  using directory = temporaryDirectory();
  const { path } = directory;
  mkdirSync(`${path}/services`);
  for (const file of ["state.json", "services/web.json"]) {
    writeFileSync(`${path}/${file}`, '{"status":"UP"}');
  }
  const options = makeOptions(path);
  const agent = Bun.spawn([EXECUTABLE], {
    env: {
      PATH: Bun.env["PATH"] ?? "",
      HAPGENT_IP: "127.0.0.1",
      HAPGENT_PORT: String(freePort()),
      HAPGENT_STATE_FILE: `${path}/state.json`,
      ...options,
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  await Bun.sleep(Math.random() * LONGEST_MS);
  agent.kill("SIGTERM");
  const log = (await agent.stderr.text()).split("\n").filter(Boolean);
  await agent.exited;
  return {
    options,
    // Before it has its handlers it has done nothing yet, and the signal's default action ends it.
    end: agent.signalCode === "SIGTERM" && log.length === 0 ? 0 : agent.exitCode,
    odd: log.filter((line) => !/^hapgent: (stopping|stop status|listening|state) ?/.test(line)),
    left: readdirSync(path, { recursive: true }).toSorted(),
  };
}
