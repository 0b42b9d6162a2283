// The scripts of deploy/scripts lose no request and no state: a weight follows the load, and a
// deployment that fails stays out of rotation.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { ROOT } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";
import { bootMachine, type Machine, startPoller } from "./machine.ts";

const SCRIPTS = `${ROOT}deploy/scripts`;
const STATE = "/var/lib/hapgent/state.json";
const SOCKET = "HAPGENT_SOCKET=/run/hapgent/hapgent.sock\n";
/** HAProxy before two instances of a service; the first one's agent is the machine's. */
const HAPROXY = `
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend all
  bind 127.0.0.1:8080
  default_backend web
backend web
  default-server weight 100 check inter 100ms agent-check agent-inter 100ms
  server one 127.0.0.1:8001 agent-port 9777 agent-send "one\\n"
  server two 127.0.0.1:8002 agent-port 9778 agent-send "two\\n"
`;

/** The service does not see what is mounted on the machine's /proc. */
const LOAD = "[Service]\nBindReadOnlyPaths=/run/loadavg:/proc/loadavg\n";

let machine: Machine;
/** On this one cron and the timer run while the other tests do. */
let minutely: Machine;

beforeAll(async () => {
  machine = await bootWithScripts();
  minutely = await bootWithScripts();
  await start(SOCKET, { status: "UP" }, minutely);
  await setLoad(33, minutely);
  const cron = await Bun.file(`${SCRIPTS}/hapgent-load.cron`).text();
  await minutely.write("/etc/cron.d/hapgent-load", cron);
  await minutely.run("systemctl start hapgent-load.timer");
});

afterAll(async () => {
  await machine[Symbol.asyncDispose]();
  await minutely[Symbol.asyncDispose]();
});

async function bootWithScripts(): Promise<Machine> {
  const booted = await bootMachine({
    files: {
      "/etc/haproxy/haproxy.cfg": HAPROXY,
      "/srv/one/name": "one",
      "/srv/two/name": "two",
      "/etc/systemd/system/hapgent-load.service.d/test.conf": LOAD,
    },
    binds: {
      "/usr/bin/hapgent": EXECUTABLE,
      "/usr/lib/systemd/system/hapgent.service": `${ROOT}deploy/systemd/hapgent.service`,
      "/usr/lib/systemd/system/hapgent@.service": `${ROOT}deploy/systemd/hapgent@.service`,
      "/usr/lib/sysusers.d/hapgent.conf": `${ROOT}deploy/systemd/sysusers.conf`,
      "/usr/local/bin/hapgent-deploy": `${SCRIPTS}/hapgent-deploy`,
      "/usr/local/bin/hapgent-load": `${SCRIPTS}/hapgent-load`,
      "/etc/systemd/system/hapgent-load.service": `${SCRIPTS}/hapgent-load.service`,
      "/etc/systemd/system/hapgent-load.timer": `${SCRIPTS}/hapgent-load.timer`,
    },
  });
  await booted.run("systemd-sysusers");
  await booted.run("cp /proc/loadavg /run/loadavg");
  await booted.run("mount --bind /run/loadavg /proc/loadavg");
  return booted;
}

/** Starts the agent anew with these settings and this state. */
async function start(environment: string, state: object, on = machine): Promise<void> {
  await on.write("/etc/default/hapgent", environment);
  await on.write(STATE, JSON.stringify(state));
  await on.run("chown -R hapgent:hapgent /var/lib/hapgent");
  await on.run("systemctl restart hapgent");
}

/** Makes the machine look as if each of its cores had so much to do, in hundredths. */
async function setLoad(perCore: number, on = machine): Promise<void> {
  const cores = Number(await on.run("nproc"));
  const load = ((perCore * cores) / 100).toFixed(2);
  await on.write("/run/loadavg", `${load} 0.00 0.00 1/100 12345\n`);
}

/** The reply of an agent, asked by a probe: whoever else asks is a poller, which `wait` waits for. */
async function status(port = 9777): Promise<string> {
  return await machine.run(`hapgent status 127.0.0.1:${port}`);
}

/** Which instances HAProxy sends somebody to, out of so many requests. */
async function instances(): Promise<string> {
  const names = new Set<string>();
  for (let request = 1; request <= 4; request += 1) {
    const ask =
      "printf 'GET /name HTTP/1.0\\r\\n\\r\\n' | socat -t5 - TCP:127.0.0.1:8080 | tail -n 1";
    names.add(await machine.run(["sh", "-c", ask]));
  }
  return [...names].toSorted().join(" ");
}

test.each([
  [0, { status: "UP", maxconn: 7 }, "UP 100% maxconn:7"],
  [8, { status: "READY", weight: 1, reason: '"weight": 5' }, "READY 92%"],
  [50, { weight: null, status: "DRAIN" }, "DRAIN 50%"],
  [100, { status: "UP", weight: 0 }, "UP 10%"],
  [730, { maxconn: 3, weight: 200, status: "DOWN" }, "DOWN 10% maxconn:3"],
])("with %i% of each core to do, %j becomes %s", async (load, state, reply) => {
  await start(SOCKET, state);
  await setLoad(load);
  await machine.run("systemctl start hapgent-load");
  expect(await machine.ask()).toBe(reply);
  const { weight: _, ...rest } = JSON.parse(await machine.read(STATE));
  const { weight: __, ...expected } = state as { weight?: number | null };
  expect(rest).toEqual(expected);
  expect(await machine.run(`stat --format=%U:%a ${STATE}`)).toBe("hapgent:644");
  const files = await machine.run("ls -A /var/lib/hapgent");
  expect(files.split("\n")).toEqual(["services", "state.json"]);
});

