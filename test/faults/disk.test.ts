// Whatever the kernel does with the file, the agent answers on, logs it once and leaves one whole
// state, the old or the new one. Single errors of a disk are the test's in test/state/replace.test.ts.
import { expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { formatState } from "../../src/state/state.ts";
import { command } from "../contract/driver.ts";
import {
  BOUND_BY_PERMISSIONS,
  inMounts,
  inShell,
  inside,
  startIn,
  UNPRIVILEGED,
} from "./launchers.ts";
import { times } from "./scale.ts";

const OLD = '{"status":"UP","weight":42}';
const NEW = formatState({ status: "DOWN", weight: 42 });

const WRITE = `printf '%s' '${OLD}' > state.json`;
const ON_A_DISK = `mount -t tmpfs -o size=64k none $PWD; cd $PWD; ${WRITE}`;
const FULL = inMounts(`${ON_A_DISK}; dd if=/dev/zero of=filler bs=4k 2> /dev/null || true`);
const READ_ONLY = inMounts(`${ON_A_DISK}; mount -o remount,ro $PWD`);
const ALONE = inMounts(`${WRITE}; mount --bind $PWD/state.json $PWD/state.json`);
const OF_ROOT = [...inShell(`${WRITE}; chmod 755 .`), ...UNPRIVILEGED];
const PART = [...inShell(`${WRITE}; chmod 555 .`, BOUND_BY_PERMISSIONS), "prlimit", "--fsize=30"];
const OWN = [...inShell(`${WRITE}; chmod 755 .; chown 65534 state.json`), ...UNPRIVILEGED];

/**
 * Faults: how the agent is launched, in the directory of its file, what it logs of a save, and what
 * the file is then.
 */
const FAULTS: [string, string[], RegExp, string][] = [
  ["a full disk", FULL, /save failed .*\(ENOSPC\)/, OLD],
  ["a file system that is read-only", READ_ONLY, /save failed .*\(EROFS\)/, OLD],
  ["a file that is mounted alone", ALONE, /saved in place, not atomically .*\(EBUSY\)/, NEW],
  ["no right to the directory", OWN, /saved in place, not atomically .*\(EACCES\)/, NEW],
  ["a disk that takes a part of it", PART, /save failed .*\(EFBIG\)/, OLD],
  ["no right to directory and file", OF_ROOT, /save failed .*\(EACCES\)/, OLD],
];

test.each(FAULTS)("%s: answers on, logs it once, leaves one whole state", async (...fault) => {
  const [, launcher, line, file] = fault;
  using directory = temporaryDirectory();
  await using agent = await startIn(directory.path, launcher);
  expect(await agent.ask()).toBe("UP 42%\n");
  agent.signal("SIGUSR2");
  await agent.answers("DOWN 42%\n");
  await agent.logs(line);
  const path = inside(agent, agent.stateFile);
  expect(readFileSync(path, "utf8")).toBe(file);
  expect(readdirSync(dirname(path)).filter((name) => /^\.|rejected/.test(name))).toEqual([]);
  agent.signal("SIGHUP");
  await agent.answers(file === OLD ? "UP 42%\n" : "DOWN 42%\n");
  expect(agent.log.filter((line) => /sav|fail|refused/.test(line))).toHaveLength(1);
});

test("saves beside an editor that replaces the file by deleting it: none is refused", async () => {
  await using agent = await startAgent({ state: OLD, socket: true });
  const editor = new AbortController();
  const edits = (async () => {
    while (!editor.signal.aborted) {
      rmSync(agent.stateFile, { force: true });
      await new Promise(setImmediate);
      writeFileSync(agent.stateFile, OLD);
      await new Promise(setImmediate);
    }
  })();
  const answers: string[] = [];
  for (let i = 0; i < times(1000, 50); i += 1) {
    answers.push(await command(agent, `set weight ${i % 101}`));
  }
  editor.abort();
  await edits;
  expect(answers.filter((answer) => !answer.startsWith("ok saved: "))).toEqual([]);
});

test("an executable and a working directory that were deleted do not keep it from saving", async () => {
  using directory = temporaryDirectory();
  const executable = `${directory.path}/hapgent`;
  Bun.spawnSync(["cp", "--reflink=auto", EXECUTABLE, executable]);
  const launcher = inShell(`mkdir ${directory.path}/cwd; cd ${directory.path}/cwd`);
  await using agent = await startAgent({ state: OLD, executable, launcher });
  rmSync(directory.path, { recursive: true });
  agent.signal("SIGUSR2");
  await until("saved", () => agent.file() === NEW);
  expect(await agent.ask()).toBe("DOWN 42%\n");
});
