// - Whatever the disk does, the agent answers on, logs it once and leaves one whole state, the
//   old or the new one.
// - What can be repaired while it runs needs no restart.
import { expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { formatState } from "../../src/state/state.ts";
import { command } from "../contract/driver.ts";
import {
  BOUND_BY_PERMISSIONS,
  injectInto,
  inMounts,
  inShell,
  inside,
  UNPRIVILEGED,
  withInjected,
} from "./launchers.ts";
import { times } from "./scale.ts";

const OLD = '{"status":"UP","weight":42}';
const NEW = formatState({ status: "DOWN", weight: 42 });

/**
 * A disk's fault: how the agent is launched in $DIR, what it logs of a save, and what the file is
 * then.
 */
interface Fault {
  name: string;
  launcher: (directory: string) => string[];
  log: RegExp;
  file: string;
}

const FAULTS: Fault[] = [
  {
    name: "a full disk",
    launcher: (directory) => inMounts(fullDisk(directory)),
    log: /save failed .*error=.*\(ENOSPC\)/,
    file: OLD,
  },
  {
    name: "a disk without a free inode",
    launcher: (directory) =>
      inMounts(`mount -t tmpfs -o nr_inodes=2 none ${directory}; ${write(directory)}`),
    log: /save failed .*error=.*\(ENOSPC\)/,
    file: OLD,
  },
  {
    name: "a file system that is read-only",
    launcher: (directory) =>
      inMounts(`mount -t tmpfs none ${directory}; ${write(directory)}
        mount -o remount,ro ${directory}`),
    log: /save failed .*error=.*\(EROFS\)/,
    file: OLD,
  },
  {
    name: "a file that is mounted alone",
    launcher: (directory) =>
      inMounts(`${write(directory)}; mount --bind ${directory}/state.json ${directory}/state.json`),
    log: /saved in place, not atomically .*error=.*\(EBUSY\)/,
    file: NEW,
  },
  {
    name: "a file that is mounted alone and read-only",
    launcher: (directory) =>
      inMounts(`${write(directory)}; mount --bind ${directory}/state.json ${directory}/state.json
        mount -o remount,bind,ro ${directory}/state.json`),
    log: /save failed .*error=.*\(EROFS\)/,
    file: OLD,
  },
  {
    name: "a directory that is read-only",
    launcher: (directory) =>
      inShell(`${write(directory)}; chmod 555 ${directory}`, BOUND_BY_PERMISSIONS),
    log: /saved in place, not atomically .*error=.*\(EACCES\)/,
    file: NEW,
  },
  {
    name: "a directory that only grows (chattr +a)",
    launcher: (directory) => inMounts(growing(directory)),
    log: /saved in place, not atomically .*error=.*\(EPERM\)/,
    file: NEW,
  },
  {
    name: "a directory of root's, a file of one's own and no privilege",
    launcher: (directory) => [
      ...inShell(
        `${write(directory)}; chmod 755 ${directory}; chown 65534 ${directory}/state.json`,
      ),
      ...UNPRIVILEGED,
    ],
    log: /saved in place, not atomically .*error=.*\(EACCES\)/,
    file: NEW,
  },
  {
    name: "a directory and a file of root's and no privilege",
    launcher: (directory) => [
      ...inShell(`${write(directory)}; chmod 755 ${directory}`),
      ...UNPRIVILEGED,
    ],
    log: /save failed .*error=.*\(EACCES\)/,
    file: OLD,
  },
  {
    name: "a file of root's in a directory of one's own and no privilege",
    launcher: (directory) => [
      ...inShell(`${write(directory)}; chown 65534 ${directory}`),
      ...UNPRIVILEGED,
    ],
    log: /saved with another owner or mode .*old="owner 0:0, mode 644"/,
    file: NEW,
  },
  ...["EINVAL", "EOPNOTSUPP", "EIO"].map((error) => ({
    name: `a directory that cannot be synced (${error})`,
    launcher: (directory: string) => [
      ...inShell(write(directory)),
      ...withInjected(`fsync:error=${error}`),
      ...["-P", directory],
    ],
    log: /saved, but a power failure may undo it .*error=/,
    file: NEW,
  })),
  {
    name: "a disk that cannot write what it took (EIO from fsync)",
    launcher: (directory) => [
      ...inShell(write(directory)),
      ...withInjected("fsync:error=EIO:when=1"),
    ],
    log: /save failed .*error=.*\(EIO\)/,
    file: OLD,
  },
];

test.each(FAULTS)("$name: answers on, logs it once, leaves one whole state", async (fault) => {
  using directory = temporaryDirectory();
  const path = `${directory.path}/state.json`;
  const launcher = fault.launcher(directory.path);
  await using agent = await startAgent({ stateFile: path, launcher, env: TUNED });
  expect(await agent.ask()).toBe("UP 42%\n");
  agent.signal("SIGUSR2");
  await agent.answers("DOWN 42%\n");
  await agent.logs(fault.log);
  expect(seen(agent, path)).toBe(fault.file);
  const names = readdirSync(dirname(inside(agent, path)));
  expect(names.filter((name) => /^\.|rejected/.test(name))).toEqual([]);
  agent.signal("SIGHUP");
  await agent.answers(fault.file === OLD ? "UP 42%\n" : "DOWN 42%\n");
  expect(agent.log.filter((line) => /sav|fail|refused/.test(line))).toHaveLength(1);
});

test.each(["EIO", "ENOMEM"])("what cannot be read (%s) is not lost by a save", async (error) => {
  await using agent = await startAgent({ state: "somebody's work", socket: true, env: TUNED });
  await using _ = await injectInto(agent.pid, `read,pread64:error=${error}`, agent.stateFile);
  expect((await agent.ctl("set", "status", "UP")).stdout).toBe("ok saved: UP\n");
  expect(agent.file()).toBe(formatState({ status: "UP" }));
  expect(readFileSync(`${agent.stateFile}.rejected`, "utf8")).toBe("somebody's work");
});

test("what can be neither read nor set aside is not lost by a save", async () => {
  using directory = temporaryDirectory();
  const stateFile = `${directory.path}/state.json`;
  writeFileSync(stateFile, "somebody's work");
  const launcher = inShell(
    `chmod 200 ${stateFile}; chmod 555 ${directory.path}`,
    BOUND_BY_PERMISSIONS,
  );
  await using agent = await startAgent({ stateFile, launcher, socket: true, env: TUNED });
  expect((await agent.ctl("set", "status", "UP")).stderr).toBe(
    "error: not saved: what is there can be neither read nor set aside: " +
      "permission denied (EACCES); the reply is UP\n",
  );
  expect(agent.file()).toBe("somebody's work");
});

test.each(["off", "on"])(
  "a write in place that the disk takes a part of leaves the old state in the file, and says so (watch %s)",
  async (watch) => {
    using directory = temporaryDirectory();
    const stateFile = `${directory.path}/state.json`;
    const limit = ["prlimit", "--fsize=100"];
    const launcher = [
      ...inShell(`${write(directory.path)}; chmod 555 ${directory.path}`, BOUND_BY_PERMISSIONS),
      ...limit,
    ];
    const env = { ...TUNED, HAPGENT_WATCH: watch };
    await using agent = await startAgent({ stateFile, launcher, socket: true, env });
    const { stderr } = await agent.ctl("set", "status", "DOWN", "x".repeat(100));
    expect(stderr).toStartWith("error: not saved: file too large (EFBIG)");
    expect(agent.file()).toBe(OLD);
    // What was taken back is no edit.
    for (let i = 0; i < 3; i += 1) expect(await agent.ask()).toStartWith("DOWN 42% #xxx");
    expect((await agent.ctl("set", "status", "DOWN")).stdout).toStartWith("ok saved in place");
    expect(agent.file()).toBe(NEW);
  },
);

test("a full disk that has room again: the next save succeeds", async () => {
  using directory = temporaryDirectory();
  const path = `${directory.path}/state.json`;
  const launcher = inMounts(fullDisk(directory.path));
  await using agent = await startAgent({ stateFile: path, launcher, env: TUNED });
  agent.signal("SIGUSR2");
  await agent.logs(/save failed .*error=.*\(ENOSPC\)/);
  rmSync(inside(agent, `${directory.path}/filler`));
  agent.signal("SIGUSR2");
  await until("saved", () => seen(agent, path) === NEW);
});

test("an editor that takes the file away in the middle of a save: it is tried once more", async () => {
  await using agent = await startAgent({ state: OLD, socket: true, env: TUNED });
  // The file is there when the save looks for it, and gone when it is opened.
  await using _ = await injectInto(agent.pid, "open,openat:error=ENOENT:when=1", agent.stateFile);
  expect((await agent.ctl("set", "status", "DOWN")).stdout).toBe("ok saved: DOWN 42%\n");
  expect(agent.file()).toBe(NEW);
});

test("saves beside an editor that replaces the file by deleting it: none is refused", async () => {
  await using agent = await startAgent({ state: OLD, socket: true, env: TUNED });
  const editor = new AbortController();
  const edits = (async () => {
    while (!editor.signal.aborted) {
      rmSync(agent.stateFile, { force: true });
      await new Promise(setImmediate);
      writeFileSync(agent.stateFile, OLD);
      await new Promise(setImmediate);
    }
  })();
  const answers: string[] = [];
  for (let i = 0; i < times(1000, 50); i += 1) {
    answers.push(await command(agent, `set weight ${i % 101}`));
  }
  editor.abort();
  await edits;
  expect(answers.filter((answer) => !answer.startsWith("ok saved: "))).toEqual([]);
});

test("of invalid files that a save replaces the newest is kept, for the agent's user only", async () => {
  await using agent = await startAgent({ state: "the first", socket: true, env: TUNED });
  for (const text of ["the first", "the second"]) {
    writeFileSync(agent.stateFile, text);
    agent.signal("SIGHUP");
    await agent.answers("FAIL\n");
    expect((await agent.ctl("set", "status", "UP")).stdout).toBe("ok saved: UP\n");
    const rejected = `${agent.stateFile}.rejected`;
    expect(readFileSync(rejected, "utf8")).toBe(text);
    expect(statSync(rejected).mode & 0o777).toBe(0o600);
  }
});

test.each(["SIGUSR1", "SIGUSR2"] as const)(
  "a watched file that was edited before a %s: the edit stays",
  async (signal) => {
    const env = { ...TUNED, HAPGENT_WATCH: "on" };
    await using agent = await startAgent({ state: OLD, env });
    writeFileSync(agent.stateFile, '{"status":"DRAIN","weight":50,"maxconn":9}');
    agent.signal(signal);
    const status = signal === "SIGUSR1" ? "UP" : "DOWN";
    const edited = formatState({ status, weight: 50, maxconn: 9 });
    await until("saved", () => agent.file() === edited);
    expect(await agent.ask()).toBe(`${status} 50% maxconn:9\n`);
  },
);

test("a symlink is followed and stays one, and what it points to may be missing", async () => {
  using directory = temporaryDirectory();
  const stateFile = `${directory.path}/state.json`;
  mkdirSync(`${directory.path}/real`);
  Bun.spawnSync(["ln", "-s", "real/target.json", stateFile]);
  await using agent = await startAgent({ stateFile, env: TUNED });
  expect(await agent.ask()).toBe("FAIL\n");
  agent.signal("SIGUSR1");
  const target = `${directory.path}/real/target.json`;
  await until("saved", () => existsSync(target));
  expect(readFileSync(target, "utf8")).toBe(formatState({ status: "UP" }));
  writeFileSync(stateFile, OLD);
  agent.signal("SIGHUP");
  await agent.answers("UP 42%\n");
  agent.signal("SIGUSR2");
  await until("saved", () => readFileSync(target, "utf8") === NEW);
  expect(readdirSync(directory.path).toSorted()).toEqual(["real", "state.json"]);
  expect(readdirSync(dirname(target))).toEqual(["target.json"]);
});

test("a file that was deleted is written anew, with weight and maxconn", async () => {
  await using agent = await startAgent({ state: OLD, env: TUNED });
  rmSync(agent.stateFile);
  expect(await agent.ask()).toBe("UP 42%\n");
  agent.signal("SIGUSR2");
  await until("saved", () => existsSync(agent.stateFile));
  expect(agent.file()).toBe(NEW);
});

test("a directory that was deleted fails the saves until it is there again", async () => {
  using directory = temporaryDirectory();
  const stateFile = `${directory.path}/etc/state.json`;
  mkdirSync(dirname(stateFile));
  writeFileSync(stateFile, OLD);
  await using agent = await startAgent({ stateFile, env: TUNED });
  rmSync(dirname(stateFile), { recursive: true });
  agent.signal("SIGUSR2");
  await agent.logs(/save failed .*error=.*\(ENOENT\)/);
  expect(await agent.ask()).toBe("DOWN 42%\n");
  mkdirSync(dirname(stateFile));
  agent.signal("SIGUSR2");
  await until("saved", () => existsSync(stateFile));
  expect(agent.file()).toBe(NEW);
  rmSync(dirname(stateFile), { recursive: true });
  agent.signal("SIGHUP");
  await agent.answers("FAIL\n");
  await agent.logs(/state file refused .*error=.*\(ENOENT\)/);
});

test("an executable and a working directory that were deleted do not keep it from saving", async () => {
  using directory = temporaryDirectory();
  const executable = `${directory.path}/hapgent`;
  Bun.spawnSync(["cp", "--reflink=auto", `${import.meta.dir}/../../dist/hapgent`, executable]);
  const launcher = inShell(`mkdir ${directory.path}/cwd; cd ${directory.path}/cwd`);
  await using agent = await startAgent({ state: OLD, executable, launcher, env: TUNED });
  rmSync(directory.path, { recursive: true });
  agent.signal("SIGUSR2");
  await until("saved", () => agent.file() === NEW);
  expect(await agent.ask()).toBe("DOWN 42%\n");
});

/** Mounts a small tmpfs, writes the state there and fills it to its last byte. */
function fullDisk(directory: string): string {
  return `mount -t tmpfs -o size=64k none ${directory}; ${write(directory)}
    dd if=/dev/zero of=${directory}/filler bs=4k status=none 2> /dev/null || true`;
}

/** Mounts a disk of which the root takes new files and gives none away. */
function growing(directory: string): string {
  return `mount -t tmpfs none ${directory}; mkdir ${directory}/image
    truncate --size=8M ${directory}/image/disk; mkfs.ext4 -q ${directory}/image/disk
    mount -o loop ${directory}/image/disk ${directory}; ${write(directory)}
    chattr +a ${directory}`;
}

function write(directory: string): string {
  return `printf '%s' '${OLD}' > ${directory}/state.json`;
}

function seen(agent: AgentProcess, path: string): string {
  return readFileSync(inside(agent, path), "utf8");
}
