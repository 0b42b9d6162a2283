// Under systemd the agent is hardened, loses no signal and no check, and is started again when
// it crashes and not when it is stopped.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Disk } from "../../scripts/lib/disk.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { until } from "../../scripts/lib/until.ts";
import { type Machine, startPoller } from "./machine.ts";
import { bootWithUnits, startUnit, UNITS } from "./units.ts";

let machine: Machine;

/** A disk of its own for the executable, whose read-ahead can be set. */
let disk: Disk;
let executable: string;

beforeAll(async () => {
  disk = await Disk.make();
  executable = disk.copy(EXECUTABLE);
  machine = await bootWithUnits(executable);
});

afterAll(async () => {
  await machine[Symbol.asyncDispose]();
  await disk[Symbol.asyncDispose]();
});

/** Starts the service with a state and settings. */
async function start(state: object, environment = ""): Promise<void> {
  await startUnit(machine, state, environment);
}

async function mainPid(unit = "hapgent"): Promise<number> {
  return Number(await machine.property(unit, "MainPID"));
}

async function property(name: string): Promise<string> {
  return await machine.property("hapgent", name);
}

async function mainName(): Promise<string> {
  return (await machine.try(`cat /proc/${await mainPid()}/comm`)).stdout.trim();
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

test("a start is over when it answers, as an unprivileged user", async () => {
  await start({ status: "READY", weight: 75 });
  expect(await machine.ask()).toBe("READY 75%");
  const status = await machine.read(`/proc/${await mainPid()}/status`);
  const uid = await machine.run("id -u hapgent");
  expect(status).toContain(`Uid:\t${uid}\t${uid}\t${uid}\t${uid}\n`);
  expect(status).toMatch(/^CapEff:\t0+$/m);
  expect(status).toMatch(/^CapBnd:\t0+$/m);
  expect(status).toMatch(/^NoNewPrivs:\t1$/m);
  expect(status).toMatch(/^Seccomp:\t2$/m);
  expect(status).toMatch(/^Threads:\t3$/m);
  // The agent keeps up to 256 checks and 16 clients open.
  const limits = await machine.read(`/proc/${await mainPid()}/limits`);
  expect(limits).toMatch(/^Max open files +2048 +2048 /m);
});

test("a start that cannot answer fails", async () => {
  await start({ status: "UP" });
  await machine.run("systemctl stop hapgent");
  await machine.write("/etc/default/hapgent", "HAPGENT_IP=192.0.2.1\n");
  expect((await machine.try("systemctl start hapgent")).exitCode).not.toBe(0);
  expect(await machine.journal("hapgent")).toContain("192.0.2.1:9777: address not available");
});

test("a variable of the runtime that would run other code does not reach it", async () => {
  const hostile = "BUN_OPTIONS=--preload=/x\nBUN_BE_BUN=1\nBUN_INSPECT=127.0.0.1:1\n";
  await start({ status: "UP" }, hostile);
  expect(await machine.ask()).toBe("UP");
  expect(await machine.read(`/proc/${await mainPid()}/environ`)).not.toMatch(
    /BUN_(OPTIONS|BE_BUN|INSPECT)/,
  );
});

test("what is in /etc/default/hapgent counts", async () => {
  await start({ status: "UP" }, "HAPGENT_IP=::1\nHAPGENT_PORT=9888\n");
  expect(await machine.ask(9888, "[::1]")).toBe("UP");
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

test("a reload of a broken file fails, and the state stays", async () => {
  await start({ status: "UP", weight: 20 });
  await machine.write("/var/lib/hapgent/state.json", '{"status": "up"}');
  expect((await machine.try("systemctl reload hapgent")).exitCode).not.toBe(0);
  expect(await machine.ask()).toBe("UP 20%");
  expect(await property("ActiveState")).toBe("active");
  await machine.run("systemctl kill --signal=HUP hapgent");
  await machine.answers("FAIL");
});

test("the control socket is there, for root and the agent's user", async () => {
  await start({ status: "UP" });
  const socket = { env: { HAPGENT_SOCKET: "/run/hapgent/hapgent.sock" } };
  expect(await machine.run("hapgent ctl set status DRAIN testing", socket)).toContain("saved");
  expect(await machine.ask()).toBe("DRAIN");
  expect(await machine.run(`stat --format=%U:%a ${socket.env.HAPGENT_SOCKET}`)).toBe("hapgent:600");
});

test("a reload reads the state file, a signal changes it", async () => {
  await start({ status: "UP", maxconn: 10 });
  await machine.write("/var/lib/hapgent/state.json", '{"status": "DRAIN", "maxconn": 20}');
  await machine.run("systemctl reload hapgent");
  await machine.answers("DRAIN maxconn:20");
  await machine.run("systemctl kill --signal=USR2 hapgent");
  await machine.answers("DOWN maxconn:20");
  await until("the save", async () =>
    (await machine.read("/var/lib/hapgent/state.json")).includes('"DOWN"'),
  );
  await machine.run("systemctl restart hapgent");
  expect(await machine.ask()).toBe("DOWN maxconn:20");
  expect(await machine.journal("hapgent")).not.toContain("in place");
});

test("a signal sent while it starts is not lost and kills nobody", async () => {
  for (let round = 1; round <= 5; round += 1) {
    await start({ status: "UP" });
    await machine.run("systemctl stop hapgent");
    await machine.run("systemctl start --no-block hapgent");
    // Until its launcher has become env, signals are lost, or are systemd's to lose.
    await until("its launcher", async () => /^(env|hapgent)$/.test(await mainName()));
    await machine.run("systemctl kill --kill-who=main --signal=USR2 hapgent");
    await machine.answers("DOWN");
  }
  expect(await machine.property("hapgent", "NRestarts")).toBe("0");
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

test.each([128, 4096])(
  "it starts within its memory limit from a disk that reads ahead %i KB",
  async (readAhead) => {
    await start({ status: "UP" });
    await machine.run("systemctl stop hapgent");
    const limit = Number(await machine.property("hapgent", "MemoryMax"));
    disk.setReadAhead(readAhead);
    await disk.evict(executable);
    const begin = performance.now();
    await machine.run("systemctl start hapgent");
    const milliseconds = Math.round(performance.now() - begin);
    const status = await machine.read(`/proc/${await mainPid()}/status`);
    const size = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
    const current = Number(await machine.property("hapgent", "MemoryCurrent"));
    console.log(
      `cold start at ${readAhead} KB ${milliseconds} ms, RssAnon ${size("RssAnon")} KiB, Rss ${size("VmRSS")} KiB,`,
      `charged ${Math.round(current / 1024)} KiB of ${limit / 1024}`,
    );
    expect(limit).toBe(48 << 20);
    expect(current).toBeGreaterThan(0);
    expect(current).toBeLessThanOrEqual(limit);
    expect(milliseconds).toBeLessThan(5000);
  },
);

test("no check fails over ten restarts with the socket unit", async () => {
  await start({ status: "UP", weight: 50 });
  await machine.run("systemctl stop hapgent");
  await machine.run("systemctl start hapgent.socket hapgent.service");
  const first = await mainPid();
  await using poller = await startPoller(machine);
  for (let round = 1; round <= 10; round += 1) await machine.run("systemctl restart hapgent");
  const replies = await poller.stop();
  expect(await mainPid()).not.toBe(first);
  expect(Object.keys(replies)).toEqual(["UP 50%\n"]);
  expect(replies["UP 50%\n"]).toBeGreaterThan(50);
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

describe("instances", () => {
  const WEB = "/var/lib/hapgent/web/state.json";

  beforeAll(async () => {
    await start({ status: "MAINT" });
    await machine.write("/etc/hapgent/web.env", "HAPGENT_PORT=9801\n");
    await machine.write("/etc/hapgent/db.env", "HAPGENT_PORT=9802\n");
    await machine.run("systemctl start hapgent@web hapgent@db");
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

  test("need an environment file, for their port", async () => {
    expect((await machine.try("systemctl start hapgent@none")).exitCode).not.toBe(0);
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
