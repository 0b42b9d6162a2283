import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { createExecute } from "../../src/agent/control-commands.ts";
import { Events } from "../../src/agent/events.ts";
import { Pollers } from "../../src/agent/pollers.ts";
import { Service } from "../../src/agent/service.ts";
import { CONTROL_COMMANDS } from "../../src/spec.ts";
import { formatState, type State } from "../../src/state/state.ts";

/** A service with this state, and what the control socket answers. */
async function startService(directory: { path: string }, state: State) {
  const file = `${directory.path}/state.json`;
  writeFileSync(file, formatState(state));
  const service = new Service({ file, mode: "exact", watch: false });
  await service.start();
  const pollers = new Pollers();
  const execute = createExecute({ service, events: new Events(), pollers });
  return { service, file, pollers, answer: (line: string) => execute(line, () => true) };
}

describe("a control command", () => {
  test.each<[string, string, State]>([
    ["set status DRAIN", "ok saved: DRAIN 5%", { status: "DRAIN", weight: 5 }],
    [
      "\t set  status DOWN  deploying \t v42 \r",
      "ok saved: DOWN 5% #deploying v42",
      { status: "DOWN", weight: 5, reason: "deploying v42" },
    ],
    ["set weight 007", "ok saved: UP 7% #old", { status: "UP", weight: 7, reason: "old" }],
    [
      "set maxconn 65535",
      "ok saved: UP 5% maxconn:65535 #old",
      { status: "UP", weight: 5, maxconn: 65_535, reason: "old" },
    ],
    ["reload", "ok loaded: UP 5% #old", { status: "UP", weight: 5, reason: "old" }],
  ])("%j answers %j", async (line, answer, state) => {
    using directory = temporaryDirectory();
    const started = await startService(directory, { status: "UP", weight: 5, reason: "old" });
    expect(await started.answer(line)).toBe(answer);
    expect(readFileSync(started.file, "utf8")).toBe(formatState(state));
    expect(JSON.parse(await started.answer("show state"))).toEqual({
      state,
      reply: answer.replace(/^ok \w+: /, ""),
    });
  });

  test("wait tells how many were served, or who was not and what it last heard", async () => {
    using directory = temporaryDirectory();
    const { answer, pollers } = await startService(directory, { status: "UP" });
    expect(await answer("wait 0")).toBe("ok served to all of 0 pollers: UP");
    pollers.record("10.0.0.1", "UP");
    pollers.record("::1", "UP");
    expect(await answer("wait 0")).toBe("ok served to all of 2 pollers: UP");
    await answer("set status MAINT");
    pollers.record("::1", "MAINT");
    expect(await answer("wait 0")).toMatch(
      /^error: not served within 0 s to 10\.0\.0\.1 \(UP, [\d.]+ s ago\)$/,
    );
  });

  test("the help names every command", async () => {
    using directory = temporaryDirectory();
    const { answer } = await startService(directory, { status: "UP" });
    const help = await answer("help");
    for (const { usage } of CONTROL_COMMANDS) expect(help).toContain(usage);
  });

  test("whatever comes, one line answers it, and only good commands change anything", async () => {
    using directory = temporaryDirectory();
    const { service, file, answer } = await startService(directory, { status: "UP" });
    const verb = fc.constantFrom("set status", "set weight", "set maxconn", "show", "wait", "");
    const line = fc
      .tuple(verb, fc.string({ unit: "binary-ascii" }))
      .map((words) => words.join(" "));
    await fc.assert(
      fc.asyncProperty(line, async (text) => {
        const before = JSON.stringify(service.state);
        const reply = await answer(text);
        expect(reply).toMatch(/^(ok |error: |[{[])[^\n]*$/);
        if (!reply.startsWith("ok saved")) expect(JSON.stringify(service.state)).toBe(before);
        else expect(readFileSync(file, "utf8")).toBe(formatState(service.state));
      }),
    );
  });
});
