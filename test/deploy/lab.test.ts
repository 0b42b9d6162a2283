// Whatever ends it, the lab leaves nothing behind: no process, no mount, no control group, no
// file.
import { expect, test } from "bun:test";
import { readdirSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readChildren } from "../../scripts/lib/proc.ts";
import { until } from "../../scripts/lib/until.ts";

const LAB = `${import.meta.dir}/lab.ts`;
const COMMAND = `${process.execPath} ${LAB} ${process.execPath} ${import.meta.dir}/lab-fixture.ts`;

/** All processes below one, by their parents. */
function descendants(pid: number): number[] {
  return readChildren(pid).flatMap((child) => [child, ...descendants(child)]);
}

function isThere(pid: number): boolean {
  try {
    // A zombie has ended: nobody but its parent can do anything about it.
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

function directories(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith("hapgent-lab-"));
}

/** The control groups of labs below this process's own, by their names. */
function groups(): string[] {
  const found = [
    ...new Bun.Glob("**/hapgent-lab-*").scanSync({ cwd: "/sys/fs/cgroup", onlyFiles: false }),
  ];
  return found.toSorted();
}

/**
 * Starts a shell that starts a lab, in which a machine boots; gives the ids of both and of all
 * below.
 */
async function startLab() {
  const shell = Bun.spawn(["sh", "-c", `${COMMAND} & wait`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const reader = shell.stdout.getReader();
  const { value } = await reader.read();
  expect(Buffer.from(value ?? []).toString()).toBe("booted\n");
  const all = descendants(shell.pid);
  const [lab = 0] = all;
  // The lab, what keeps the world, the command in it, the boot script's unshare, and the machine.
  expect(all.length).toBeGreaterThanOrEqual(5);
  return { shell, lab, all };
}

test.each([
  ["its own end", (lab: number) => process.kill(lab, "SIGTERM")],
  ["the end of who started it", (_: number, shell: Bun.Subprocess) => shell.kill("SIGKILL")],
])("the lab leaves nothing behind after %s", async (_, kill) => {
  const before = { directories: directories(), groups: groups(), mounts: mounts() };
  const { shell, lab, all } = await startLab();
  expect(directories().length).toBe(before.directories.length + 1);
  expect(groups().length).toBeGreaterThan(before.groups.length);
  expect(mounts()).toEqual(before.mounts);
  kill(lab, shell);
  await until("all of it has ended", () => !all.some(isThere));
  await until("its groups are gone", () => groups().length === before.groups.length);
  expect({ directories: directories(), groups: groups(), mounts: mounts() }).toEqual(before);
});

test("all that the lab started ends even when the lab is killed", async () => {
  const before = directories();
  const { lab, all } = await startLab();
  const name = `hapgent-lab-${lab}`;
  process.kill(lab, "SIGKILL");
  await until("all of it has ended", () => !all.some(isThere));
  // What is left is empty, and only this: so removing it needs no force.
  for (const left of directories()) if (!before.includes(left)) rmdirSync(join(tmpdir(), left));
  const own = groups().filter((group) => group.includes(name));
  for (const group of own.toReversed()) {
    await until("the group is empty", () => removed(`/sys/fs/cgroup/${group}`));
  }
});

function mounts(): string {
  return readFileSync("/proc/self/mounts", "utf8");
}

function removed(group: string): boolean {
  try {
    for (const name of readdirSync(group, { withFileTypes: true })) {
      if (name.isDirectory()) rmdirSync(join(group, name.name));
    }
    rmdirSync(group);
    return true;
  } catch {
    return false;
  }
}
