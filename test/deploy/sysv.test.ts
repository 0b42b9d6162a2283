// The init script does what Debian's policy asks of each action, twice as well as once, with the
// variables of the unit.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { ROOT } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { bootMachine, type Machine } from "./machine.ts";

const SCRIPT = "/etc/init.d/hapgent";

let machine: Machine;

beforeAll(async () => {
  machine = await bootMachine({
    init: "sysv",
    binds: {
      "/usr/bin/hapgent": EXECUTABLE,
      [SCRIPT]: `${ROOT}deploy/sysv/hapgent.init`,
      "/srv/busybox": Bun.which("busybox") ?? "",
    },
  });
  await machine.run(
    "useradd --system --home-dir /var/lib/hapgent --shell /usr/sbin/nologin hapgent",
  );
});

afterAll(async () => {
  await machine[Symbol.asyncDispose]();
});

/** Runs the init script and returns its exit code. */
async function script(action: string): Promise<number> {
  return (await machine.try([SCRIPT, action])).exitCode;
}

async function pids(): Promise<string> {
  return (await machine.try("pgrep -x hapgent")).stdout.trim();
}

async function log(): Promise<string> {
  return await machine.read("/var/log/hapgent.log");
}

async function writeState(text: string): Promise<void> {
  await machine.write("/var/lib/hapgent/state.json", text);
  await machine.run("chown -R hapgent:hapgent /var/lib/hapgent");
}

test("start answers, says so in its status, and does nothing the second time", async () => {
  expect(await script("status")).toBe(3);
  await writeState('{"status": "READY", "weight": 75}');
  expect(await script("start")).toBe(0);
  expect(await machine.ask()).toBe("READY 75%");
  expect(await script("status")).toBe(0);
  const first = await pids();
  expect(await script("start")).toBe(0);
  expect(await pids()).toBe(first);
});

test("it runs as its own user with the variables of the unit", async () => {
  const pid = await pids();
  const uid = await machine.run("id -u hapgent");
  expect(await machine.read(`/proc/${pid}/status`)).toContain(`Uid:\t${uid}\t${uid}\t`);
  const directory = "/var/lib/hapgent/services";
  expect(await machine.run(["stat", "--format=%U:%G %a", directory])).toBe("hapgent:hapgent 755");
  const environment = (await machine.read(`/proc/${pid}/environ`)).split("\0");
  for (const [name, value] of Object.entries(TUNED))
    expect(environment).toContain(`${name}=${value}`);
  expect(environment).toContain("HAPGENT_STATE_FILE=/var/lib/hapgent/state.json");
  const socket = { env: { HAPGENT_SOCKET: "/run/hapgent/hapgent.sock" } };
  expect(await machine.run("hapgent ctl show state", socket)).toContain('"READY"');
});

test.each(["reload", "force-reload"])("%s reads the state file", async (action) => {
  await writeState(`{"status": "DRAIN", "maxconn": ${action.length}}`);
  const pid = await pids();
  expect(await script(action)).toBe(0);
  await machine.answers(`DRAIN maxconn:${action.length}`);
  expect(await pids()).toBe(pid);
});

test("signals change the state and save it", async () => {
  await machine.run("pkill -USR2 -x hapgent");
  await machine.answers("DOWN maxconn:12");
  await until("the save", async () =>
    (await machine.read("/var/lib/hapgent/state.json")).includes('"DOWN"'),
  );
  await until("the log", async () => (await log()).includes("cause=SIGUSR2"));
});

test("each line of the log begins with its time", async () => {
  const lines = (await log()).split("\n");
  expect(lines.filter((line) => !/^[\d-]{10}T[\d:]{8}\+0000 hapgent: /.test(line))).toEqual([]);
});

test("a reload of a broken file fails, and the state stays", async () => {
  await writeState('{"status": "up"}');
  expect(await script("reload")).toBe(1);
  expect(await machine.ask()).toBe("DOWN maxconn:12");
  await writeState('{"status": "DOWN", "maxconn": 12}');
  expect(await script("reload")).toBe(0);
});

test("restart is another process that answers the same", async () => {
  const pid = await pids();
  expect(await script("restart")).toBe(0);
  expect(await pids()).toMatch(/^\d+$/);
  expect(await pids()).not.toBe(pid);
  expect(await machine.ask()).toBe("DOWN maxconn:12");
});

test("what is in /etc/default/hapgent counts, but not what would run other code", async () => {
  const text = "HAPGENT_PORT=9888\nBUN_OPTIONS=--preload=/x\nBUN_INSPECT=127.0.0.1:1\n";
  await machine.write("/etc/default/hapgent", text);
  expect(await script("restart")).toBe(0);
  expect(await machine.ask(9888)).toBe("DOWN maxconn:12");
  expect(await machine.read(`/proc/${await pids()}/environ`)).not.toMatch(/BUN_(OPTIONS|INSPECT)/);
  await machine.run("rm /etc/default/hapgent");
});

