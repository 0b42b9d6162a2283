// Runs a command in a world of its own: bun test/deploy/lab.ts COMMAND...
//
// The command gets its own process and mount namespaces, a TMPDIR and a HOME on a tmpfs that only
// it sees, and control groups of its own. Whatever it mounts, boots or starts ends with it, however
// it ends: the kernel takes the namespaces down with their first process, and this program then
// removes what is left, an empty directory and empty control groups.
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeGroups, removeGroup } from "../cgroup.ts";

/** Hierarchies (version 1) that a booted machine uses; the empty one is version 2's. */
const HIERARCHIES = new Set(["name=systemd", "memory", "pids", "cpu", "devices", ""]);

const directory = mkdtempSync(join(tmpdir(), "hapgent-lab-"));
const groups = makeGroups(HIERARCHIES, `hapgent-lab-${process.pid}`);
const parent = process.ppid;

const world = Bun.spawn(
  [
    // Even if this program is killed the world ends, and only what is empty stays.
    ..."setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc".split(" "),
    ...["--propagation", "private", "sh", "-c", ENTER(), directory, ...process.argv.slice(2)],
  ],
  {
    env: {
      ...process.env,
      TMPDIR: directory,
      HOME: `${directory}/home`,
      LAB_GROUPS: groups.join(":"),
    },
    stdio: ["ignore", "inherit", "inherit"],
  },
);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => world.kill("SIGKILL"));
}
const watch = setInterval(() => {
  if (process.ppid !== parent) world.kill("SIGKILL");
}, 200);
await world.exited;
clearInterval(watch);
for (const group of groups) removeGroup(group);
rmdirSync(directory);
process.exit(world.exitCode ?? 1);

/** What the first process of the world does, before it becomes the command. */
function ENTER(): string {
  return `
    mount -t tmpfs -o mode=755 lab "$0" || exit 1
    mkdir "$0/home" && cd "$PWD" && exec "$@"`;
}
