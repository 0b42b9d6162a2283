// Under systemd the agent is hardened, started again when it crashes and not when it is stopped, loses no
// check where the socket unit has its address, and starts with every setting, alone or with what its
// comment asks for. What it does under any init is launched.test.ts.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { ROOT } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";
import { type Machine, startPoller } from "./machine.ts";
import { bootWithUnits, startUnit, UNITS, writeState } from "./units.ts";

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

async function mainPid(unit = "hapgent"): Promise<number> {
  return Number(await machine.property(unit, "MainPID"));
}

async function property(name: string): Promise<string> {
  return await machine.property("hapgent", name);
}

async function isActive(): Promise<void> {
  await until(
    "it is active",
    async () => (await machine.property("hapgent", "ActiveState")) === "active",
  );
}

test("systemd understands every line of the units", async () => {
  const units = [
    "hapgent.service",
    "hapgent.socket",
    "hapgent@one.service",
    "hapgent-follow@one.service",
    "hapgent-follow@one.timer",
  ];
  for (const unit of units) {
    const { stdout, stderr } = await machine.try(`systemd-analyze verify --man=no ${unit}`);
    expect(stdout + stderr).toBe("");
  }
});

test.each([...UNITS.filter((unit) => unit.endsWith(".service")), "hapgent-follow@.service"])(
  "%s is exposed by at most 1.1",
  async (unit) => {
    const path = `/usr/lib/systemd/system/${unit}`;
    await machine.run(`systemd-analyze security --offline=true --threshold=11 ${path}`);
  },
);

test("its user owns its state and nothing else", async () => {
  expect(await machine.run("getent passwd hapgent")).toMatch(/:\/var\/lib\/hapgent:.*nologin$/);
  const stat = (path: string) => machine.run(["stat", "--format=%U:%G %a", path]);
  expect(await stat("/var/lib/hapgent")).toBe("hapgent:hapgent 755");
  expect(await stat("/var/lib/hapgent/services")).toBe("hapgent:hapgent 755");
  expect(await stat("/etc/hapgent")).toBe("root:root 755");
});

test("the agent has no privilege, and files enough", async () => {
  await start({ status: "READY", weight: 75 });
  const status = await machine.read(`/proc/${await mainPid()}/status`);
  expect(status).toMatch(/^CapEff:\t0+$/m);
  expect(status).toMatch(/^CapBnd:\t0+$/m);
  expect(status).toMatch(/^NoNewPrivs:\t1$/m);
  expect(status).toMatch(/^Seccomp:\t2$/m);
  expect(status).toMatch(/^Threads:\t3$/m);
  // The agent keeps up to 256 checks and 16 clients open.
  const limits = await machine.read(`/proc/${await mainPid()}/limits`);
  expect(limits).toMatch(/^Max open files +2048 +2048 /m);
});

test("a wrong setting ends the start at once, and nothing tries again", async () => {
  await start({ status: "UP" });
  await machine.run("systemctl stop hapgent");
  await machine.write("/etc/default/hapgent", "HAPGENT_PORT=0\n");
  expect((await machine.try("systemctl start hapgent")).exitCode).not.toBe(0);
  await until("it has failed", async () => (await property("ActiveState")) === "failed");
  expect(await property("NRestarts")).toBe("0");
  expect(await property("ExecMainStatus")).toBe("2");
});

test("it is started again when it crashes, not when it is stopped", async () => {
  await start({ status: "UP", weight: 5 });
  const first = await mainPid();
  await machine.run("systemctl kill --signal=SEGV hapgent");
  await until("another process", async () => ![0, first].includes(await mainPid()));
  await isActive();
  expect(await machine.ask()).toBe("UP 5%");
  await machine.run("systemctl stop hapgent");
  expect(await machine.property("hapgent", "ActiveState")).toBe("inactive");
  expect(await machine.property("hapgent", "Result")).toBe("success");
});

const HAPROXY = `
global
  stats socket /run/admin.sock level admin
defaults
  mode http
  timeout connect 1s
  timeout client 1s
  timeout server 1s
  timeout check 1s
frontend service
  bind 127.0.0.1:8001
  http-request return status 200
backend be
  server s 127.0.0.1:8001 check weight 100 agent-check agent-addr 127.0.0.1 agent-port 9777 agent-inter 10ms
`;

test.each([
  ["without the socket unit a restart refuses checks, and", false],
  ["with the socket unit no check fails, and", true],
])("%s HAProxy keeps the state", async (_, hasSocket) => {
  await start({ status: "UP", weight: 50 });
  if (hasSocket) {
    await machine.run("systemctl stop hapgent");
    await machine.run("systemctl start hapgent.socket hapgent.service");
  }
  await machine.write("/run/haproxy.cfg", HAPROXY);
  await machine.run("haproxy -D -f /run/haproxy.cfg -p /run/haproxy.pid");
  try {
    const show = "echo show stat typed | socat -t5 - /run/admin.sock | grep '^S[.]'";
    await until("it has asked", async () =>
      /[.]agent_status[.].*L7OK$/m.test(await machine.run(["sh", "-c", show])),
    );
    const shown = machine.run(["sh", "-c", `until [ -e /run/end ]; do ${show}; done`]);
    for (let round = 1; round <= 3; round += 1) await machine.run("systemctl restart hapgent");
    await machine.write("/run/end", "");
    const text = await shown;
    expect(listValues(text, "status")).toEqual(["UP"]);
    expect(listValues(text, "uweight")).toEqual(["50"]);
    const results = hasSocket ? ["L7OK"] : ["L4CON", "L7OK"];
    expect(listValues(text, "agent_status")).toEqual(results);
  } finally {
    await machine.run(["sh", "-c", "kill $(cat /run/haproxy.pid); rm -f /run/end"]);
  }
});

