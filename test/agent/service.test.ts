// A service's reply is that of its state, and its state that of its file: read when it is asked to,
// changed as signals and commands say, one after another.
import { describe, expect, spyOn, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { Events } from "../../src/agent/events.ts";
import { Service } from "../../src/agent/service.ts";
import type { SaveOutcome } from "../../src/state/save.ts";
import * as saves from "../../src/state/save.ts";
import { withStatus } from "../../src/state/state.ts";
import { recordLog } from "../recorded-log.ts";

type Signal = "HUP" | "USR1" | "USR2";

/** A service of this file, and the signals that act on it. */
function createService(file: string) {
  const service = new Service({ file, mode: "exact", watch: false });
  const events = new Events();
  const signals: Record<Signal, () => void> = {
    HUP: () => events.signal("reload", () => service.reload("SIGHUP")),
    USR1: () => events.signal("set", () => service.set(withStatus("UP"), "SIGUSR1")),
    USR2: () => events.signal("set", () => service.set(withStatus("DOWN"), "SIGUSR2")),
  };
  /** Sends signals at once, and returns the reply when all are handled. */
  async function send(...names: Signal[]): Promise<string> {
    for (const name of names) signals[name]();
    await events.settled();
    return service.reply.text;
  }
  return { service, events, file, send };
}

/** A service that has read a file with this text, and that file. */
async function startService(directory: { path: string }, text?: string) {
  const file = `${directory.path}/state.json`;
  if (text !== undefined) writeFileSync(file, text);
  const created = createService(file);
  await created.service.start();
  return created;
}

describe("the log of a service", () => {
  test("has each event, with what the reply was and is", async () => {
    using directory = temporaryDirectory();
    using log = recordLog();
    const { service, send, file } = await startService(directory, '{"status":"UP"}');
    expect(log.lines).toEqual([]);
    await send("HUP");
    await send("USR2");
    writeFileSync(file, "[]");
    await send("HUP");
    await send("USR1");
    chmodSync(file, 0o640);
    await send("USR2");
    rmSync(file);
    mkdirSync(file);
    await service.set(withStatus("DRAIN"), "socket");
    expect(log.lines).toEqual([
      "hapgent: state cause=SIGHUP old=UP new=UP",
      "hapgent: state cause=SIGUSR2 old=UP new=DOWN",
      `hapgent: state file refused cause=SIGHUP file=${file} error="expected a JSON object, got an array" old=DOWN new=FAIL`,
      "hapgent: state cause=SIGUSR1 old=FAIL new=UP",
      `hapgent: invalid state file set aside file=${file}.rejected`,
      "hapgent: state cause=SIGUSR2 old=UP new=DOWN",
      `hapgent: saved in place, not atomically file=${file} error="the group has rights of its own (mode 640)"`,
      "hapgent: state cause=socket old=DOWN new=DRAIN",
      `hapgent: save failed file=${file} error="expected a regular file"`,
    ]);
  });

  test("of one of many says nothing when it is read anew and has not changed", async () => {
    using directory = temporaryDirectory();
    using log = recordLog();
    const file = `${directory.path}/web.json`;
    writeFileSync(file, '{"status":"UP"}');
    const service = new Service({ name: "web", file, mode: "exact", watch: false });
    for (let i = 0; i < 3; i += 1) await service.reload("SIGHUP");
    expect(log.lines).toEqual(["hapgent: state cause=SIGHUP service=web old=FAIL new=UP"]);
  });

  test("has an edit of a watched file once, and nothing of what the agent has saved", async () => {
    using directory = temporaryDirectory();
    using log = recordLog();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, '{"status":"UP"}');
    const service = new Service({ file, mode: "exact", watch: true });
    await service.start();
    for (const text of ['{"status":"DOWN"}', "bad", '{"status":"DOWN","weight":null}']) {
      writeFileSync(file, text);
      for (let i = 0; i < 3; i += 1) await service.reread();
    }
    expect(log.lines).toEqual([
      "hapgent: state cause=watch old=UP new=DOWN",
      `hapgent: state file refused, the last good state stays cause=watch file=${file} error="1:1: expected a value, got \\"bad\\" (text needs double quotes)"`,
    ]);
    await service.set(withStatus("MAINT"), "socket");
    await service.reread();
    expect(log.lines.slice(2)).toEqual(["hapgent: state cause=socket old=DOWN new=MAINT"]);
  });

  test.each<[SaveOutcome, string, string]>([
    [
      { undurable: "no" },
      "saved, not durably: no",
      "saved, but a power failure may undo it file=/a error=no",
    ],
    [{ replaced: "mode-600" }, "saved", "saved with another owner or mode file=/a old=mode-600"],
    [{ inPlace: "no" }, "saved in place: no", "saved in place, not atomically file=/a error=no"],
    [{ rejected: "/a.rejected" }, "saved", "invalid state file set aside file=/a.rejected"],
    [{}, "saved", ""],
  ])("and its answer tell what was particular about a save: %j", async (outcome, text, line) => {
    using log = recordLog();
    const save = spyOn(saves, "saveState").mockResolvedValue(outcome);
    try {
      const service = new Service({ file: "/a", mode: "exact", watch: false });
      expect(await service.set(withStatus("UP"), "socket")).toEqual({ isGood: true, text });
    } finally {
      save.mockRestore();
    }
    expect(log.lines.slice(1)).toEqual(line === "" ? [] : [`hapgent: ${line}`]);
  });
});

