// What an init does with the agent, systemd and System V alike: each action of the init, the settings,
// and a state that outlives all of it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { bootInstalled, listAgents, SETTINGS, SOCKET, STATE, writeState } from "./installed.ts";
import type { Machine } from "./machine.ts";

const SERVICES = "/var/lib/hapgent/services";

/** How an init is told what to do, and where it logs. */
const INITS = {
  systemd: {
    does: (action: string) => `systemctl ${action} hapgent`,
    log: (machine: Machine) => machine.journal("hapgent"),
  },
  sysv: {
    does: (action: string) => `/etc/init.d/hapgent ${action}`,
    log: (machine: Machine) => machine.read("/var/log/hapgent.log"),
  },
};

describe.each(["systemd", "sysv"] as const)("under %s", (name) => {
  const init = INITS[name];
  let machine: Machine;

  beforeAll(async () => {
    machine = await bootInstalled(name);
  });

  afterAll(async () => {
    await machine[Symbol.asyncDispose]();
  });

  const tell = async (action: string) => (await machine.try(init.does(action))).exitCode;
  const findPid = async () => (await listAgents(machine)).join(" ");

  /** Starts the agent anew, with a state and settings. */
  async function start(state: object, settings = ""): Promise<void> {
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
    // With fewer than 1,600 a flood of clients may leave none for the state file.
    expect(await machine.read(`/proc/${pid}/limits`)).toMatch(/^Max open files +2048 +2048 /m);
    expect(await machine.run(`stat --format=%U /proc/${pid}`)).toBe("hapgent");
    const environment = await machine.read(`/proc/${pid}/environ`);
    const tuned = Object.entries(TUNED).map((entry) => entry.join("="));
    expect(environment.split("\0")).toEqual(expect.arrayContaining(tuned));
    expect(environment).not.toMatch(/BUN_(OPTIONS|BE_BUN|INSPECT)/);
    expect(await machine.run(`stat --format=%U:%G:%a ${SERVICES}`)).toBe("hapgent:hapgent:755");
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

  test("a reload goes on where one service is invalid, and the log names that", async () => {
    await writeState(machine, `${SERVICES}/api.json`, { status: "UP" });
    await start({ status: "UP" }, `HAPGENT_SERVICES=${SERVICES}\n`);
    await writeState(machine, `${SERVICES}/web.json`, "broken");
    await writeState(machine, `${SERVICES}/api.json`, { status: "MAINT" });
    expect(await tell("reload")).toBe(0);
    const show = async () => await machine.run("hapgent ctl @api show state");
    await until("api is read", async () => (await show()).includes('"MAINT"'));
    await until("the log", async () => (await init.log(machine)).includes(`${SERVICES}/web.json`));
    await machine.run(`rm ${SERVICES}/web.json ${SERVICES}/api.json`);
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
  });

  test("a start that cannot answer fails, and so does one with a wrong setting", async () => {
    await start({ status: "UP" });
    await tell("stop");
    await machine.write(SETTINGS, "HAPGENT_IP=192.0.2.1\n");
    expect(await tell("start")).not.toBe(0);
    const line = "192.0.2.1:9777: address not available";
    await until("the log", async () => (await init.log(machine)).includes(line));
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

  if (name === "sysv") {
    test("ends with the codes of Debian's policy, and tells a crash from a stop", async () => {
      await start({ status: "UP" });
      await tell("stop");
      const codes = { status: 3, reload: 7, sing: 2, start: 0, "force-reload": 0 };
      for (const [action, code] of Object.entries(codes)) {
        expect([action, await tell(action)]).toEqual([action, code]);
      }
      await machine.run("pkill -KILL -x hapgent");
      await until("its end", async () => (await findPid()) === "");
      expect(await tell("status")).toBe(1);
      expect(await tell("start")).toBe(0);
      const lines = (await init.log(machine)).split("\n");
      expect(lines.filter((line) => !/^[\d-]{10}T[\d:]{8}\+0000 hapgent: /.test(line))).toEqual([]);
    });

    test("leaves the agent alone when a restart would fail by a wrong setting", async () => {
      await start({ status: "UP" });
      const pid = await findPid();
      await machine.write(SETTINGS, "HAPGENT_PORT=99999\n");
      const { stderr, exitCode } = await machine.try(init.does("restart"));
      expect(stderr).toContain("HAPGENT_PORT: expected an integer from 1 to 65535");
      expect([exitCode, await findPid()]).toEqual([2, pid]);
    });
  }
});
