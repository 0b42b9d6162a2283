import { expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { TUNED } from "../../../src/runtime.ts";
import { EXECUTABLE, startAgent, until } from "../harness.ts";
import { Load } from "../load.ts";
import { inShell } from "./launchers.ts";

const CHECKS = 10_000;
const MEGABYTE = 2 ** 20;

/** Longest that a start may take, in milliseconds. */
const START_MS = 1000;

/** Names of a memory controller's files, which differ between the two versions of cgroups. */
interface Controller {
  root: string;
  limit: string;
  peak: string;
  kills: string;
}

const VERSION_1: Controller = {
  root: "/sys/fs/cgroup/memory",
  limit: "memory.limit_in_bytes",
  peak: "memory.max_usage_in_bytes",
  kills: "memory.oom_control",
};
const VERSION_2: Controller = {
  root: "/sys/fs/cgroup",
  limit: "memory.max",
  peak: "memory.peak",
  kills: "memory.events",
};

test.each([
  ["8 MB, its executable in the page cache", 8, false],
  ["64 MB, its executable on the disk only", 64, true],
])("in %s: starts within 1 s, serves 10,000 checks, is not killed", async (name, limit, isCold) => {
  using copy = copyExecutable();
  if (isCold) copy.evict();
  using group = new MemoryGroup(limit);

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

/** A control group of its own with a limit of memory in megabytes; gone when the test ends. */
class MemoryGroup implements Disposable {
  readonly path: string;
  readonly #controller: Controller;

  constructor(limit: number) {
    this.#controller = existsSync(`${VERSION_1.root}/${VERSION_1.limit}`) ? VERSION_1 : VERSION_2;
    this.path = `${this.#controller.root}/hapgent-test-${process.pid}-${limit}`;
    mkdirSync(this.path);
    writeFileSync(`${this.path}/${this.#controller.limit}`, String(limit * MEGABYTE));
  }

  /** Starts the agent in the group. */
  get launcher(): string[] {
    return inShell(`echo $$ > ${this.path}/cgroup.procs`);
  }

  /** The most that the group has held, in bytes, the page cache included. */
  get peak(): number {
    return Number(this.#read(this.#controller.peak));
  }

  /** How many processes of the group the kernel has killed for want of memory. */
  get kills(): number {
    return Number(/^oom_kill (\d+)$/m.exec(this.#read(this.#controller.kills))?.[1]);
  }

  [Symbol.dispose](): void {
    rmdirSync(this.path);
  }

  #read(name: string): string {
    return readFileSync(`${this.path}/${name}`, "utf8");
  }
}

/** A copy of the executable, in the page cache, on the file system that the repository is on. */
function copyExecutable(): Disposable & { path: string; evict(): void } {
  const path = `${EXECUTABLE}-${process.pid}`;
  copyFileSync(EXECUTABLE, path);
  return {
    path,
    evict() {
      Bun.spawnSync(["dd", `of=${path}`, "oflag=nocache", "conv=notrunc,fdatasync", "count=0"]);
      const cached = Bun.spawnSync(["fincore", "--bytes", "--noheadings", "--output=RES", path]);
      expect(Number(cached.stdout.toString())).toBe(0);
    },
    [Symbol.dispose]: () => rmSync(path),
  };
}
