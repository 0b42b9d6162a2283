// The agent starts under systemd on every kind of machine and with every setting, alone or with
// what its comment asks for.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { ROOT } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";
import type { Machine } from "./machine.ts";
import { bootWithUnits, startUnit, writeState } from "./units.ts";

let machine: Machine;

beforeAll(async () => {
  machine = await bootWithUnits();
});

afterAll(async () => {
  await machine[Symbol.asyncDispose]();
});

/** Starts the service with a state, settings, and what differs from its units. */
async function start(
  state: object,
  environment = "",
  changed: Record<string, string> = {},
): Promise<void> {
  await startUnit(machine, state, environment, changed);
}

test.each([
  ["busybox", "mount --bind /srv/busybox /usr/bin/env"],
  ["the Rust coreutils", "mount --bind /run/refusing /usr/bin/env"],
])("it starts where the env of %s cannot block signals", async (_, mount) => {
  await start({ status: "UP" });
  await machine.run("cp /usr/bin/env /run/env");
  await machine.write(
    "/run/refusing",
    '#!/bin/sh\ncase $1 in --block*) exit 125 ;; esac\nexec /run/env "$@"\n',
  );
  await machine.run("chmod 755 /run/refusing");
  await machine.run(mount);
  try {
    expect((await machine.try("env --block-signal=HUP true")).exitCode).not.toBe(0);
    await machine.run("systemctl restart hapgent");
    expect(await machine.ask()).toBe("UP");
    await machine.run("systemctl kill --signal=USR2 hapgent");
    await machine.answers("DOWN");
    expect(await machine.property("hapgent", "NRestarts")).toBe("0");
  } finally {
    await machine.run("umount /usr/bin/env");
  }
});

