// A disk that hangs, or the server behind it, does not stop the replies. Here the disk is the test's;
// test/faults has a real one.
import { expect, spyOn, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { until } from "../../scripts/lib/until.ts";
import * as disk from "../../src/state/disk.ts";
import * as reads from "../../src/state/read.ts";
import * as replacing from "../../src/state/replace.ts";
import { ask, command, logOf, show, start } from "../contract/driver.ts";

type Call = (path: unknown, ...rest: unknown[]) => unknown;

/** Makes a call hang for this path until it is released; then it does what it always does. */
function hang(name: "identify" | "loadState" | "replaceFile", path: string) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const module = (name === "replaceFile" ? replacing : reads) as unknown as Record<string, Call>;
  const call = module[name] as Call;
  const spy = spyOn(module, name).mockImplementation((given, ...rest) =>
    given === path ? promise.then(() => call(given, ...rest)) : call(given, ...rest),
  );
  const release = () => {
    spy.mockRestore();
    resolve();
  };
  return { release, [Symbol.dispose]: () => spy.mockRestore() };
}

/** Lets nobody wait for a disk for longer than a moment. */
function hurry(): Disposable {
  const { within } = disk;
  return spyOn(disk, "within").mockImplementation((time, work) => within(time / 50, work));
}

test("a disk that hangs at a check holds up that one, for 0.2 s, and is logged once", async () => {
  await using agent = await start({ env: { HAPGENT_WATCH: "on" }, socket: true });
  writeFileSync(agent.stateFile, '{"status":"DRAIN"}');
  using hanging = hang("identify", agent.stateFile);
  const checks = Array.from({ length: 5 }, () => ask(agent));
  expect(await Promise.all(checks)).toEqual(Array(5).fill("UP\n"));
  for (let i = 0; i < 5; i += 1) expect(await ask(agent)).toBe("UP\n");
  expect((await show(agent, "state")).reply).toBe("UP");
  expect(agent.log.slice(1)).toEqual([
    `hapgent: state file does not answer, the last state stays file=${agent.stateFile}`,
  ]);
  hanging.release();
  await agent.answers("DRAIN\n");
});

test("one that hangs at a reload changes nothing, and that is said after 5 s", async () => {
  await using agent = await start({ socket: true });
  writeFileSync(agent.stateFile, '{"status":"DRAIN"}');
  using hanging = hang("loadState", agent.stateFile);
  using _ = hurry();
  expect(await command(agent, "reload")).toBe(
    "error: not read: the disk has not answered within 5 s; the reply is UP",
  );
  expect(await ask(agent)).toBe("UP\n");
  expect(await logOf(agent, 1)).toEqual([
    `hapgent: state file not read, the last state stays cause=socket file=${agent.stateFile} error="the disk has not answered within 5 s"`,
  ]);
  hanging.release();
  await until("it is read", async () => (await command(agent, "reload")) === "ok loaded: DRAIN");
});

test("a reload that comes during a read reads the file once more", async () => {
  await using agent = await start();
  const { loadState } = reads;
  const answer = Promise.withResolvers<void>();
  let isRead = false;
  using _ = spyOn(reads, "loadState").mockImplementation(async (...read) => {
    const found = await loadState(...read);
    isRead = true;
    await answer.promise;
    return found;
  });
  agent.signal("SIGHUP");
  await until("read", () => isRead);
  writeFileSync(agent.stateFile, '{"status":"DRAIN"}');
  agent.signal("SIGHUP");
  answer.resolve();
  await agent.answers("DRAIN\n");
});

test("one that hangs at a save holds up who waits for it; at the stop it is said that it may be lost", async () => {
  await using agent = await start({ socket: true });
  using hanging = hang("replaceFile", agent.stateFile);
  using _ = hurry();
  agent.signal("SIGUSR2");
  await agent.answers("DOWN\n");
  agent.signal("SIGUSR1");
  await agent.answers("UP\n");
  expect(await command(agent, "set weight 5")).toBe(
    "error: not saved: the disk has not answered within 5 s; the reply is UP 5%",
  );
  expect(await agent.stop()).toBe(1);
  expect(agent.log.at(-1)).toBe(`hapgent: stopped, changes may be lost file=${agent.stateFile}`);
  hanging.release();
  await until("nothing is written any more", () => agent.file().includes("5"));
});
