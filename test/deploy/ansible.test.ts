// The role installs, changes and uninstalls an agent on booted machines: a second run changes nothing,
// a state that is there always stays, and a rolling deploy goes from host to host.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { type Output, outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";
import { hasAllFiles, listAgents } from "./installed.ts";
import { bootMachine, type Machine, startPoller } from "./machine.ts";

type Variables = Readonly<Record<string, unknown>>;

const STATE = "/etc/hapgent/state.json";
/** Where a machine serves the executable to itself, as a site of downloads would. */
const SITE = "http://127.0.0.1:8000/";

let one: Machine;
let two: Machine;
/** A copy of the role, away from this repository, where its links are files. */
let ansible: string;
/** The variables of an installation with the original's defaults, and with all that there is. */
let plain: Variables;
let full: Variables;

beforeAll(async () => {
  ansible = join(tmpdir(), "ansible");
  await output(["cp", "--archive", "--dereference", `${ROOT}deploy/ansible`, ansible]);
  const checksum = (await output(["sha256sum", EXECUTABLE])).slice(0, 64);
  plain = { hapgent_url: `${SITE}hapgent`, hapgent_checksum: checksum };
  full = {
    ...plain,
    ...{ hapgent_user: "hapgent", hapgent_group: "hapgent", hapgent_reply: "full" },
    ...{ hapgent_state_file: "/var/lib/hapgent/state.json", hapgent_status: "UP" },
    ...{ hapgent_socket: "/run/hapgent/hapgent.sock", hapgent_watch: true },
    ...{ hapgent_stop_status: "DOWN", hapgent_stop_grace: 10, hapgent_port: 9888 },
    ...{ hapgent_socket_activation: true, hapgent_socket_mode: "0660" },
    ...{ hapgent_pollers: ["127.0.0.1", "192.0.2.0/24"], hapgent_forget: 600 },
  };
  const boot = () => bootMachine({ binds: { "/srv/hapgent": EXECUTABLE } });
  [one, two] = await Promise.all([boot(), boot()]);
  for (const machine of [one, two]) {
    await machine.run("systemd-run --unit=site python3 -m http.server --directory /srv 8000");
    await until("the site", async () => (await machine.try(`curl --silent ${SITE}`)).stdout);
  }
});

afterAll(async () => {
  for (const machine of [one, two]) await machine[Symbol.asyncDispose]();
});

/** Runs a playbook against hosts: their names, machines and variables. */
async function play(
  hosts: readonly (readonly [string, Machine, Variables])[],
  flags: readonly string[] = [],
  playbook = "playbook.yml",
): Promise<Output> {
  const inventory = join(tmpdir(), "inventory.json");
  const entries = hosts.map(([name, { leader }, variables]) => {
    const connection = { ansible_connection: "ssh", ansible_host: String(leader) };
    const host = { ...connection, ansible_python_interpreter: "/usr/bin/python3", ...variables };
    return [name, { ...host, ansible_become: false }];
  });
  writeFileSync(inventory, JSON.stringify({ web: { hosts: Object.fromEntries(entries) } }));
  return await outcome(
    ["ansible-playbook", "--inventory", inventory, "--forks=10", ...flags, playbook],
    {
      cwd: ansible,
      limit: 1500,
      env: {
        ANSIBLE_ROLES_PATH: ".",
        ANSIBLE_SSH_EXECUTABLE: `${import.meta.dir}/ssh-fixture.sh`,
        ANSIBLE_SSH_TRANSFER_METHOD: "piped",
        ANSIBLE_PIPELINING: "true",
        ANSIBLE_NOCOLOR: "true",
        // The role needs no facts, and each run would take a second for them.
        ANSIBLE_GATHERING: "explicit",
        LC_ALL: "C.UTF-8",
      },
    },
  );
}

/** Plays the role to a machine, which must succeed; returns how many tasks changed something. */
async function apply(variables: Variables, ...flags: string[]): Promise<number> {
  const { stdout, stderr, exitCode } = await play([["one", one, variables]], flags);
  if (exitCode !== 0) throw new Error(stdout + stderr);
  return Number(/changed=(\d+)/.exec(stdout)?.[1]);
}

/** Leaves out what takes its time. */
const QUICK = "--skip-tags=hapgent_extras";
/** Changes nothing, and shows what it would. */
const DRY = ["--check", "--diff"];