describe("the settings file", () => {
  const shipped = readFileSync(`${ROOT}deploy/hapgent.default`, "utf8");
  const lines = shipped.split("\n").filter((line) => /^#HAPGENT_\w+=/.test(line));

  test.each(lines)("%s uncommented alone starts", async (line) => {
    await start({ status: "UP" }, shipped.replace(line, line.slice(1)));
    // A check of the project's own: no stop status waits for it.
    expect(await machine.run("hapgent status")).toBe("ready up 100%");
  });

  test("may end its lines with a carriage return: agent and commands read it alike", async () => {
    await start({ status: "UP" }, "HAPGENT_PORT=9888\r\nHAPGENT_REPLY=full\r\n");
    expect(await machine.ask(9888)).toBe("ready up 100%");
    expect(await machine.run("hapgent status")).toBe("ready up 100%");
    expect(await machine.run("hapgent check")).toStartWith("ready up 100%");
    expect(await machine.run("hapgent ctl show state")).toContain('"UP"');
  });

  test("may name a state file elsewhere, with ReadWritePaths= for its directory", async () => {
    await machine.run("install -d -o hapgent -g hapgent /srv/state");
    await writeState(machine, "/srv/state/state.json", { status: "UP" });
    await start({ status: "MAINT" }, "HAPGENT_STATE_FILE=/srv/state/state.json\n", {
      "hapgent.service": "[Service]\nReadWritePaths=/srv/state\n",
    });
    expect(await machine.ask()).toBe("UP");
    expect(await machine.run("hapgent ctl set status DOWN")).toContain("saved");
    expect(await machine.read("/srv/state/state.json")).toContain('"DOWN"');
  });
});

describe("with HAPGENT_SOCKET_MODE=0660 the control socket is open to", () => {
  const SOCKET = "/run/hapgent/hapgent.sock";
  const asMember = (group: string) =>
    `setpriv --reuid=nobody --regid=nogroup --groups=${group} hapgent ctl show state`;

  test("the group of the agent", async () => {
    await start({ status: "UP" }, "HAPGENT_SOCKET_MODE=0660\n");
    expect(await machine.run(`stat --format=%U:%G:%a ${SOCKET}`)).toBe("hapgent:hapgent:660");
    expect(await machine.run(asMember("hapgent"))).toContain('"UP"');
    expect((await machine.try(asMember("nogroup"))).exitCode).toBe(1);
  });

  test("another group that the unit names", async () => {
    await machine.try("groupadd operators");
    await start({ status: "UP" }, "HAPGENT_SOCKET_MODE=0660\n", {
      "hapgent.service": "[Service]\nGroup=operators\n",
    });
    expect(await machine.run(`stat --format=%U:%G:%a ${SOCKET}`)).toBe("hapgent:operators:660");
    expect(await machine.run(asMember("operators"))).toContain('"UP"');
  });

  test("the group of a directory that hands its group on", async () => {
    await machine.try("groupadd operators");
    await machine.run("install -d -m 2750 -o hapgent -g operators /srv/control");
    const socket = "/srv/control/hapgent.sock";
    await start({ status: "UP" }, `HAPGENT_SOCKET_MODE=0660\nHAPGENT_SOCKET=${socket}\n`, {
      "hapgent.service": "[Service]\nReadWritePaths=/srv/control\n",
    });
    expect(await machine.run(`stat --format=%U:%G:%a ${socket}`)).toBe("hapgent:operators:660");
    expect(await machine.run(asMember("operators"))).toContain('"UP"');
  });
});

test("it starts on all addresses where IPv6 is off", async () => {
  const off = "/proc/sys/net/ipv6/conf/all/disable_ipv6";
  await machine.write(off, "1");
  try {
    await start({ status: "UP" }, "HAPGENT_IP=::\n");
    expect(await machine.ask()).toBe("UP");
    expect(await machine.property("hapgent", "ActiveState")).toBe("active");
  } finally {
    await machine.write(off, "0");
  }
});

test("its socket unit may have one address, and the settings none", async () => {
  await machine.run("ip address replace 10.1.2.3/32 dev lo");
  await start({ status: "UP" }, "", {
    "hapgent.socket": "[Socket]\nListenStream=\nListenStream=10.1.2.3:9888\n",
  });
  expect(await machine.ask(9888, "10.1.2.3")).toBe("UP");
  expect(await machine.property("hapgent", "ActiveState")).toBe("active");
  expect(await machine.property("hapgent", "NRestarts")).toBe("0");
});

test("a reload goes on where one service is invalid: that one is FAIL, and the log names it", async () => {
  const file = (name: string) => `/var/lib/hapgent/services/${name}.json`;
  await writeState(machine, file("web"), { status: "UP" });
  await writeState(machine, file("api"), { status: "UP" });
  await start({ status: "UP" }, "HAPGENT_SERVICES=/var/lib/hapgent/services\n");
  await writeState(machine, file("web"), "broken");
  await writeState(machine, file("api"), { status: "MAINT" });
  await machine.run("systemctl reload hapgent");
  await until("api is read", async () =>
    (await machine.run("hapgent ctl @api show state")).includes('"MAINT"'),
  );
  expect(await machine.run("hapgent ctl @web show state")).toContain('"FAIL"');
  expect(await machine.run("hapgent status")).toBe("ready up 100%");
  await until("the log", async () => (await machine.journal("hapgent")).includes(file("web")));
  await machine.run("find /var/lib/hapgent/services -type f -delete");
});

test("a state follows a command by its timer, from a unit that is hardened as well", async () => {
  await start({ status: "UP", maxconn: 7 });
  // Only with its own rights and directories could it do more.
  const script = "id -un; echo 5 >/etc/x; echo 5 >/var/lib/hapgent/x; ls /home /root";
  const command = `hapgent-follow --rise 1 --fall 1 sh -c '{ ${script}; } >&2; cat /srv/says'\n`;
  await machine.write("/srv/says", "drain #lag 40 s\n");
  await machine.write("/etc/hapgent/follow/db", command);
  await machine.run("systemctl start hapgent-follow@db.timer");
  await machine.answers("DRAIN maxconn:7");
  expect(await machine.read("/var/lib/hapgent/state.json")).toContain("follow: lag 40 s");
  await machine.write("/srv/says", "up 75%\n");
  // By the next run, 10 s after the last.
  const shown = async () => (await machine.ask()) === "READY 75% maxconn:7";
  await until("the next run", shown, 20_000);
  const journal = await machine.journal("hapgent-follow@db");
  expect(journal).toContain("hapgent\n");
  expect(journal.match(/Read-only file system/g)?.length).toBeGreaterThanOrEqual(2);
  expect(journal).not.toContain("Finished");
  // What fails is seen, and tried again.
  await machine.write("/srv/says", "nonsense\n");
  const failed = async () => (await machine.property("hapgent-follow@db", "Result")) !== "success";
  await until("it fails", failed, 20_000);
  await machine.write("/srv/says", "up 50%\n");
  const again = async () => (await machine.ask()) === "READY 50% maxconn:7";
  await until("the run after it", again, 20_000);
  await machine.run("systemctl stop hapgent-follow@db.timer");
});