test("lines of /etc/default/hapgent may end with a carriage return, as for systemd", async () => {
  await machine.write("/etc/default/hapgent", "# mine\r\nHAPGENT_PORT=9888\r\n");
  expect(await script("restart")).toBe(0);
  expect(await machine.ask(9888)).toBe("DOWN maxconn:12");
  expect(await machine.run("hapgent status")).toBe("DOWN maxconn:12");
  await machine.run("rm /etc/default/hapgent");
});

test("it starts where env cannot block signals", async () => {
  await machine.run("mount --bind /srv/busybox /usr/bin/env");
  expect((await machine.try("env --block-signal=HUP true")).exitCode).not.toBe(0);
  expect(await script("restart")).toBe(0);
  expect(await machine.ask()).toBe("DOWN maxconn:12");
  await machine.run("umount /usr/bin/env");
});

test("it starts on all addresses where IPv6 is off, and opens its socket to its group", async () => {
  const off = "/proc/sys/net/ipv6/conf/all/disable_ipv6";
  await machine.write(off, "1");
  await machine.write("/etc/default/hapgent", "HAPGENT_IP=::\nHAPGENT_SOCKET_MODE=0660\n");
  expect(await script("restart")).toBe(0);
  expect(await machine.ask()).toBe("DOWN maxconn:12");
  const socket = "/run/hapgent/hapgent.sock";
  expect(await machine.run(`stat --format=%U:%G:%a ${socket}`)).toBe("hapgent:hapgent:660");
  await machine.write(off, "0");
  await machine.run("rm /etc/default/hapgent");
});

test("a reload goes on where one service is invalid", async () => {
  const directory = "/var/lib/hapgent/services";
  await machine.write("/etc/default/hapgent", `HAPGENT_SERVICES=${directory}\n`);
  expect(await script("restart")).toBe(0);
  await machine.write(`${directory}/web.json`, "broken");
  await machine.write(`${directory}/api.json`, '{"status": "MAINT"}');
  expect(await script("reload")).toBe(0);
  await until("api is read", async () =>
    (await machine.try("hapgent ctl @api show state")).stdout.includes('"MAINT"'),
  );
  expect(await machine.run("hapgent ctl @web show state")).toContain('"FAIL"');
  await until("the log", async () => (await log()).includes(`${directory}/web.json`));
  await machine.run(`rm /etc/default/hapgent ${directory}/web.json ${directory}/api.json`);
  expect(await script("restart")).toBe(0);
});

test("a restart with a wrong setting fails, and the agent goes on", async () => {
  const pid = await pids();
  await machine.write("/etc/default/hapgent", "HAPGENT_PORT=99999\n");
  const { stderr, exitCode } = await machine.try([SCRIPT, "restart"]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain("HAPGENT_PORT: expected an integer from 1 to 65535");
  expect(await pids()).toBe(pid);
  await machine.run("rm /etc/default/hapgent");
});

test("stop ends it, and again does nothing; a reload of nothing fails", async () => {
  expect(await script("stop")).toBe(0);
  expect(await pids()).toBe("");
  await until("its user runs nothing", async () => {
    return (await machine.try("pgrep -u hapgent")).stdout === "";
  });
  expect(await script("status")).toBe(3);
  expect(await script("stop")).toBe(0);
  expect(await script("reload")).toBe(7);
  expect(await script("sing")).toBe(2);
});

test("status tells a crash from a stop, and start gets over it", async () => {
  expect(await script("start")).toBe(0);
  await machine.run("pkill -KILL -x hapgent");
  await until("its end", async () => (await pids()) === "");
  expect(await script("status")).toBe(1);
  expect(await script("start")).toBe(0);
  expect(await script("status")).toBe(0);
});

test("a start that cannot answer fails", async () => {
  expect(await script("stop")).toBe(0);
  await machine.write("/etc/default/hapgent", "HAPGENT_IP=192.0.2.1\n");
  expect(await script("start")).toBe(1);
});

test("it starts at boot once it is enabled", async () => {
  const { stdout, exitCode } = await machine.try("update-rc.d hapgent defaults");
  expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 0 });
  const links = await machine.run("find /etc -name S??hapgent -o -name K??hapgent");
  const names = links
    .split("\n")
    .map((link) => link.replace(/\d\dhapgent/, "").slice("/etc/".length));
  expect(names.toSorted()).toEqual([
    "rc0.d/K",
    "rc1.d/K",
    "rc2.d/S",
    "rc3.d/S",
    "rc4.d/S",
    "rc5.d/S",
    "rc6.d/K",
  ]);
  await machine.run("rm /etc/default/hapgent");
  await machine.switchOff();
  await machine.boot();
  await machine.answers("DOWN maxconn:12");
});
