// - A state file that is refused makes the reply FAIL, is logged, and never ends the agent.
// - A save sets aside what is no state. A change that cannot be saved is answered all the same, and
//   the exit code tells it. How a file is replaced is tested in test/state/.
import { describe, expect, test } from "bun:test";
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { formatState } from "../../src/state/state.ts";
import { ask, logOf, start } from "./driver.ts";

/** Ways to spoil a file, and what is said of it. */
const SPOILT: [string, string, (file: string) => void][] = [
  ["nothing there", "no such file or directory (ENOENT)", (file) => rmSync(file)],
  [
    "half",
    "1:11: expected a value, got the end of the file (cut off?)",
    (file) => writeFileSync(file, '{"status":'),
  ],
  [
    "of a wrong status",
    'status: expected one of UP, DOWN, READY, DRAIN, FAIL, MAINT, STOPPED, got "up" (did you mean UP?)',
    (file) => writeFileSync(file, '{"status":"up"}'),
  ],
  [
    "too large",
    "expected at most 65536 bytes, got 1073741824",
    (file) => truncateSync(file, 2 ** 30),
  ],
  [
    "a directory",
    "expected a regular file",
    (file) => {
      rmSync(file);
      mkdirSync(file);
    },
  ],
  [
    "a FIFO",
    "expected a regular file",
    (file) => {
      rmSync(file);
      Bun.spawnSync(["mkfifo", file]);
    },
  ],
  [
    "a device",
    "expected a regular file",
    (file) => {
      rmSync(file);
      symlinkSync("/dev/zero", file);
    },
  ],
];

describe("a state file that is refused", () => {
  test.each(SPOILT)(
    "because it is %s makes the reply FAIL, and is logged",
    async (_, why, spoil) => {
      await using agent = await start({ state: { status: "UP", weight: 5 } });
      spoil(agent.stateFile);
      agent.signal("SIGHUP");
      await agent.answers("FAIL\n");
      expect(await logOf(agent, 1)).toEqual([
        `hapgent: state file refused cause=SIGHUP file=${agent.stateFile} error=${JSON.stringify(why)} old="UP 5%" new=FAIL`,
      ]);
      // The previous state is discarded, the weight with it.
      agent.signal("SIGUSR1");
      await agent.answers("UP\n");
    },
  );

  test("does not keep the agent from starting; what is there is set aside by a save", async () => {
    await using agent = await start({ state: "no JSON" });
    expect(await ask(agent)).toBe("FAIL\n");
    agent.signal("SIGUSR1");
    await agent.logs(/^hapgent: invalid state file set aside file=\S+\.rejected$/);
    expect(readFileSync(`${agent.stateFile}.rejected`, "utf8")).toBe("no JSON");
    expect(agent.file()).toBe(formatState({ status: "UP" }));
    // From now on what is in memory counts.
    writeFileSync(agent.stateFile, '{"status":"DRAIN","weight":9}');
    agent.signal("SIGUSR2");
    await agent.answers("DOWN\n");
  });

  test("counts again when it was put right: a change is one of what it holds", async () => {
    await using agent = await start({ state: "bad" });
    writeFileSync(agent.stateFile, '{"status":"DOWN","weight":5,"maxconn":7}');
    agent.signal("SIGUSR1");
    await agent.answers("UP 5% maxconn:7\n");
    // Once the state is that of the file, what is in memory counts.
    await until("saved", () => agent.file().includes("UP"));
    writeFileSync(agent.stateFile, '{"status":"DRAIN","weight":9}');
    agent.signal("SIGUSR2");
    await agent.answers("DOWN 5% maxconn:7\n");
  });
});

test("a state file that was replaced outside its mount is named once", async () => {
  using directory = temporaryDirectory();
  const path = `${directory.path}/state.json`;
  writeFileSync(path, '{"status":"UP"}');
  // As a mount of the file alone: it shows the old one, which has no name any more.
  const mounted = openSync(path, "r");
  try {
    await using agent = await start({ stateFile: `/proc/${process.pid}/fd/${mounted}` });
    rmSync(path);
    for (const count of [2, 3]) {
      agent.signal("SIGHUP");
      await logOf(agent, count);
    }
    expect(await logOf(agent, 3)).toEqual([
      `hapgent: state file was replaced outside its mount: mount its directory instead file=${agent.stateFile}`,
      ...Array(2).fill("hapgent: state cause=SIGHUP old=UP new=UP"),
    ]);
  } finally {
    closeSync(mounted);
  }
});

describe("a save", () => {
  test("that fails is logged; the state is answered, and the exit code tells that it is lost", async () => {
    using directory = temporaryDirectory();
    mkdirSync(`${directory.path}/etc`);
    const stateFile = `${directory.path}/etc/state.json`;
    writeFileSync(stateFile, '{"status":"UP"}');
    await using agent = await start({ stateFile });
    rmSync(`${directory.path}/etc`, { recursive: true });
    agent.signal("SIGUSR2");
    await agent.logs(/save failed/);
    expect(await ask(agent)).toBe("DOWN\n");
    expect(await agent.stop()).toBe(1);
    expect(await logOf(agent, 4)).toEqual([
      "hapgent: state cause=SIGUSR2 old=UP new=DOWN",
      `hapgent: save failed file=${stateFile} error="no such file or directory (ENOENT)"`,
      "hapgent: stopping cause=SIGTERM",
      `hapgent: stopped, changes may be lost file=${stateFile}`,
    ]);
  });
});
