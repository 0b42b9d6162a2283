import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";

const ROOT = "/sys/fs/cgroup";

/** Where a control group with a limit of memory can be made, and how its limit is set. */
interface Hierarchy {
  readonly parent: string;
  readonly limitFile: string;
}

/** A control group for one program; `using` removes it, and the program must have ended by then. */
export interface LimitedGroup extends Disposable {
  /** What to put before a command that is to run in it. */
  readonly launcher: string[];
}

/**
 * Finds where memory can be limited: version 1 below the group that we are in, version 2 at the
 * top.
 */
export function findHierarchy(): Hierarchy | undefined {
  const own = /^\d+:memory:(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
  const candidates: Hierarchy[] = [
    { parent: `${ROOT}/memory${own ?? ""}`, limitFile: "memory.limit_in_bytes" },
    { parent: ROOT, limitFile: "memory.max" },
  ];
  return candidates.find((hierarchy) => {
    try {
      const path = makeGroup(hierarchy);
      const isGood = existsSync(`${path}/${hierarchy.limitFile}`);
      rmdirSync(path);
      return isGood;
    } catch {
      // Not there, or not ours to change: then the next one.
      return false;
    }
  });
}

/** Makes a group whose processes and page cache may use so many MB. */
export function limitMemory(hierarchy: Hierarchy, megabytes: number): LimitedGroup {
  const path = makeGroup(hierarchy);
  writeFileSync(`${path}/${hierarchy.limitFile}`, String(megabytes * 1024 * 1024));
  const remove = () => removeGroup(path);
  process.on("exit", remove);
  return {
    launcher: ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', path],
    [Symbol.dispose]() {
      process.off("exit", remove);
      remove();
    },
  };
}

/** How often a removal is tried, 10 ms apart. */
const ATTEMPTS = 200;

let groups = 0;

function makeGroup({ parent }: Hierarchy): string {
  groups += 1;
  const path = `${parent}/hapgent-benchmark-${process.pid}-${groups}`;
  mkdirSync(path);
  return path;
}

/**
 * Removes a group, which takes a moment when what ran in it was just killed; what still runs is
 * killed.
 */
function removeGroup(path: string): void {
  for (let attempt = 1; ; attempt += 1) {
    try {
      for (const pid of readFileSync(`${path}/cgroup.procs`, "utf8").split("\n").filter(Boolean)) {
        process.kill(Number(pid), "SIGKILL");
      }
      rmdirSync(path);
      return;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      Bun.sleepSync(10);
    }
  }
}
