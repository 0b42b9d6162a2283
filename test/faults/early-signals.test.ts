// Whatever comes at any moment of a start: started with its signals blocked, as every launcher does,
// none kills the agent or is lost; SIGTERM ends it with exit code 0, and nothing of it stays: no
// socket, no temporary file, no stack trace.
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { freePort } from "../../scripts/lib/port.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { inShell } from "./launchers.ts";
import { times } from "./scale.ts";

const STARTS = times(100, 15);

/** As the shipped launchers start it: no signal can end it before its handlers are set. */
const BLOCKED = ["env", "--block-signal=HUP,USR1,USR2"];

test.each<[NodeJS.Signals, string]>([
  ["SIGHUP", "READY 43%\n"],
  ["SIGUSR1", "UP 42%\n"],
  ["SIGUSR2", "DOWN 42%\n"],
])("%s in the first 20 ms: no start is killed, no signal is lost", async (name, reply) => {
  for (let start = 0; start < STARTS; start += 1) {
    using directory = temporaryDirectory();
    const stateFile = `${directory.path}/state.json`;
    writeFileSync(stateFile, '{"status":"MAINT","weight":42}');
    let sent: Promise<void> | undefined;
    await using agent = await startAgent({
      stateFile,
      launcher: [...BLOCKED, ...inShell(`echo > ${stateFile}.blocked`)],
      onSpawn(pid) {
        sent = sendEarly(pid, name, stateFile);
      },
    });
    await sent;
    await agent.answers(reply);
    await until("saved", () => agent.file().includes(reply.split(" ")[0] ?? ""));
  }
});

/** Sends a signal at a random moment of the first 20 ms; before SIGHUP the file is edited. */
async function sendEarly(pid: number, name: NodeJS.Signals, stateFile: string): Promise<void> {
  while (!existsSync(`${stateFile}.blocked`)) await turn();
  const end = performance.now() + Math.random() * 20;
  while (performance.now() < end) await turn();
  if (name === "SIGHUP") {
    writeFileSync(`${stateFile}.new`, '{"status":"READY","weight":43}');
    renameSync(`${stateFile}.new`, stateFile);
  }
  process.kill(pid, name);
}

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

/** Lets other work of this process come first. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
