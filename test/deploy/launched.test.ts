// What an init does with the agent, systemd and System V alike: each action of the init, the settings,
// and a state that outlives all of it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import type { Machine } from "./machine.ts";
import { bootWithScript, bootWithUnits, writeState } from "./units.ts";

const STATE = "/var/lib/hapgent/state.json";
const SETTINGS = "/etc/default/hapgent";
const SOCKET = "/run/hapgent/hapgent.sock";

/** An init: how it is told what to do, and where it logs. */
interface Init {
  readonly boot: () => Promise<Machine>;
  readonly does: (action: string) => string;
  readonly log: (machine: Machine) => Promise<string>;
}

const INITS: Record<string, Init> = {
  systemd: {
    boot: bootWithUnits,
    does: (action) => `systemctl ${action} hapgent`,
    log: (machine) => machine.journal("hapgent"),
  },
  "System V": {
    boot: bootWithScript,
    does: (action) => `/etc/init.d/hapgent ${action}`,
    log: (machine) => machine.read("/var/log/hapgent.log"),
  },
};

describe.each(Object.entries(INITS))("under %s", (_, init) => {
  let machine: Machine;

  beforeAll(async () => {
    machine = await init.boot();
  });

  afterAll(async () => {
    await machine[Symbol.asyncDispose]();
  });

  const tell = async (action: string) => (await machine.try(init.does(action))).exitCode;
  const findPid = async () => (await machine.try("pgrep -x hapgent")).stdout.trim();

  /** Starts the agent anew, with a state and settings. */
  async function start(state: object | string, settings = ""): Promise<void> {
    await tell("stop");
    await machine.write(SETTINGS, settings);
    await writeState(machine, STATE, state);
    expect(await tell("start")).toBe(0);
  }

  test("a start is over when it answers, as its own user; no variable that would run other code counts", async () => {
    const hostile = "BUN_OPTIONS=--preload=/x\nBUN_BE_BUN=1\nBUN_INSPECT=127.0.0.1:1\n";
    await start({ status: "READY", weight: 75 }, hostile);
    expect(await machine.ask()).toBe("READY 75%");
    const pid = await findPid();
    const uid = await machine.run("id -u hapgent");
    expect(await machine.read(`/proc/${pid}/status`)).toContain(`Uid:\t${uid}\t${uid}\t`);
    const environment = await machine.read(`/proc/${pid}/environ`);
    const words = environment.split("\0");
    expect(words).toEqual(expect.arrayContaining(Object.entries(TUNED).map((of) => of.join("="))));
    expect(environment).not.toMatch(/BUN_(OPTIONS|BE_BUN|INSPECT)/);
    const services = await machine.run(["stat", "--format=%U:%G %a", "/var/lib/hapgent/services"]);
    expect(services).toBe("hapgent:hapgent 755");
    // A second start does nothing.
    expect(await tell("start")).toBe(0);
    expect(await findPid()).toBe(pid);
  });

  test("a reload reads the state file; of a broken one it fails, and the state stays", async () => {
    await start({ status: "UP", weight: 20 });
    const pid = await findPid();
    await writeState(machine, STATE, { status: "DRAIN", maxconn: 20 });
    expect(await tell("reload")).toBe(0);
    await machine.answers("DRAIN maxconn:20");
    await writeState(machine, STATE, { status: "up" });
    expect(await tell("reload")).not.toBe(0);
    expect(await machine.ask()).toBe("DRAIN maxconn:20");
    expect(await findPid()).toBe(pid);
  });

  test("a reload goes on where one service is invalid: that one is FAIL, and the log names it", async () => {
    const directory = "/var/lib/hapgent/services";
    await writeState(machine, `${directory}/api.json`, { status: "UP" });
    await start({ status: "UP" }, `HAPGENT_SERVICES=${directory}\n`);
    await writeState(machine, `${directory}/web.json`, "broken");
    await writeState(machine, `${directory}/api.json`, { status: "MAINT" });
    expect(await tell("reload")).toBe(0);
    const show = async (name: string) => await machine.run(`hapgent ctl @${name} show state`);
    await until("api is read", async () => (await show("api")).includes('"MAINT"'));
    expect(await show("web")).toContain('"FAIL"');
    const names = async () => (await init.log(machine)).includes(`${directory}/web.json`);
    await until("the log", names);
    await machine.run(`rm ${directory}/web.json ${directory}/api.json`);
  });

  test("a signal changes the state, is logged, and outlives a restart", async () => {
    await start({ status: "UP", maxconn: 10 });
    const pid = await findPid();
    await machine.run("pkill -USR2 -x hapgent");
    await machine.answers("DOWN maxconn:10");
    await until("the save", async () => (await machine.read(STATE)).includes('"DOWN"'));
    await until("the log", async () => (await init.log(machine)).includes("cause=SIGUSR2"));
    expect(await init.log(machine)).not.toContain("in place");
    expect(await tell("restart")).toBe(0);
    expect(await findPid()).toMatch(/^\d+$/);
    expect(await findPid()).not.toBe(pid);
    expect(await machine.ask()).toBe("DOWN maxconn:10");
  });

  test("settings count, also where lines end with a carriage return", async () => {
    await start({ status: "UP" }, "# mine\r\nHAPGENT_PORT=9888\r\nHAPGENT_REPLY=full\r\n");
    expect(await machine.ask(9888)).toBe("ready up 100%");
    expect(await machine.run("hapgent status")).toBe("ready up 100%");
    expect(await machine.run("hapgent check")).toStartWith("ready up 100%");
    expect(await machine.run("hapgent ctl show state")).toContain('"UP"');
  });

  test("it starts where IPv6 is off, and opens its socket to the group of the agent", async () => {
    const off = "/proc/sys/net/ipv6/conf/all/disable_ipv6";
    await machine.write(off, "1");
    await start({ status: "UP" }, "HAPGENT_IP=::\nHAPGENT_SOCKET_MODE=0660\n");
    expect(await machine.ask()).toBe("UP");
    await machine.write(off, "0");
    expect(await machine.run(`stat --format=%U:%G:%a ${SOCKET}`)).toBe("hapgent:hapgent:660");
    const member = (group: string) =>
      machine.try(
        `setpriv --reuid=nobody --regid=nogroup --groups=${group} hapgent ctl show state`,
      );
    expect((await member("hapgent")).stdout).toContain('"UP"');
    expect((await member("nogroup")).exitCode).toBe(1);
  });

  test("a start that cannot answer fails, and so does one with a wrong setting", async () => {
    await start({ status: "UP" });
    await tell("stop");
    await machine.write(SETTINGS, "HAPGENT_IP=192.0.2.1\n");
    expect(await tell("start")).not.toBe(0);
    expect(await init.log(machine)).toContain("192.0.2.1:9777: address not available");
    await tell("stop");
    await machine.write(SETTINGS, "HAPGENT_PORT=0\n");
    expect(await tell("start")).not.toBe(0);
  });

  test("a stop ends it and all that its user runs; a second one does nothing", async () => {
    await start({ status: "UP" });
    expect(await tell("stop")).toBe(0);
    const isIdle = async () => (await machine.try("pgrep -u hapgent")).stdout === "";
    await until("its user runs nothing", isIdle);
    expect(await tell("stop")).toBe(0);
    expect(await tell("status")).toBe(3);
  });
});

