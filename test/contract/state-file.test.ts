// - A state file that is refused makes the reply FAIL, is logged, and never ends the agent.
// - A save sets aside what is no state. A change that cannot be saved is answered all the same, and
//   the exit code tells it. How a file is replaced is tested in test/state/.
import { expect, test } from "bun:test";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { formatState } from "../../src/state/state.ts";
import { ask, command, logOf, start } from "./driver.ts";

test("a state file that is gone makes the reply FAIL, and is logged", async () => {
  await using agent = await start({ state: { status: "UP", weight: 5 } });
  rmSync(agent.stateFile);
  agent.signal("SIGHUP");
  await agent.answers("FAIL\n");
  expect(await logOf(agent, 1)).toEqual([
    `hapgent: state file refused cause=SIGHUP file=${agent.stateFile} error="no such file or directory (ENOENT)" old="UP 5%" new=FAIL`,
  ]);
  // The previous state is discarded, the weight with it.
  agent.signal("SIGUSR1");
  await agent.answers("UP\n");
});

test("one that is invalid does not keep the agent from starting; a save sets it aside", async () => {
  await using agent = await start({ state: "no JSON" });
  expect(await ask(agent)).toBe("FAIL\n");
  agent.signal("SIGUSR1");
  await agent.logs(/^hapgent: invalid state file set aside file=\S+\.rejected$/);
  expect(readFileSync(`${agent.stateFile}.rejected`, "utf8")).toBe("no JSON");
  expect(agent.file()).toBe(formatState({ status: "UP" }));
});

test.each(["off", "on"])(
  "a state file that was replaced outside its mount is named once (watch %s)",
  async (watch) => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/state.json`;
    writeFileSync(path, '{"status":"UP"}');
    // As a mount of the file alone: it shows the old one, which has no name any more.
    const mounted = openSync(path, "r");
    using _ = { [Symbol.dispose]: () => closeSync(mounted) };
    const stateFile = `/proc/${process.pid}/fd/${mounted}`;
    await using agent = await start({ stateFile, env: { HAPGENT_WATCH: watch } });
    rmSync(path);
    for (const count of [2, 3]) {
      expect(await ask(agent)).toBe("UP\n");
      agent.signal("SIGHUP");
      await logOf(agent, count);
    }
    expect(await logOf(agent, 3)).toEqual([
      `hapgent: state file was replaced outside its mount: mount its directory instead file=${stateFile}`,
      ...Array(2).fill("hapgent: state cause=SIGHUP old=UP new=UP"),
    ]);
  },
);

test("a change that cannot be saved is answered all the same, and is no edit; it exits with 1", async () => {
  await using agent = await start({ socket: true, env: { HAPGENT_WATCH: "on" } });
  const { stateFile } = agent;
  rmSync(stateFile);
  mkdirSync(stateFile);
  agent.signal("SIGUSR2");
  await agent.logs(/save failed/);
  expect(await command(agent, "set weight 5")).toBe(
    "error: not saved: expected a regular file; the reply is DOWN 5%",
  );
  for (let i = 0; i < 3; i += 1) expect(await ask(agent)).toBe("DOWN 5%\n");
  rmSync(stateFile, { recursive: true });
  expect(await agent.stop()).toBe(1);
  const failed = `hapgent: save failed file=${stateFile} error="expected a regular file"`;
  const lost = `hapgent: stopped, changes may be lost file=${stateFile}`;
  expect(agent.log.filter((line) => /failed|lost/.test(line))).toEqual([failed, failed, lost]);
});

test.each(["off", "on"])(
  "what could not be saved stays so while no state is read or saved (watch %s)",
  async (watch) => {
    const env = { HAPGENT_WATCH: watch };
    await using agent = await start({ state: "x".repeat(70_000), socket: true, env });
    expect(await command(agent, "set status UP")).toStartWith("error: not saved: too large");
    // Neither an edit that is invalid nor a change that is refused saves it.
    writeFileSync(agent.stateFile, "x".repeat(70_001));
    expect(await ask(agent)).toBe("UP\n");
    expect(await command(agent, "change DOWN to DRAIN")).toStartWith(
      "error: not changed: it is UP",
    );
    expect(await agent.stop()).toBe(1);
    expect(agent.log.at(-1)).toBe(`hapgent: stopped, changes may be lost file=${agent.stateFile}`);
  },
);
