// Agents that share a state file, or that cannot start, are in nobody's way:
// - all saves of two agents succeed, and the file is whole at every moment;
// - a start that is refused, and one that is not, leave the save of another agent alone.
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { startAgent } from "../../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../../scripts/lib/executable.ts";
import { outcome } from "../../../scripts/lib/shell.ts";
import { until } from "../../../scripts/lib/until.ts";
import { TUNED } from "../../../src/agent/tuning.ts";
import { formatState, parseState } from "../../../src/state/state.ts";
import { Client } from "../client.ts";
import { withInjected } from "./launchers.ts";
import { times } from "./scale.ts";

test("two agents that save the same file at once: every save succeeds", async () => {
  await using one = await startAgent({ state: { status: "UP" }, socket: true, env: TUNED });
  const { stateFile } = one;
  await using other = await startAgent({ stateFile, socket: true, env: TUNED });
  const save = async (agent: typeof one) => {
    using client = await Client.connect(agent.socket);
    const answers: string[] = [];
    for (let i = 1; i <= times(400, 100); i += 1) {
      client.send(`set weight ${i % 256}\n`);
      answers.push((await client.answers(i)).at(-1) ?? "");
      parseState(one.file());
    }
    return answers;
  };
  const answers = (await Promise.all([save(one), save(other)])).flat();
  expect(answers.filter((answer) => !answer.startsWith("ok saved: UP "))).toEqual([]);
  expect(readdirSync(dirname(stateFile)).filter((name) => name.startsWith("."))).toEqual([]);
});

/** As in a container of its own: it sees no process but its own. */
const CONTAINED = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

test("a save succeeds whose temporary file an agent in a container takes for a leftover", async () => {
  const launcher = withInjected("fsync:delay_enter=1s");
  await using agent = await startAgent({ state: { status: "UP" }, launcher, env: TUNED });
  const { stateFile } = agent;
  const findTemporary = () => readdirSync(dirname(stateFile)).find((name) => name.startsWith("."));
  agent.signal("SIGUSR2");
  const first = await until("in fsync", findTemporary);
  await using other = await startAgent({
    stateFile,
    socket: true,
    launcher: CONTAINED,
    env: TUNED,
  });
  expect((await other.ctl("set", "weight", "5")).stdout).toBe("ok saved: UP 5%\n");
  expect(findTemporary()).not.toBe(first);
  await until("saved", () => agent.file() === formatState({ status: "DOWN" }));
  expect(agent.log.filter((line) => line.includes("save failed"))).toEqual([]);
});

test.each(["refused", "started"])("a save goes on while a second agent is %s", async (second) => {
  const launcher = withInjected("fsync:delay_enter=1s");
  await using agent = await startAgent({ state: { status: "UP" }, launcher, env: TUNED });
  const { stateFile, port } = agent;
  const directory = dirname(stateFile);
  agent.signal("SIGUSR2");
  await until("in fsync", () => readdirSync(directory).some((name) => name.startsWith(".")));
  if (second === "refused") {
    const env = {
      HAPGENT_IP: "127.0.0.1",
      HAPGENT_PORT: String(port),
      HAPGENT_STATE_FILE: stateFile,
    };
    const { stderr, exitCode } = await outcome([EXECUTABLE], { env, isClean: true });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("EADDRINUSE");
  } else {
    // Its own first save removes what others have left, but not what they are writing.
    await using other = await startAgent({ stateFile, socket: true, env: TUNED });
    expect((await other.ctl("set", "weight", "5")).stdout).toBe("ok saved: UP 5%\n");
  }
  expect(readdirSync(directory).some((name) => name.startsWith("."))).toBe(true);
  await until("saved", () => agent.file() === formatState({ status: "DOWN" }));
  expect(agent.log.filter((line) => line.includes("save failed"))).toEqual([]);
});
