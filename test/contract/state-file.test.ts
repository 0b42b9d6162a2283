// - A state file that is refused makes the reply FAIL, is logged, and never ends the agent.
// - A save replaces the whole file or nothing, keeps its rights and links, and sets aside what is no
//   state. A change that cannot be saved is answered all the same, and the exit code tells it.
import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { formatState } from "../../src/state/state.ts";
import { ask, command, logOf, start } from "./driver.ts";

/** Ways to spoil a file, and what is said of it. */
const SPOILT: [string, string, (file: string) => void][] = [
  ["nothing there", "no such file or directory (ENOENT)", (file) => rmSync(file)],
  ["empty", "expected a JSON object, got nothing", (file) => writeFileSync(file, "")],
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
    "of an unknown field",
    '"wait": expected no field but status, weight, maxconn, reason',
    (file) => writeFileSync(file, '{"status":"UP","wait":1}'),
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
    const rejected = `${agent.stateFile}.rejected`;
    await agent.logs(/^hapgent: invalid state file set aside file=\S+\.rejected$/);
    expect(readFileSync(rejected, "utf8")).toBe("no JSON");
    expect(statSync(rejected).mode & 0o7777).toBe(0o600);
    expect(agent.file()).toBe(formatState({ status: "UP" }));
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

describe("a save", () => {
  test("follows symlinks, keeps the mode, and leaves nothing beside the file", async () => {
    using directory = temporaryDirectory();
    mkdirSync(`${directory.path}/real`);
    const file = `${directory.path}/real/state.json`;
    writeFileSync(file, '{"status":"UP"}');
    chmodSync(file, 0o640);
    symlinkSync("real/state.json", `${directory.path}/link`);
    await using agent = await start({ stateFile: `${directory.path}/link` });
    const { ino } = statSync(file);
    agent.signal("SIGUSR2");
    await until("saved", () => readFileSync(file, "utf8") === formatState({ status: "DOWN" }));
    expect(statSync(file).mode & 0o7777).toBe(0o640);
    expect(statSync(file).ino).not.toBe(ino);
    expect(readlinkSync(`${directory.path}/link`)).toBe("real/state.json");
    await until("nothing beside it", () => readdirSync(`${directory.path}/real`).length === 1);
  });

  test("makes a file that is not there, for all to read", async () => {
    await using agent = await start({ socket: true });
    rmSync(agent.stateFile);
    const umask = process.umask(0o077);
    expect(await command(agent, "set status DOWN").finally(() => process.umask(umask))).toBe(
      "ok saved: DOWN",
    );
    expect(lstatSync(agent.stateFile).mode & 0o7777).toBe(0o644);
  });

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

  test("that fails is made good by the next one", async () => {
    await using agent = await start({ socket: true });
    rmSync(agent.stateFile);
    mkdirSync(agent.stateFile);
    agent.signal("SIGUSR2");
    await agent.logs(/save failed/);
    rmSync(agent.stateFile, { recursive: true });
    expect(await command(agent, "set weight 5")).toBe("ok saved: DOWN 5%");
    expect(await agent.stop()).toBe(0);
    expect(agent.file()).toBe(formatState({ status: "DOWN", weight: 5 }));
  });
});
