// Whatever is in place of the state file is refused for less than what a start costs, and keeps no
// memory.
import { expect, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { readCpu, readUsage } from "../../scripts/lib/proc.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { GROWTH_LIMIT, untilClosed } from "./memory.ts";
import { times } from "./scale.ts";

const KIB_64 = 65_536;
const LEVELS = 100_000;

/** What the file may be, and what is answered; FAIL, unless a reading is documented. */
const FILES: [string, string | Uint8Array | ((path: string) => void), string?][] = [
  ["empty", ""],
  ["white space", " \n\t "],
  ["half a state", '{"status":"UP","wei'],
  ["64 KiB of white space after a state", '{"status":"UP"}'.padEnd(KIB_64), "UP\n"],
  ["64 KiB and one byte", '{"status":"UP"}'.padEnd(KIB_64 + 1)],
  ["1 GiB, sparse", (path) => sparse(path, 2 ** 30)],
  ["a FIFO", (path) => Bun.spawnSync(["mkfifo", path])],
  ["a directory", (path) => mkdirSync(path)],
  ["/dev/zero", (path) => symlinkSync("/dev/zero", path)],
  ["/dev/tty", (path) => symlinkSync("/dev/tty", path)],
  ["a symlink to itself", (path) => symlinkSync(path, path)],
  ["a symlink to nothing", (path) => symlinkSync(`${path}.none`, path)],
  ["100,000 levels of arrays", "[".repeat(LEVELS)],
  ["64 KiB of closed arrays", "[".repeat(KIB_64 / 2) + "]".repeat(KIB_64 / 2)],
  ["10,000 levels of objects", '{"a":'.repeat(10_000)],
  ["deep arrays as the status", `{"status":${"[".repeat(30_000)}${"]".repeat(30_000)}}`],
  ["32,000 numbers", `[${"0,".repeat(32_000)}0]`],
  ["5,000 fields", `{${Array.from({ length: 5000 }, (_, i) => `"k${i}":0`).join()}}`],
  ["a reason of 60,000 characters", `{"status":"UP","reason":"${"x".repeat(60_000)}"}`],
  ["NUL bytes", "\0".repeat(1000)],
  ["a state and a NUL byte", '{"status":"UP"}\0'],
  ["a NUL byte in the reason", '{"status":"UP","reason":"a\\u0000b"}'],
  ["a newline in the reason", '{"status":"UP","reason":"a\\nUP 100%"}'],
  ["invalid UTF-8", new Uint8Array(60_000).fill(0xff)],
  ["invalid UTF-8 in the reason", Buffer.from('{"status":"UP","reason":"\xff"}', "latin1")],
  ["UTF-16 with its byte order mark", Buffer.from('\ufeff{"status":"UP"}', "utf16le"), "UP\n"],
  ["UTF-16 without", Buffer.from('{"status":"UP"}', "utf16le")],
  ["a byte order mark and a state", '\ufeff{"status":"UP"}', "UP\n"],
  ["a status that comes twice: the last counts", '{"status":"UP","status":"DOWN"}', "DOWN\n"],
  ["__proto__", '{"status":"UP","__proto__":{"weight":5}}'],
  ["a status in __proto__", '{"__proto__":{"status":"UP"}}'],
  ["the name of a method", '{"status":"UP","toString":1}'],
  ["a status that is the name of a method", '{"status":"constructor"}'],
];

test.each(FILES)(
  "a state file that is %s costs less than a start, at start too",
  async (...file) => {
    const [, content, reply = "FAIL\n"] = file;
    await using agent = await startAgent({ state: { status: "MAINT" }, env: TUNED });
    // CPU time, which is the same however busy the machine is.
    const start = readCpu(agent.pid);
    await read(agent, content);
    expect(await agent.ask()).toBe(reply);
    expect(readCpu(agent.pid) - start).toBeLessThan(start);
    await using second = await startAgent({ stateFile: agent.stateFile, env: TUNED });
    expect(await second.ask()).toBe(reply);
  },
);

test("all of them over and over cost no memory", async () => {
  await using agent = await startAgent({ state: { status: "UP" }, env: TUNED });
  const readAll = async () => {
    for (const [, content] of FILES) await read(agent, content);
  };
  const fresh = readUsage(agent.pid);
  for (let round = 0; round < 3; round += 1) await readAll();
  await untilClosed(agent);
  const before = readUsage(agent.pid);
  for (let round = 0; round < times(20, 3); round += 1) await readAll();
  await untilClosed(agent);
  const after = readUsage(agent.pid);
  console.log("hostile files, RssAnon kB:", fresh.memory, before.memory, after.memory);
  // At first they cost the buffers and the code that they need.
  expect(before.memory - fresh.memory).toBeLessThan(1536);
  expect(after.memory - before.memory).toBeLessThan(GROWTH_LIMIT);
  expect(after).toMatchObject({ descriptors: before.descriptors, threads: before.threads });
});

/** Puts something in the state file's place, and has it read. */
async function read(agent: AgentProcess, content: (typeof FILES)[number][1]): Promise<void> {
  rmSync(agent.stateFile, { recursive: true, force: true });
  if (typeof content === "function") content(agent.stateFile);
  else writeFileSync(agent.stateFile, content);
  agent.log.length = 0;
  agent.signal("SIGHUP");
  await agent.logs(/cause=SIGHUP/);
}

function sparse(path: string, size: number): void {
  writeFileSync(path, "");
  truncateSync(path, size);
}