describe("Service", () => {
  test("tells of a change before its reply changes", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    const replies: string[] = [];
    const changing = () => replies.push(service.reply.text);
    const changed = () => replies.push(service.reply.text);
    const options = { file, mode: "exact", watch: false, changing, changed } as const;
    const service: Service = new Service(options);
    await service.set(withStatus("DOWN"), "socket");
    expect(replies).toEqual(["FAIL", "DOWN"]);
  });

  test("changes what the file holds when it has not read it yet", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, '{"status":"DOWN","weight":5}');
    expect(await createService(file).send("USR1")).toBe("UP 5%");
  });

  test("keeps a change that was not saved, and one that was, whatever the file holds", async () => {
    using directory = temporaryDirectory();
    const { service, send, file } = await startService(directory);
    writeFileSync(file, '{"status":"DOWN","weight":5}');
    const save = spyOn(saves, "saveState").mockRejectedValueOnce(new Error("no"));
    await service.set((state) => ({ ...state, weight: 7 }), "socket");
    save.mockRestore();
    expect(await send("USR1")).toBe("UP 7%");
    rmSync(file);
    expect(await send("HUP")).toBe("FAIL");
    await service.set(() => ({ status: "DRAIN", weight: 1 }), "socket");
    writeFileSync(file, '{"status":"DOWN","weight":5}');
    expect(await send("USR1")).toBe("UP 1%");
  });

  test("tells how a change went, and whether it is saved", async () => {
    using directory = temporaryDirectory();
    const { service, file } = await startService(directory, '{"status":"UP"}');
    const down = withStatus("DOWN");
    const changing = service.set(down, "socket");
    expect([service.isSaving, service.isUnsaved]).toEqual([true, true]);
    expect(await changing).toEqual({ isGood: true, text: "saved" });
    expect([service.isSaving, service.isUnsaved]).toEqual([false, false]);
    chmodSync(file, 0o640);
    const inPlace = "saved in place: the group has rights of its own (mode 640)";
    expect(await service.set(down, "socket")).toEqual({ isGood: true, text: inPlace });
    rmSync(file);
    mkdirSync(file);
    const why = "expected a regular file";
    expect(await service.set(down, "socket")).toEqual({ isGood: false, text: `not saved: ${why}` });
    expect([service.isSaving, service.isUnsaved]).toEqual([false, true]);
    expect(await service.reload("socket")).toEqual({ isGood: false, text: `refused: ${why}` });
    expect(service.isUnsaved).toBe(false);
    rmSync(file, { recursive: true });
    writeFileSync(file, '{"status":"DRAIN"}');
    expect(await service.reload("socket")).toEqual({ isGood: true, text: "loaded" });
  });

  test("has changed when its reply has, and not when it was set to what it was", async () => {
    using directory = temporaryDirectory();
    const { service } = await startService(directory, '{"status":"UP"}');
    const since = service.changedAt;
    await service.set(withStatus("UP"), "socket");
    expect(service.changedAt).toBe(since);
    await service.set(withStatus("DOWN"), "socket");
    expect(service.changedAt).toBeGreaterThan(since);
  });

  test("answers FAIL until it has read a state", () => {
    expect(createService("/nowhere").service.reply.text).toBe("FAIL");
  });

  test("answers with the file's state, and with FAIL when it has none", async () => {
    using directory = temporaryDirectory();
    const { service, send, file } = await startService(directory, '{"status":"READY","weight":75}');
    expect(new TextDecoder().decode(service.reply.bytes)).toBe("READY 75%\n");
    rmSync(file);
    expect(await send("HUP")).toBe("FAIL");
  });

  test("keeps weight and maxconn when the status is set, and not the reason of the old one", async () => {
    using directory = temporaryDirectory();
    const text = '{"status":"DOWN","weight":5,"maxconn":7,"reason":"broken"}';
    const { service, send, file } = await startService(directory, text);
    expect(service.reply.text).toBe("DOWN 5% maxconn:7 #broken");
    expect(await send("USR1")).toBe("UP 5% maxconn:7");
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ status: "UP", weight: 5, maxconn: 7 });
  });

  test("keeps weight and maxconn when a set comes before the file was read", async () => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, '{"status":"UP","weight":5,"maxconn":7}');
    const { service, events, send } = createService(file);
    const started = events.request(() => service.start());
    await Promise.all([started, send("USR2")]);
    expect(service.reply.text).toBe("DOWN 5% maxconn:7");
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({
      status: "DOWN",
      weight: 5,
      maxconn: 7,
    });
  });

  test("discards the previous state when the file is refused", async () => {
    using directory = temporaryDirectory();
    const { send, file } = await startService(directory, '{"status":"UP","weight":5}');
    writeFileSync(file, '{"status":"UP","weight":500}');
    expect(await send("HUP")).toBe("FAIL");
    expect(await send("USR1")).toBe("UP");
    expect(readFileSync(`${file}.rejected`, "utf8")).toBe('{"status":"UP","weight":500}');
  });

  test("reads after a set what that set saved", async () => {
    using directory = temporaryDirectory();
    const { send, file } = await startService(directory, '{"status":"DOWN"}');
    expect(await send("USR1", "HUP")).toBe("UP");
    writeFileSync(file, '{"status":"DRAIN","weight":1}');
    expect(await send("HUP", "USR2")).toBe("DOWN 1%");
  });

  test("answers with a status that cannot be saved", async () => {
    expect(await createService("/nowhere/at/all/state.json").send("USR1")).toBe("UP");
  });

  test("ends with memory and file alike after any number of events at once", async () => {
    using directory = temporaryDirectory();
    const { send, file } = await startService(directory, '{"status":"DOWN","weight":9}');
    const signals = ["USR1", "HUP", "USR2", "HUP", "HUP", "USR1"] as const;
    const all = Array.from({ length: 1000 }, (_, i) => signals[i % 6] ?? "HUP");
    expect(await send(...all)).toBe("DOWN 9%");
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ status: "DOWN", weight: 9 });
  });

  test("is not blocked by an event that fails", async () => {
    using directory = temporaryDirectory();
    const { send, file } = await startService(directory, '{"status":"UP"}');
    rmSync(directory.path, { recursive: true });
    expect(await send("USR2", "HUP")).toBe("FAIL");
    Bun.spawnSync(["mkdir", directory.path]);
    writeFileSync(file, '{"status":"MAINT"}');
    chmodSync(file, 0o600);
    expect(await send("HUP")).toBe("MAINT");
  });

  test("changes the file's state when that has become good since the last read failed", async () => {
    using directory = temporaryDirectory();
    const { send, file } = await startService(directory);
    const text = '{"status":"DOWN","weight":5,"maxconn":7}';
    writeFileSync(file, text);
    expect(await send("USR1")).toBe("UP 5% maxconn:7");
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ status: "UP", weight: 5, maxconn: 7 });
    writeFileSync(file, "bad");
    expect(await send("HUP")).toBe("FAIL");
    writeFileSync(file, text);
    expect(await send("USR2")).toBe("DOWN 5% maxconn:7");
    expect(existsSync(`${file}.rejected`)).toBe(false);
    // Once the state is that of the file, what is in memory counts.
    writeFileSync(file, '{"status":"DRAIN","weight":9}');
    expect(await send("USR1")).toBe("UP 5% maxconn:7");
  });
});