test("nobody ever reads half a state file, and what is the same is not written again", async () => {
  await start(SOCKET, { status: "UP", weight: 100 });
  await setLoad(20);
  await using poller = await startPoller(machine);
  for (let round = 1; round <= 10; round += 1) {
    await setLoad(20 + round);
    await machine.run("systemctl start hapgent-load");
  }
  await machine.answers("UP 70%");
  const replies = Object.keys(await poller.stop());
  expect(replies.filter((reply) => !/^UP \d+%\n$/.test(reply))).toEqual([]);
  // The poller saw most of them; the last may have come after its last look.
  expect(replies.length).toBeGreaterThan(5);
  const inode = await machine.run(`stat --format=%i ${STATE}`);
  await machine.run("systemctl start hapgent-load");
  expect(await machine.run(`stat --format=%i ${STATE}`)).toBe(inode);
});

test("a state file that is invalid is left alone", async () => {
  await start(SOCKET, { status: "up" });
  expect((await machine.try("systemctl start hapgent-load")).exitCode).not.toBe(0);
  expect(await machine.read(STATE)).toBe('{"status":"up"}');
  const journal = await machine.journal("hapgent-load.service");
  expect(journal).toContain("the weight stays: the state is FAIL");
  await machine.run("systemctl reset-failed");
});

test("without the control socket it is refused with a reason", async () => {
  await start(SOCKET, { status: "UP" });
  await setLoad(40);
  await machine.run("systemctl stop hapgent");
  const { exitCode, stderr } = await machine.try("hapgent-load");
  expect({ exitCode, file: await machine.read(STATE) }).toEqual({
    exitCode: 1,
    file: '{"status":"UP"}',
  });
  expect(stderr).toContain("no answer from /run/hapgent/hapgent.sock");
});

test("a DOWN at the same moment is never undone", async () => {
  await start(SOCKET, { status: "UP" });
  const pid = await machine.property("hapgent", "MainPID");
  for (let round = 1; round <= 20; round += 1) {
    await machine.run(["kill", "-USR1", pid]);
    await machine.answers(round === 1 ? "UP" : `UP ${100 - round + 1}%`);
    await setLoad(round);
    const pause = (round * 0.003).toFixed(3);
    await machine.run(["sh", "-c", `hapgent-load & sleep ${pause}; kill -USR2 ${pid}; wait`]);
    await machine.answers(`DOWN ${100 - round}%`);
    const saved = { status: "DOWN", weight: 100 - round };
    await until("both are saved", async () =>
      Bun.deepEquals(JSON.parse(await machine.read(STATE)), saved),
    );
  }
});

test("an instance is taken out, deployed and put back, and no request fails", async () => {
  await start(SOCKET, { status: "UP" });
  for (const [name, port] of [
    ["one", 8001],
    ["two", 8002],
  ] as const) {
    const server = `python3 -m http.server --bind 127.0.0.1 --directory /srv/${name} ${port}`;
    await machine.run(`systemd-run --unit=web-${name} ${server}`);
  }
  await machine.run("systemctl restart haproxy");
  await until("both serve", async () => (await instances()) === "one two");
  await using poller = await startPoller(machine, "http://127.0.0.1:8080/name");
  // A deployment that takes a while, in which the service is not there at all.
  const deployment =
    "kill $(systemctl show -P MainPID web-one); sleep 1; printf new > /srv/one/name";
  const restart = `systemd-run --unit=web-new python3 -m http.server --bind 127.0.0.1 -d /srv/one 8001`;
  const command = ["sh", "-c", `${deployment}; ${restart}`];
  // Two health checks of HAProxy's are over in less than a second; the agent has just started.
  const options = ["--settle=1", "--pollers=1", "--url", "http://127.0.0.1:8001/name"];
  await machine.run(["hapgent-deploy", ...options, "deploying v42", ...command]);
  await until("the new one serves", async () => (await instances()) === "new two");
  const answers = await poller.stop();
  expect(Object.keys(answers).filter((answer) => !/^(new|one|two)$/.test(answer))).toEqual([]);
  expect(answers["one"]).toBeGreaterThan(0);
  expect(answers["two"]).toBeGreaterThan(20);
  expect(await status()).toBe("UP");
});

test("an instance whose deployment fails stays out", async () => {
  const { exitCode, stderr } = await machine.try([
    ...["hapgent-deploy", "--pollers=1", "deploying v43", "false"],
  ]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain(
    "hapgent deploy: the command failed (exit code 1): false; the agent says",
  );
  expect(await status()).toBe("DRAIN");
  await until("only the other serves", async () => (await instances()) === "two");
  expect(await machine.read(STATE)).toContain("failed: deploying v43");
});

test("an instance of several on a machine is deployed by its name", async () => {
  await machine.write("/etc/hapgent/two.env", "HAPGENT_PORT=9778\n");
  await machine.run("systemctl start hapgent@two");
  await machine.run([
    "hapgent-deploy",
    "--instance",
    "two",
    "--pollers=1",
    "deploying v44",
    "true",
  ]);
  expect(await status(9778)).toBe("UP");
  expect(await machine.journal("hapgent@two")).toMatch(/new=DRAIN.*new=READY.*new=UP/s);
  // It is the other one that stays out.
  expect(await status()).toBe("DRAIN");
});

test("the timer and cron run it every minute", async () => {
  const hasRun = async (unit: string, line: string) =>
    (await minutely.journal(unit)).includes(line);
  const timed = () => hasRun("hapgent-load.service", "Finished hapgent-load.service");
  const byCron = () => hasRun("cron.service", "(hapgent) CMD (hapgent-load");
  await until("the timer and cron ran it", async () => (await timed()) && (await byCron()), 75_000);
  expect(await minutely.ask()).toBe("UP 67%");
});
