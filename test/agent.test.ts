import { describe, expect, test } from "bun:test";
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { temporaryDirectory } from "../scripts/lib/temporary.ts";
import { Agent, type StateEvent, withStatus } from "../src/agent.ts";

const HUP: StateEvent = { kind: "reload", cause: "SIGHUP" };
const USR1: StateEvent = { kind: "set", change: withStatus("UP"), cause: "SIGUSR1" };
const USR2: StateEvent = { kind: "set", change: withStatus("DOWN"), cause: "SIGUSR2" };

/** An agent that has read a file with this text, and that file. */
async function startAgent(directory: { path: string }, text?: string) {
  const file = `${directory.path}/state.json`;
  if (text !== undefined) writeFileSync(file, text);
  const agent = new Agent({ file: file, mode: "exact", watch: false });
  await agent.start();
  return { agent, file };
}

async function push(agent: Agent, ...events: StateEvent[]): Promise<string> {
  for (const event of events) agent.push(event);
  await agent.settled();
  return agent.replyText;
}

describe("Agent", () => {
  test("answers FAIL until it has read a state", () => {
    expect(new Agent({ file: "/nowhere", mode: "exact", watch: false }).replyText).toBe("FAIL");
  });

  test("answers with the file's state, and with FAIL when it has none", async () => {
    using directory = temporaryDirectory();
    const { agent, file } = await startAgent(directory, '{"status":"READY","weight":75}');
    expect(new TextDecoder().decode(agent.reply)).toBe("READY 75%\n");
    rmSync(file);
    expect(await push(agent, HUP)).toBe("FAIL");
  });

  test("keeps weight and maxconn when the status is set, and not the reason of the old one", async () => {
    using directory = temporaryDirectory();
    const text = '{"status":"DOWN","weight":5,"maxconn":7,"reason":"broken"}';
    const { agent, file } = await startAgent(directory, text);
    expect(agent.replyText).toBe("DOWN 5% maxconn:7 #broken");
    expect(await push(agent, USR1)).toBe("UP 5% maxconn:7");
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ status: "UP", weight: 5, maxconn: 7 });
  });

  test("keeps weight and maxconn when a set comes before the file was read", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, '{"status":"UP","weight":5,"maxconn":7}');
    const agent = new Agent({ file, mode: "exact", watch: false });
    const started = agent.start();
    agent.push(USR2);
    await started;
    expect(agent.replyText).toBe("DOWN 5% maxconn:7");
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({
      status: "DOWN",
      weight: 5,
      maxconn: 7,
    });
  });

  test("discards the previous state when the file is refused", async () => {
    using directory = temporaryDirectory();
    const { agent, file } = await startAgent(directory, '{"status":"UP","weight":5}');
    writeFileSync(file, '{"status":"UP","weight":500}');
    expect(await push(agent, HUP)).toBe("FAIL");
    expect(await push(agent, USR1)).toBe("UP");
    expect(readFileSync(`${file}.rejected`, "utf8")).toBe('{"status":"UP","weight":500}');
  });

  test("reads after a set what that set saved", async () => {
    using directory = temporaryDirectory();
    const { agent, file } = await startAgent(directory, '{"status":"DOWN"}');
    expect(await push(agent, USR1, HUP)).toBe("UP");
    writeFileSync(file, '{"status":"DRAIN","weight":1}');
    expect(await push(agent, HUP, USR2)).toBe("DOWN 1%");
  });

  test("answers with a status that cannot be saved", async () => {
    const agent = new Agent({ file: "/nowhere/at/all/state.json", mode: "exact", watch: false });
    expect(await push(agent, USR1)).toBe("UP");
  });

  test("ends with memory and file alike after any number of events at once", async () => {
    using directory = temporaryDirectory();
    const { agent, file } = await startAgent(directory, '{"status":"DOWN","weight":9}');
    const events = Array.from({ length: 1000 }, (_, i) => [USR1, HUP, USR2, HUP, HUP, USR1][i % 6]);
    const answer = await push(agent, ...events.filter((event) => event !== undefined));
    expect(answer).toBe("DOWN 9%");
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ status: "DOWN", weight: 9 });
  });

  test("is not blocked by an event that fails", async () => {
    using directory = temporaryDirectory();
    const { agent, file } = await startAgent(directory, '{"status":"UP"}');
    rmSync(directory.path, { recursive: true });
    expect(await push(agent, USR2, HUP)).toBe("FAIL");
    Bun.spawnSync(["mkdir", directory.path]);
    writeFileSync(file, '{"status":"MAINT"}');
    chmodSync(file, 0o600);
    expect(await push(agent, HUP)).toBe("MAINT");
  });
});