/** Variables as they come from `-e NAME=VALUE`: texts, whatever they mean. */
function asTexts(variables: Variables): string[] {
  const pollers = variables["hapgent_pollers"];
  const texts = { ...variables, ...(pollers !== undefined && { hapgent_pollers: `'${pollers}'` }) };
  return Object.entries(texts).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
}

test("the role has no fault that ansible-lint knows, by its strictest profile", async () => {
  const files = ["playbook.yml", "rolling-deploy.yml", "hapgent"];
  const command = ["ansible-lint", "--offline", "--profile=production", ...files];
  const env = { ANSIBLE_ROLES_PATH: ".", LC_ALL: "C.UTF-8", NO_COLOR: "1" };
  const { stdout, stderr, exitCode } = await outcome(command, { cwd: ansible, env, limit: 900 });
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "" });
  expect(stderr).toContain("0 failure(s), 0 warning(s)");
});

const services = (...rows: Variables[]) => ({
  hapgent_services: rows.map((row) => ({ name: "a", status: "UP", ...row })),
});

const OTHER = { hapgent_checksum: "0".repeat(64) };

const REFUSED: Record<string, [variables: Variables, message: string]> = {
  status: [{ hapgent_status: "up" }, "value of hapgent_status must be one of"],
  directory: [{ hapgent_state_file: "/etc/x" }, "expected a file in a directory of its own, got"],
  nothing: [{ hapgent_url: "" }, "Expected one of hapgent_file and hapgent_url"],
  both: [{ hapgent_file: "/none" }, "Expected one of hapgent_file and hapgent_url"],
  file: [{ hapgent_url: "", hapgent_file: "/none" }, "expected a file on the controller, got"],
  checksum: [{ hapgent_checksum: "abc" }, "hapgent_checksum: expected a SHA-256 of 64"],
  copied: [{ hapgent_url: "", hapgent_file: EXECUTABLE, ...OTHER }, ": expected the SHA-256 000"],
  downloaded: [OTHER, "The checksum for "],
  port: [{ hapgent_port: 0 }, "hapgent_port: expected 1 to 65535, got 0"],
  privileged: [{ hapgent_port: 80 }, "hapgent_port: expected 1024 or more without"],
  grace: [{ hapgent_stop_grace: 81 }, "hapgent_stop_grace: expected 1 to 80, got 81"],
  socket: [{ hapgent_socket: "" }, "hapgent_socket: expected a path in /run/hapgent, got ''"],
  path: [services({ name: "../web" }), "hapgent_follow: expected a name of 1 to 64"],
  follow: [{ hapgent_follow: [{ name: "a/b", script: "" }] }, "expected a name of 1 to 64"],
  twice: [services({}, {}), "hapgent_services: expected each name once, got a, a"],
  weight: [services({ weight: 256 }), "a: expected a weight of 0 to 255, got 256"],
  maxconn: [services({ maxconn: -1 }), "a: expected a maxconn of 0 to 65535"],
};

test("a check of a host changes nothing; nor does a wrong variable, or a wrong executable", async () => {
  expect(await apply(plain, QUICK, ...DRY)).toBeGreaterThan(0);
  expect((await one.try("ls -d /etc/hapgent")).exitCode).not.toBe(0);
  const rows = Object.entries(REFUSED);
  const { stdout } = await play(
    rows.map(([name, [variables]]) => [name, one, { ...plain, ...variables }]),
    [QUICK],
  );
  for (const [name, [, message]] of rows) {
    const [said = ""] = new RegExp(`^(?:fatal|failed): \\[${name}\\].*`, "m").exec(stdout) ?? [];
    expect(said).toContain(message);
  }
  expect((await one.try("ls /usr/local/bin/hapgent")).exitCode).not.toBe(0);
});

test("it installs with the original's defaults; a second run changes nothing, and no state", async () => {
  expect(await apply(plain, QUICK)).toBeGreaterThan(0);
  expect(await one.ask()).toBe("ready fail 100%");
  expect(await one.run(`stat --format=%U:%G ${STATE}`)).toBe("nobody:nogroup");
  expect(await one.run("systemctl is-enabled hapgent")).toBe("enabled");
  const pids = await listAgents(one);
  await one.run("systemctl kill --signal=USR2 hapgent");
  await until("the save", async () => (await one.read(STATE)).includes('"DOWN"'));
  expect(await apply({ ...plain, hapgent_status: "UP" }, QUICK)).toBe(0);
  expect(await apply(plain, QUICK, ...DRY)).toBe(0);
  expect(await listAgents(one)).toEqual(pids);
  expect(await one.ask()).toBe("ready down 100%");
  expect(await one.journal("hapgent")).not.toContain("in place");
});