/** What a field had for values, in the output of `show stat typed`. */
function listValues(text: string, field: string): string[] {
  // A star marks a check that is under way.
  const lines = text.matchAll(new RegExp(`[.]${field}[.].*:(?:\\* )?(.*)$`, "gm"));
  return [...new Set([...lines].map(([, value = ""]) => value))].toSorted();
}

test("a check starts the service when only the socket is there", async () => {
  await start({ status: "DRAIN" });
  await machine.run("systemctl stop hapgent");
  await machine.run("systemctl start hapgent.socket");
  expect(await machine.property("hapgent", "ActiveState")).toBe("inactive");
  await machine.answers("DRAIN");
  await isActive();
});

describe("the settings file", () => {
  const shipped = readFileSync(`${ROOT}deploy/hapgent.default`, "utf8");
  const lines = shipped.split("\n").filter((line) => /^#HAPGENT_\w+=/.test(line));

  test.each(lines)("%s uncommented alone starts", async (line) => {
    await start({ status: "UP" }, shipped.replace(line, line.slice(1)));
    // A check of the project's own: no stop status waits for it.
    expect(await machine.run("hapgent status")).toBe("ready up 100%");
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

test("its socket unit may have one address, and the settings none", async () => {
  await machine.run("ip address replace 10.1.2.3/32 dev lo");
  await start({ status: "UP" }, "", {
    "hapgent.socket": "[Socket]\nListenStream=\nListenStream=10.1.2.3:9888\n",
  });
  expect(await machine.ask(9888, "10.1.2.3")).toBe("UP");
  expect(await machine.property("hapgent", "ActiveState")).toBe("active");
  expect(await machine.property("hapgent", "NRestarts")).toBe("0");
});

describe("instances", () => {
  const WEB = "/var/lib/hapgent/web/state.json";

  beforeAll(async () => {
    await start({ status: "MAINT" });
    await machine.write("/etc/hapgent/web.env", "HAPGENT_PORT=9801\n");
    await machine.write("/etc/hapgent/db.env", "HAPGENT_PORT=9802\n");
    await machine.run("systemctl start hapgent@web hapgent@db");
  });

  test("are deployed by their names", async () => {
    const deploy = ["hapgent-deploy", "--instance", "db", "--pollers=0", "deploying v44", "true"];
    await machine.run(deploy);
    expect(await machine.run("hapgent status --instance db")).toBe("UP");
    expect(await machine.journal("hapgent@db")).toMatch(/new=DRAIN.*new=READY.*new=UP/s);
  });

  test("start with a state of their own, which later starts keep", async () => {
    expect(await machine.ask(9801)).toBe("UP");
    expect(await machine.run(`stat --format=%U:%a ${WEB}`)).toBe("hapgent:644");
    await machine.run("systemctl kill --signal=USR2 hapgent@web");
    await machine.answers("DOWN", 9801);
    await until("the save", async () => (await machine.read(WEB)).includes('"DOWN"'));
    await machine.run("systemctl restart hapgent@web");
    expect(await machine.ask(9801)).toBe("DOWN");
    expect(await machine.ask(9802)).toBe("UP");
  });

  test("log under their names", async () => {
    const lines = await machine.run("journalctl --output=cat --identifier=hapgent@web");
    expect(lines).toContain("cause=SIGUSR2");
    expect(await machine.run("journalctl --output=cat --identifier=hapgent")).toContain("MAINT");
  });

  test("keep their control sockets when the agent of the host stops, and each other's", async () => {
    await machine.run("systemctl stop hapgent hapgent@db");
    const socket = { env: { HAPGENT_SOCKET: "/run/hapgent@web/hapgent.sock" } };
    expect(await machine.run("hapgent ctl show state", socket)).toContain('"DOWN"');
    expect(await machine.run(["sh", "-c", "cd /run && ls -d hapgent*"])).toBe("hapgent@web");
  });

  test("answer every check over restarts with a socket unit that has their address", async () => {
    await machine.run("systemctl stop hapgent@web");
    const address = "[Socket]\nListenStream=0.0.0.0:9801\n";
    await machine.write("/etc/systemd/system/hapgent@web.socket.d/address.conf", address);
    await machine.run("systemctl daemon-reload");
    await machine.run("systemctl start hapgent@web.socket hapgent@web.service");
    await using poller = await startPoller(machine, 9801);
    for (let round = 1; round <= 3; round += 1) await machine.run("systemctl restart hapgent@web");
    expect(Object.keys(await poller.stop())).toEqual(["DOWN\n"]);
    await machine.run("systemctl stop hapgent@web.socket hapgent@web.service");
  });
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

test("a state follows a command by cron, too", async () => {
  await start({ status: "UP" });
  await machine.write("/etc/hapgent/follow/web", "hapgent-follow --rise 1 echo up 67%\n");
  const cron = await Bun.file(`${ROOT}deploy/scripts/hapgent-follow.cron`).text();
  await machine.write("/etc/cron.d/hapgent-follow", cron);
  const isRun = async () => (await machine.ask()) === "UP 67%";
  await until("cron ran it", isRun, 150_000);
});
