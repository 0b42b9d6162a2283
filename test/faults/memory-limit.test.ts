// The agent starts and serves within the memory limit that units, manifests and containers ship, from
// disks with a small and a large read-ahead, and within a sixth of that from the page cache. Commands
// beside it are answered, and the kernel kills neither.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { Load } from "../../scripts/lib/load.ts";
import { outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { MemoryGroup } from "../cgroup.ts";
import { inMounts, inside } from "./launchers.ts";

/** Commands that ask it at the same time, as health checks do in its control group. */
const COMMANDS = 5;

/** A machine that is busy reads the executable for half a minute where so little of it is kept (ms). */
const DEADLINE = 300_000;

/** What the units ship, in megabytes. */
const SHIPPED = Number(
  /^MemoryMax=(\d+)M$/m.exec(readFileSync(`${ROOT}deploy/systemd/hapgent.service`, "utf8"))?.[1],
);

/**
 * Puts a copy of the executable on a disk of its own, a file system in memory: it reads ahead so many
 * KB, and nothing of the copy is in the page cache.
 */
const onDisk = (directory: string, readAhead: number) => `
  mount -t tmpfs none ${directory}
  truncate --size=256M ${directory}/image
  mkfs.ext4 -q -m 0 ${directory}/image
  mkdir ${directory}/disk
  mount -t ext4 -o loop,noatime ${directory}/image ${directory}/disk
  echo ${readAhead} > /sys/dev/block/$(mountpoint --fs-devno ${directory}/disk)/queue/read_ahead_kb
  cp ${EXECUTABLE} ${directory}/disk/hapgent
  until test "$(fincore --bytes --noheadings --output=RES ${directory}/disk/hapgent)" -eq 0; do
    dd of=${directory}/disk/hapgent oflag=nocache conv=notrunc,fdatasync count=0 2> /dev/null
  done`;

test.each([
  [SHIPPED / 6, "its executable in the page cache", undefined],
  [SHIPPED, "a disk that reads ahead 128 KB", 128],
  [SHIPPED, "a disk that reads ahead 4,096 KB", 4096],
])("in %i MB, from %s: it starts, serves on, is not killed", async (limit, _, readAhead) => {
  using directory = temporaryDirectory();
  using group = new MemoryGroup(limit);
  const isOnDisk = readAhead !== undefined;
  const executable = isOnDisk ? `${directory.path}/disk/hapgent` : EXECUTABLE;
  if (!isOnDisk) await output(["cksum", executable]);

  await using agent = await startAgent({
    state: { status: "UP" },
    executable,
    launcher: [...(isOnDisk ? inMounts(onDisk(directory.path, readAhead)) : []), ...group.launcher],
    deadline: DEADLINE,
  });
  if (isOnDisk) {
    const status = [inside(agent, executable), "status", `127.0.0.1:${agent.port}`];
    const hasAnswer = async () =>
      (await outcome([...group.launcher, ...status], { limit: 300 })).stdout === "UP\n";
    const ask = () => until("it is answered", hasAnswer, DEADLINE);
    await Promise.all(Array.from({ length: COMMANDS }, ask));
  }
  const { failed, failures } = await new Load(agent.port, { checks: 10_000 }).finish();
  expect({ failed, failures }).toEqual({ failed: 0, failures: [] });
  agent.signal("SIGUSR2");
  await until("saved", () => agent.file().includes("DOWN"));
  expect(readFileSync(`${group.path}/cgroup.procs`, "utf8")).toBe(`${agent.pid}\n`);
  expect(group.kills).toBe(0);
});
