// The scripts of deploy/scripts lose no request: a deployment that fails stays out of rotation. Cron
// makes a weight follow the load.
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

let machine: Machine;
/** On this one cron runs while the other tests do. */
let withCron: Machine;

beforeAll(async () => {
  machine = await bootWithScripts();
  withCron = await bootWithScripts();
  const load = Number(await withCron.run("nproc")) / 3;
  await withCron.write("/run/loadavg", `${load.toFixed(2)} 0.00 0.00 1/100 12345\n`);
  await withCron.run("mount --bind /run/loadavg /proc/loadavg");
  await start(SOCKET, { status: "UP" }, withCron);
  const example = await Bun.file(`${SCRIPTS}/follow/load`).text();
  await withCron.write(
    "/etc/hapgent/follow/web",
    example.replace("follow sh", "follow --rise 1 sh"),
  );
  const cron = await Bun.file(`${SCRIPTS}/hapgent-follow.cron`).text();
  await withCron.write("/etc/cron.d/hapgent-follow", cron);
});

afterAll(async () => {
  await machine[Symbol.asyncDispose]();
  await withCron[Symbol.asyncDispose]();
});

async function bootWithScripts(): Promise<Machine> {
  const booted = await bootMachine({
    files: {
      "/etc/haproxy/haproxy.cfg": HAPROXY,
      "/srv/one/name": "one",
      "/srv/two/name": "two",
    },
    binds: {
      "/usr/bin/hapgent": EXECUTABLE,
      "/usr/lib/systemd/system/hapgent.service": `${ROOT}deploy/systemd/hapgent.service`,
      "/usr/lib/systemd/system/hapgent@.service": `${ROOT}deploy/systemd/hapgent@.service`,
      "/usr/lib/sysusers.d/hapgent.conf": `${ROOT}deploy/systemd/sysusers.conf`,
      "/usr/local/bin/hapgent-deploy": `${SCRIPTS}/hapgent-deploy`,
      "/usr/local/bin/hapgent-follow": `${SCRIPTS}/hapgent-follow`,
    },
  });
  await booted.run("systemd-sysusers");
  return booted;
}

/** Starts the agent anew with these settings and this state. */
async function start(environment: string, state: object, on = machine): Promise<void> {
  await on.write("/etc/default/hapgent", environment);
  await on.write(STATE, JSON.stringify(state));
  await on.run("chown -R hapgent:hapgent /var/lib/hapgent");
  await on.run("systemctl restart hapgent");
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

test("cron runs what is followed, too", async () => {
  await until("cron ran it", async () => (await withCron.ask()) === "UP 67%", 75_000);
});
