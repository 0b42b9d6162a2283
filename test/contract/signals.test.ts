// - Start and SIGHUP read the state file; SIGUSR1 and SIGUSR2 set UP and DOWN, and save.
// - What signals ask for is done in the order in which they came.
// - The log has one line for each change.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { version } from "../../package.json";
import { until } from "../../scripts/lib/until.ts";
import { formatState, type State } from "../../src/state/state.ts";
import { ask, HOST, logOf, start, testHere } from "./driver.ts";

describe("an agent", () => {
  test("says where it listens, on what file and with which reply", async () => {
    await using agent = await start({ state: { status: "READY", weight: 75, maxconn: 1000 } });
    expect((await agent.logs(/listening/)).replace(/:\d+ file/, ":PORT file")).toBe(
      `hapgent: listening version=${version} address=${HOST}:PORT file=${agent.stateFile} ` +
        'reply="READY 75% maxconn:1000"',
    );
    expect(await ask(agent)).toBe("READY 75% maxconn:1000\n");
  });

  test("does what signals say, saves it, and logs each change with what it was before", async () => {
    const limits = { weight: 20, maxconn: 30 };
    await using agent = await start({ state: { status: "MAINT", ...limits, reason: "why" } });
    const saved = (state: State) =>
      until("saved", () => agent.file() === formatState({ ...state, ...limits }));
    agent.signal("SIGUSR1");
    await agent.answers("UP 20% maxconn:30\n");
    await saved({ status: "UP" });
    agent.signal("SIGUSR2");
    await agent.answers("DOWN 20% maxconn:30\n");
    await saved({ status: "DOWN" });
    agent.change({ status: "DOWN", weight: 1, reason: "edited" });
    await agent.answers("DOWN 1% #edited\n");
    agent.change({ status: "DRAIN", reason: "not shown" });
    await agent.answers("DRAIN\n");
    expect(await agent.stop()).toBe(0);
    expect(await logOf(agent, 5)).toEqual([
      'hapgent: state cause=SIGUSR1 old="MAINT 20% maxconn:30" new="UP 20% maxconn:30"',
      'hapgent: state cause=SIGUSR2 old="UP 20% maxconn:30" new="DOWN 20% maxconn:30"',
      'hapgent: state cause=SIGHUP old="DOWN 20% maxconn:30" new="DOWN 1% #edited"',
      'hapgent: state cause=SIGHUP old="DOWN 1% #edited" new=DRAIN reason="not shown"',
      "hapgent: stopping cause=SIGTERM",
    ]);
  });
});

// Of signals that are sent together the kernel chooses the order: here they come in ours.
describe("signals that come together", () => {
  testHere("are done in their order: a change after a SIGHUP is one of what was read", async () => {
    await using agent = await start({ state: { status: "UP", weight: 1 } });
    writeFileSync(agent.stateFile, '{"status":"DRAIN","weight":5}');
    agent.signal("SIGHUP");
    agent.signal("SIGUSR2");
    await agent.answers("DOWN 5%\n");
    agent.signal("SIGUSR1");
    agent.signal("SIGHUP");
    expect(await agent.stop()).toBe(0);
    expect(agent.file()).toBe(formatState({ status: "UP", weight: 5 }));
  });
});
