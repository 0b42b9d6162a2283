// The agent starts and serves within the memory limit that units, manifests and containers ship,
// from the page cache and from disks with a small and a large read-ahead; the kernel never kills
// it, and commands beside it are answered.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type AgentOptions, startAgent } from "../../scripts/lib/agent.ts";
import { findMemoryController, MemoryGroup } from "../../scripts/lib/cgroup.ts";
import { Disk } from "../../scripts/lib/disk.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { Load } from "../../scripts/lib/load.ts";
import { outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";

const CHECKS = 10_000;
const MEGABYTE = 2 ** 20;

/** How much longer a start may take than one without a limit: where memory is short it never ends. */
const LONGER = 10;

/** Commands that ask it at the same time, as health checks do in its control group. */
const COMMANDS = 5;

/** What the units ship, in megabytes. */
const SHIPPED = Number(
  /^MemoryMax=(\d+)M$/m.exec(readFileSync(`${ROOT}deploy/systemd/hapgent.service`, "utf8"))?.[1],
);

test.each([
  [8, "its executable in the page cache", undefined],
  [SHIPPED, "a disk that reads ahead 128 KB", 128],
  [SHIPPED, "a disk that reads ahead 4,096 KB", 4096],
])(
  "in %i MB, from %s: starts as without a limit, serves on, is not killed",
  async (limit, from, readAhead) => {
    await using disk = await Disk.make();
    const executable = disk.copy(EXECUTABLE);
    if (readAhead !== undefined) disk.setReadAhead(readAhead);
    const evict = async () => {
      if (readAhead === undefined) return;
      await disk.evict(executable);
      const options = ["--bytes", "--noheadings", "--output=RES"];
      expect(Number(await output(["fincore", ...options, executable]))).toBe(0);
    };
    await evict();
    const free = await timeStart({ executable });
    await evict();
    const controller = findMemoryController();
    if (!controller) throw new Error("expected a control group of which the memory can be limited");
    using group = new MemoryGroup(controller, limit);

    const start = performance.now();
    await using agent = await startAgent({
      state: { status: "UP" },
      executable,
      launcher: group.launcher,
      env: TUNED,
    });
    const started = performance.now() - start;
    if (readAhead !== undefined) {
      const command = [...group.launcher, executable, "status", `127.0.0.1:${agent.port}`];
      const ask = () =>
        until(
          "a command is answered",
          async () => (await outcome(command)).stdout === "UP\n",
          60_000,
        );
      await Promise.all(Array.from({ length: COMMANDS }, ask));
    }
    const { checks, failed, failures } = await new Load(agent.port, { checks: CHECKS }).finish();
    const took = performance.now() - start - started;
    console.log(
      `${limit} MB, from ${from}: started in ${started.toFixed()} ms, without a limit in ` +
        `${free.toFixed()} ms, ${checks} checks in ` +
        `${took.toFixed()} ms, peak ${(group.peak / MEGABYTE).toFixed(1)} MB`,
    );
    expect(started).toBeLessThan(LONGER * free);
    expect({ failed, failures }).toEqual({ failed: 0, failures: [] });
    agent.signal("SIGUSR2");
    await agent.answers("DOWN\n");
    await until("saved", () => agent.file().includes("DOWN"));
    expect(readFileSync(`${group.path}/cgroup.procs`, "utf8")).toBe(`${agent.pid}\n`);
    expect(group.kills).toBe(0);
  },
);

/** How long a start takes where nothing limits it, in milliseconds. */
async function timeStart(options: AgentOptions): Promise<number> {
  const start = performance.now();
  await using _ = await startAgent({ state: { status: "UP" }, env: TUNED, ...options });
  return performance.now() - start;
}