test("what changed restarts it: all options together, as texts or not, with the address held by systemd", async () => {
  const all = {
    ...{ ...full, hapgent_pollers: "127.0.0.1 192.0.2.0/24" },
    ...{ hapgent_state: "present", hapgent_purge: "false", hapgent_version: "0.1.0" },
    ...{ hapgent_file: "", hapgent_ip: "0.0.0.0" },
  };
  const text = await Bun.file(join(ansible, "hapgent/defaults/main.yml")).text();
  // Lists of objects are no texts: those are refused.
  const lists = ["hapgent_services", "hapgent_follow"];
  const names = Object.keys(Bun.YAML.parse(text) as object).filter((name) => !lists.includes(name));
  expect(Object.keys(all).toSorted()).toEqual(names.toSorted());
  const pids = await listAgents(one);
  await apply({}, QUICK, ...asTexts(all));
  await one.answers("ready up 100%", 9888);
  expect(await listAgents(one)).not.toEqual(pids);
  const socket = "/run/hapgent/hapgent.sock";
  expect(await one.run(`stat --format=%U:%G:%a ${socket}`)).toBe("hapgent:hapgent:660");
  // Root's commands find it without any setting.
  expect(await one.run("hapgent status")).toBe("ready up 100%");
  expect(await one.run("hapgent ctl show state")).toContain('"UP"');
  expect(await apply(full, QUICK)).toBe(0);
  const poller = startPoller(one, 9888);
  await one.run("rm /usr/local/bin/hapgent");
  expect(await apply(full, QUICK)).toBeGreaterThan(0);
  expect(await poller.stop()).toEqual(["ready down 100%", "ready up 100%"]);
});

test("services start with their states, another one needs no restart, and a text that says false is false", async () => {
  const web = { name: "web", status: "UP", weight: "50" };
  const api = { name: "api", status: "DRAIN", maxconn: 9, reason: "later" };
  const variables = { ...full, hapgent_watch: "false", hapgent_socket_activation: "false" };
  await apply({ ...variables, hapgent_services: [web] }, QUICK);
  expect(await one.run("hapgent status --send web")).toBe("ready up 50%");
  expect(await one.read("/etc/default/hapgent")).toContain("\nHAPGENT_WATCH=off\n");
  expect((await one.try("systemctl is-active hapgent.socket")).stdout).toBe("inactive\n");
  await one.run("hapgent ctl @web set weight 60");
  const pids = await listAgents(one);
  await apply({ ...variables, hapgent_services: [{ ...web, weight: 70 }, api] }, QUICK);
  expect(await listAgents(one)).toEqual(pids);
  expect(await one.run("hapgent status --send web")).toBe("ready up 60%");
  expect(await one.run("hapgent status --send api")).toBe("up drain 100% maxconn:9 #later");
  const file = "/var/lib/hapgent/services/api.json";
  expect(await one.run(`stat --format=%U:%G:%a ${file}`)).toBe("hapgent:hapgent:644");
});

test("it is uninstalled, at first without its state", async () => {
  await apply({}, QUICK, ...asTexts({ ...full, hapgent_state: "absent", hapgent_purge: "false" }));
  expect(await listAgents(one)).toEqual([]);
  expect(await one.read("/var/lib/hapgent/state.json")).toContain("UP");
  const purge = { ...full, hapgent_state: "absent", hapgent_purge: true };
  await apply(purge, QUICK);
  expect(await apply(purge, QUICK)).toBe(0);
  expect(await one.run("find / -xdev -name *hapgent* -not -path /proc/*")).toBe("/srv/hapgent");
  expect((await one.try("getent passwd hapgent")).exitCode).toBe(2);
});

/** What two hosts have: all of it, and a state that follows a command. */
const pair = () => {
  const variables = {
    ...{ ...full, hapgent_port: 9777, hapgent_reply: "", hapgent_stop_status: "" },
    hapgent_follow: [{ name: "web", script: "hapgent-follow true\n" }],
  };
  return [
    ["one", one, variables],
    ["two", two, variables],
  ] as const;
};

