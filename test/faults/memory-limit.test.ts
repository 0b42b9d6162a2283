// The agent starts and serves within the memory limit that units, manifests and containers ship, from
// disks with a small and a large read-ahead, and within a sixth of that from the page cache. Commands
// beside it are answered, and the kernel kills neither.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { Load } from "../../scripts/lib/load.ts";
import { outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { MemoryGroup } from "../cgroup.ts";
import { Disk } from "./loop-disk.ts";

/** Commands that ask it at the same time, as health checks do in its control group. */
const COMMANDS = 5;

/** What the units ship, in megabytes. */
const SHIPPED = Number(
  /^MemoryMax=(\d+)M$/m.exec(readFileSync(`${ROOT}deploy/systemd/hapgent.service`, "utf8"))?.[1],
);

test.each([
  [SHIPPED / 6, "its executable in the page cache", undefined],
  [SHIPPED, "a disk that reads ahead 128 KB", 128],
  [SHIPPED, "a disk that reads ahead 4,096 KB", 4096],
])("in %i MB, from %s: it starts, serves on, is not killed", async (limit, _, readAhead) => {
  using disk = await Disk.make();
  const executable = disk.copy(EXECUTABLE);
  if (readAhead !== undefined) {
    disk.setReadAhead(readAhead);
    await disk.evict(executable);
    const options = ["--bytes", "--noheadings", "--output=RES"];
    expect(Number(await output(["fincore", ...options, executable]))).toBe(0);
  }
  using group = new MemoryGroup(limit);
  const { launcher } = group;

  await using agent = await startAgent({
    state: { status: "UP" },
    executable,
    launcher,
    env: TUNED,
  });
  if (readAhead !== undefined) {
    const command = [...launcher, executable, "status", `127.0.0.1:${agent.port}`];
    const ask = () =>
      until("a command is answered", async () => (await outcome(command)).stdout === "UP\n");
    await Promise.all(Array.from({ length: COMMANDS }, ask));
  }
  const { failed, failures } = await new Load(agent.port, { checks: 10_000 }).finish();
  expect({ failed, failures }).toEqual({ failed: 0, failures: [] });
  agent.signal("SIGUSR2");
  await until("saved", () => agent.file().includes("DOWN"));
  expect(readFileSync(`${group.path}/cgroup.procs`, "utf8")).toBe(`${agent.pid}\n`);
  expect(group.kills).toBe(0);
});