describe("the init script", () => {
  let machine: Machine;
  const script = async (action: string) => await machine.try(`/etc/init.d/hapgent ${action}`);

  beforeAll(async () => {
    machine = await bootWithScript();
    await writeState(machine, STATE, { status: "DRAIN" });
  });

  afterAll(async () => {
    await machine[Symbol.asyncDispose]();
  });

  test("ends with the codes of Debian's policy, and tells a crash from a stop", async () => {
    const codes = { status: 3, reload: 7, sing: 2, start: 0, "force-reload": 0 };
    for (const [action, code] of Object.entries(codes)) {
      expect([action, (await script(action)).exitCode]).toEqual([action, code]);
    }
    await machine.run("pkill -KILL -x hapgent");
    await until("its end", async () => (await machine.try("pgrep -x hapgent")).stdout === "");
    expect((await script("status")).exitCode).toBe(1);
    expect((await script("start")).exitCode).toBe(0);
    const lines = (await machine.read("/var/log/hapgent.log")).split("\n");
    expect(lines.filter((line) => !/^[\d-]{10}T[\d:]{8}\+0000 hapgent: /.test(line))).toEqual([]);
  });

  test("leaves the agent alone when a restart would fail by a wrong setting", async () => {
    const pid = await machine.run("pgrep -x hapgent");
    await machine.write(SETTINGS, "HAPGENT_PORT=99999\n");
    const { stderr, exitCode } = await script("restart");
    expect(exitCode).toBe(2);
    expect(stderr).toContain("HAPGENT_PORT: expected an integer from 1 to 65535");
    expect(await machine.run("pgrep -x hapgent")).toBe(pid);
  });
});
