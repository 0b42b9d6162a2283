// The agent starts and serves within the memory limits that the README names; the kernel never
// kills it.
import { expect, test } from "bun:test";
import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { startAgent } from "../../../scripts/lib/agent.ts";
import { findMemoryController, MemoryGroup } from "../../../scripts/lib/cgroup.ts";
import { EXECUTABLE } from "../../../scripts/lib/executable.ts";
import { Load } from "../../../scripts/lib/load.ts";
import { evict } from "../../../scripts/lib/page-cache.ts";
import { until } from "../../../scripts/lib/until.ts";
import { TUNED } from "../../../src/agent/tuning.ts";

const CHECKS = 10_000;
const MEGABYTE = 2 ** 20;

/** Longest that a start may take, in milliseconds. */
const START_MS = 1000;

test.each([
  ["8 MB, its executable in the page cache", 8, false],
  ["64 MB, its executable on the disk only", 64, true],
])("in %s: starts within 1 s, serves 10,000 checks, is not killed", async (name, limit, isCold) => {
  using copy = copyExecutable();
  if (isCold) await copy.evict();
  const controller = findMemoryController();
  if (!controller) throw new Error("expected a control group of which the memory can be limited");
  using group = new MemoryGroup(controller, limit);

  const start = performance.now();
  await using agent = await startAgent({
    state: { status: "UP" },
    executable: copy.path,
    launcher: group.launcher,
    env: TUNED,
  });
  const started = performance.now() - start;
  const { checks, failed, failures } = await new Load(agent.port, { checks: CHECKS }).finish();
  const took = performance.now() - start - started;
  console.log(
    `${name}: started in ${started.toFixed()} ms, ${checks} checks in ${took.toFixed()} ms, ` +
      `peak ${(group.peak / MEGABYTE).toFixed(1)} MB`,
  );
  expect(started).toBeLessThan(START_MS);
  expect({ failed, failures }).toEqual({ failed: 0, failures: [] });
  agent.signal("SIGUSR2");
  await agent.answers("DOWN\n");
  await until("saved", () => agent.file().includes("DOWN"));
  expect(readFileSync(`${group.path}/cgroup.procs`, "utf8")).toBe(`${agent.pid}\n`);
  expect(group.kills).toBe(0);
});

/** A copy of the executable, in the page cache, on the file system that the repository is on. */
function copyExecutable(): Disposable & { path: string; evict(): Promise<void> } {
  const path = `${EXECUTABLE}-${process.pid}`;
  copyFileSync(EXECUTABLE, path);
  return {
    path,
    async evict() {
      await evict(path);
      const cached = Bun.spawnSync(["fincore", "--bytes", "--noheadings", "--output=RES", path]);
      expect(Number(cached.stdout.toString())).toBe(0);
    },
    [Symbol.dispose]: () => rmSync(path),
  };
}
