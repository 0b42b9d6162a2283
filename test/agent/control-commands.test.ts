// Each control command is answered by one line: what has become of it, or what was expected. A
// command that is refused changes nothing.
import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { createExecute } from "../../src/agent/control-commands.ts";
import { Events } from "../../src/agent/events.ts";
import { Pollers } from "../../src/agent/pollers.ts";
import { Services } from "../../src/agent/services.ts";
import { listControls } from "../../src/spec.ts";
import { formatState, STATUSES, type State } from "../../src/state/state.ts";

/** A host with this state, and what the control socket answers. */
async function startService(directory: { path: string }, state: State) {
  const file = `${directory.path}/state.json`;
  writeFileSync(file, formatState(state));
  const services = new Services({ file, directory: undefined, mode: "exact", watch: false });
  await services.start();
  const pollers = new Pollers(services);
  const execute = createExecute({ services, events: new Events(), pollers, watch: false });
  const service = services.host;
  const answer = (line: string, isWanted = true) => execute(line, () => isWanted);
  return { service, file, pollers, answer };
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

  test("wait tells who was not served, what that one was told last, and when", async () => {
    using directory = temporaryDirectory();
    const { answer, pollers } = await startService(directory, { status: "UP" });
    expect(await answer("wait 0")).toBe("error: after 0 s: no load balancer has asked");
    pollers.record({ address: "10.0.0.1", sent: "web" }, "UP");
    pollers.record({ address: "::1", sent: "" }, "UP");
    await answer("set status MAINT");
    pollers.record({ address: "::1", sent: "" }, undefined);
    expect(await answer("wait 0 2")).toMatch(
      /^error: after 0 s: not served to 2 of 2: 10\.0\.0\.1 "web" \(told UP, asked [\d.]+ s ago\), ::1 \(perhaps never told, asked [\d.]+ s ago\)$/,
    );
    expect(await answer("forget 10.0.0.1")).toBe("ok forgotten: 1 poller of 10.0.0.1");
    expect(await answer("forget 10.0.0.1")).toBe('error: no poller has the address "10.0.0.1"');
    expect(await answer("wait 0 2")).toMatch(/^error: after 0 s: not served to 1 of 1: ::1 /);
  });

  test("wait says how many were served, which lines these are, and how long it took", async () => {
    using directory = temporaryDirectory();
    const { answer, pollers } = await startService(directory, { status: "UP" });
    pollers.record({ address: "10.0.0.1", sent: "web" }, "UP");
    expect(await answer("wait 5 1")).toMatch(
      /^ok served to 1 poller after (1\.9|2(\.\d)?) s: UP; 10\.0\.0\.1 "web"$/,
    );
    for (let i = 2; i <= 8; i += 1) pollers.record({ address: `10.0.0.${i}`, sent: "" }, "UP");
    expect(await answer("wait 0 8")).toMatch(
      /^ok served to all of 8 pollers after 0 s: UP; .*, 10\.0\.0\.8$/,
    );
    for (let i = 9; i <= 11; i += 1) pollers.record({ address: `10.0.0.${i}`, sent: "" }, "UP");
    expect(await answer("wait 0 11")).toMatch(
      /^ok served to all of 11 pollers after 0 s: UP; .*10\.0\.0\.8 and 3 more$/,
    );
  });

  test.each([
    ["wait x", 'wait: expected seconds from 0 to 86400, got "x"'],
    ["wait -1", 'wait: expected seconds from 0 to 86400, got "-1"'],
    ["wait 86401", 'wait: expected seconds from 0 to 86400, got "86401"'],
    ["wait 0 0", 'wait: expected a number of pollers from 1 to 4096, got "0"'],
    ["wait 0 4097", 'wait: expected a number of pollers from 1 to 4096, got "4097"'],
    ["wait 0 1 2", 'expected wait SECONDS [COUNT], got "wait 0 1 2"'],
    ["set weight 1 2", 'expected set weight N, got "set weight 1 2"'],
    ["set weight 256", "weight: expected an integer from 0 to 255, got 256"],
    ["set status", `status: expected one of ${STATUSES.join(", ")}, got ""`],
    ["forget", 'expected forget ADDRESS, got "forget"'],
    ["forget a b", 'expected forget ADDRESS, got "forget a b"'],
    ["reload now", 'expected reload, got "reload now"'],
  ])("%j is refused: %s", async (line, problem) => {
    using directory = temporaryDirectory();
    const { answer, file } = await startService(directory, { status: "UP" });
    expect(await answer(line)).toBe(`error: ${problem}`);
    expect(readFileSync(file, "utf8")).toBe(formatState({ status: "UP" }));
  });

  test("says when HAProxy does not show the reason that was given", async () => {
    using directory = temporaryDirectory();
    const { answer } = await startService(directory, { status: "UP" });
    expect(await answer("set status MAINT at night")).toBe(
      "ok saved: MAINT (HAProxy shows no reason with MAINT)",
    );
    expect(await answer("set status MAINT")).toBe("ok saved: MAINT");
  });

  test("show pollers tells of all, forget of those that it forgot", async () => {
    using directory = temporaryDirectory();
    const { answer, pollers } = await startService(directory, { status: "UP" });
    for (const sent of ["web", "api"]) pollers.record({ address: "10.0.0.1", sent }, "UP");
    expect(JSON.parse(await answer("show pollers"))).toMatchObject([
      { address: "10.0.0.1", sent: "web", reply: "UP", isServed: true },
      { address: "10.0.0.1", sent: "api", reply: "UP", isServed: true },
    ]);
    expect(await answer("forget 10.0.0.1")).toBe("ok forgotten: 2 pollers of 10.0.0.1");
    expect(await answer("show pollers")).toBe("[]");
  });

  test("the help names every command", async () => {
    using directory = temporaryDirectory();
    const { answer } = await startService(directory, { status: "UP" });
    const help = await answer("help");
    for (const { term } of listControls()) expect(help).toContain(term);
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
        // Nobody waits for a `wait`.
        const reply = await answer(text, false);
        expect(reply).toMatch(/^(ok |error: |[{[])[^\n]*$/);
        if (!reply.startsWith("ok saved")) expect(JSON.stringify(service.state)).toBe(before);
        else expect(readFileSync(file, "utf8")).toBe(formatState(service.state));
      }),
    );
  });
});