test("on two hosts it installs all that the installer does, for a user who is there", async () => {
  for (const machine of [one, two]) {
    await machine.sh(`useradd --system --home-dir /srv --shell /bin/bash hapgent
      install -d -o hapgent -g hapgent /var/lib/hapgent`);
    await machine.write("/var/lib/hapgent/state.json", '{"status": "UP"}');
    await machine.run("chown hapgent:hapgent /var/lib/hapgent/state.json");
  }
  const { stdout, stderr, exitCode } = await play(pair());
  expect({ exitCode, said: exitCode === 0 ? "" : stdout + stderr }).toEqual({
    exitCode: 0,
    said: "",
  });
  await hasAllFiles(one, "systemd");
  expect(await one.run("getent passwd hapgent")).toMatch(/:\/srv:\/bin\/bash$/);
  expect(await one.run("systemctl is-enabled hapgent-follow@web.timer")).toBe("enabled");
  // A run while the agent restarted may have failed.
  const follower = (name: string) => one.property("hapgent-follow@web", name);
  const isFollowed = async () =>
    (await follower("ExecMainExitTimestamp")) !== "" && (await follower("Result")) === "success";
  await until("it is followed", isFollowed, 180_000);
});

/** Deploys with a command; `words` are the first ones of what each host's agent answered meanwhile. */
async function deploy(command: string) {
  // The agents have just started, and nobody says who their load balancers are.
  const options = { deploy_url: SITE, deploy_settle: 0, deploy_options: ["--pollers=1"] };
  const flags = ["--extra-vars", JSON.stringify({ ...options, deploy_command: command })];
  const pollers = [startPoller(one), startPoller(two)];
  const ended = await play(pair(), flags, "rolling-deploy.yml");
  const replies = await Promise.all(pollers.map((poller) => poller.stop()));
  const words = replies.map((all) => [...new Set(all.map((reply) => reply.split(" ")[0]))]);
  return { ...ended, words };
}

test("a rolling deploy takes out one host after another, and puts each back", async () => {
  const time = "date +%s%N >>/srv/times";
  const { stdout, exitCode, words } = await deploy(`${time}; sleep 1; ${time}`);
  expect({ exitCode, said: exitCode === 0 ? "" : stdout }).toEqual({ exitCode: 0, said: "" });
  expect(words).toEqual(Array.from({ length: 2 }, () => ["DRAIN", "READY", "UP"]));
  const text = `${await one.read("/srv/times")}\n${await two.read("/srv/times")}`;
  expect(text.split("\n")).toEqual(text.split("\n").toSorted());
});

test("a rolling deploy ends at the first host where it fails", async () => {
  const { stdout, exitCode, words } = await deploy("false");
  expect(exitCode).not.toBe(0);
  expect(stdout).toContain("the command failed");
  expect(words).toEqual([["DRAIN", "UP"], ["UP"]]);
  expect(await one.ask()).toStartWith("DRAIN");
});

test("a purge leaves what the role did not create", async () => {
  await one.write("/etc/hapgent/web.env", "HAPGENT_PORT=9801\n");
  await one.write("/etc/hapgent/db.env", "HAPGENT_PORT=9802\n");
  const address = "[Socket]\nListenStream=127.0.0.1:9802\n";
  await one.write("/etc/systemd/system/hapgent@db.socket.d/address.conf", address);
  await one.sh("systemctl daemon-reload; systemctl start hapgent@web hapgent@db.socket");
  await one.answers("UP", 9802);
  const [[, , variables]] = pair();
  await apply({ ...variables, hapgent_state: "absent", hapgent_purge: true });
  expect(await listAgents(one)).toEqual([]);
  // Nobody listens, and what follows a command has ended, too.
  expect(await one.ask(9802)).toBe("");
  expect(await one.run("systemctl list-units --no-legend --state=active hapgent*")).toBe("");
  expect(await one.run("ls /etc/hapgent")).toBe("db.env\nweb.env");
  expect(await one.read("/var/lib/hapgent/state.json")).toContain("DRAIN");
  expect(await one.run("getent passwd hapgent")).toContain(":/srv:");
  const left = await one.run("find / -xdev -name *hapgent* -not -path /proc/*");
  expect(left.split("\n").toSorted()).toEqual([
    ...["/etc/hapgent", "/etc/systemd/system/hapgent@db.socket.d"],
    ...["/srv/hapgent", "/var/lib/hapgent"],
  ]);
});
