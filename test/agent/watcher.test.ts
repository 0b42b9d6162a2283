// - A check is answered with what is in the state file at that moment; while the agent saves a
//   change of its own, memory is right.
// - Checks that come at once share one look into the file.
// - A disk that hangs holds up one check, for 0.2 s, and those after it not at all.
import { afterEach, beforeEach, expect, jest, spyOn, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { Events } from "../../src/agent/events.ts";
import { Services } from "../../src/agent/services.ts";
import { Watcher } from "../../src/agent/watcher.ts";
import { recordLog } from "../recorded-log.ts";

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

/** A host that is UP and whose file is watched. */
async function startHost() {
  const directory = temporaryDirectory();
  const file = `${directory.path}/state.json`;
  const services = new Services({ file, directory: undefined, mode: "exact", watch: true });
  const events = new Events();
  const watcher = new Watcher(services, events);
  writeFileSync(file, '{"status":"UP"}');
  await services.start();
  const { host } = services;
  return {
    events,
    host,
    /** Changes the file, with another size. */
    edit: (status: string) => writeFileSync(file, JSON.stringify({ status, weight: null })),
    refresh: () => watcher.refresh(""),
    /** What a check is answered. */
    async check() {
      await watcher.refresh("");
      return host.reply.text;
    },
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

/** Lets all that waits for promises go on. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

test("a check is answered with the file as it is, unless a change is being saved", async () => {
  using started = await startHost();
  const { host, edit, check } = started;
  edit("DRAIN");
  expect(await check()).toBe("DRAIN");
  host.isSaving = true;
  edit("MAINT");
  expect(await check()).toBe("DRAIN");
  host.isSaving = false;
  expect(await check()).toBe("MAINT");
  expect(jest.getTimerCount()).toBe(0);
});

test("checks that come at once share a look; one that comes when it has begun has its own", async () => {
  using started = await startHost();
  const { host, events, refresh } = started;
  const [before, first] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  spyOn(host, "isCurrent").mockResolvedValue(false);
  const reread = spyOn(host, "reread").mockReturnValue(first.promise);
  void events.request(() => before.promise);
  const checks = [refresh(), refresh(), refresh()];
  await settle();
  expect(reread).toHaveBeenCalledTimes(0);
  before.resolve();
  await settle();
  expect(reread).toHaveBeenCalledTimes(1);
  checks.push(refresh());
  await settle();
  first.resolve();
  await Promise.all(checks);
  expect(reread).toHaveBeenCalledTimes(2);
});

test("a disk that hangs holds up one check for 0.2 s, and when it answers again it is asked", async () => {
  using started = await startHost();
  using log = recordLog();
  const { host, edit, check } = started;
  edit("DRAIN");
  const disk = Promise.withResolvers<boolean>();
  const look = spyOn(host, "isCurrent").mockReturnValue(disk.promise);
  let answer = "";
  const first = check().then((reply) => {
    answer = reply;
  });
  jest.advanceTimersByTime(199);
  await settle();
  expect(answer).toBe("");
  jest.advanceTimersByTime(1);
  await first;
  expect(answer).toBe("UP");
  // No time passes.
  expect(await check()).toBe("UP");
  expect(look).toHaveBeenCalledTimes(1);
  expect(log.lines).toEqual([
    `hapgent: state file does not answer, the last state stays file=${host.fileFields["file"]}`,
  ]);
  look.mockRestore();
  disk.resolve(true);
  await settle();
  expect(await check()).toBe("DRAIN");
});
