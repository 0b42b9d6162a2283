// Killed at any system call of a save on its file, the state file is one whole state, and what is left
// beside it goes with the next save.
import { expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { parseState, type State } from "../../src/state/state.ts";
import { command } from "../contract/driver.ts";
import { BOUND_BY_PERMISSIONS, trace } from "./launchers.ts";

const STATE: State = { status: "UP", weight: 42, maxconn: 7 };

/** Longer than what a save writes, as a file that somebody has edited. */
const TEXT = JSON.stringify(STATE).padEnd(3000);

/** How a file is saved: the mode of its directory, and what binds the agent to that mode. */
type Place = [how: string, mode: number, launcher: string[]];

test.each<Place>([
  ["replaced", 0o755, []],
  ["written in place", 0o555, BOUND_BY_PERMISSIONS],
])(
  "killed at any system call of a save (file %s): the file is whole",
  async (...[how, mode, launcher]) => {
    const place: Place = [how, mode, launcher];
    const found = new Set<string>();
    for (const call of await listCalls(place)) {
      await using save = await beginSave(place, ["-o", "/dev/null", "-e", `inject=${call}`]);
      const { agent, directory } = save;
      const isKilled = !(await command(agent, "set status DOWN").catch(() => ""));
      // Where another thread made the call, it has come through.
      await agent.stop("SIGKILL");

      const { status, ...kept } = await parseState(agent.file());
      expect({ call, ...kept, status: "UP" }).toEqual({ call, ...STATE });
      if (isKilled) found.add(`${status}, ${readdirSync(directory).length - 1} left`);
      const { stateFile } = agent;
      await using next = await startAgent({ stateFile, launcher });
      next.signal("SIGUSR1");
      await next.answers("UP 42% maxconn:7\n");
      await until("tidy", () => String(readdirSync(directory)) === "state.json");
    }
    expect(found).toContain("UP, 0 left");
    expect(found).toContain(how === "replaced" ? "UP, 1 left" : "DOWN, 0 left");
  },
);

/** Starts an agent with a file, and traces what it does there. */
async function beginSave([, mode, launcher]: Place, options: readonly string[]) {
  await using stack = new AsyncDisposableStack();
  const { path: directory } = stack.use(temporaryDirectory());
  const stateFile = `${directory}/state.json`;
  writeFileSync(stateFile, TEXT);
  chmodSync(directory, mode);
  const agent = stack.use(await startAgent({ stateFile, launcher, socket: true }));
  const paths = [stateFile, `${directory}/.state.json.hapgent-new`, directory];
  stack.use(await trace(agent.pid, options, paths));
  const rest = stack.move();
  return { agent, directory, [Symbol.asyncDispose]: () => rest.disposeAsync() };
}

/** The system calls of a save: each that a thread makes, by how often it has made it. */
async function listCalls(place: Place): Promise<string[]> {
  using log = temporaryDirectory();
  await using save = await beginSave(place, ["-ff", "-o", `${log.path}/calls`]);
  const saved = place[0] === "replaced" ? "ok saved: " : "ok saved in place: permission denied";
  expect(await command(save.agent, "set status DOWN")).toStartWith(saved);
  return readdirSync(log.path).flatMap((file) => {
    const counts: Record<string, number> = {};
    const names = readFileSync(`${log.path}/${file}`, "utf8").matchAll(/^(\w+)\(/gm);
    return [...names].map(([, name = ""]) => {
      counts[name] = (counts[name] ?? 0) + 1;
      return `${name}:signal=KILL:when=${counts[name]}`;
    });
  });
}
