// The role installs, changes and uninstalls an agent on a booted machine: a second run changes
// nothing, and a state that is there always stays.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { type Output, outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";
import { bootMachine, type Machine, startPoller } from "./machine.ts";

const STATE = "/etc/hapgent/state.json";
/** Where the machine serves the executable to itself, as a site of downloads would. */
const URL = "http://127.0.0.1:8000/hapgent";

let machine: Machine;
let checksum: string;
/** A copy of the role, away from this repository, where its links are files. */
let ansible: string;

beforeAll(async () => {
  ansible = join(tmpdir(), "ansible");
  await output(["cp", "--archive", "--dereference", `${ROOT}deploy/ansible`, ansible]);
  machine = await bootMachine({ binds: { "/srv/hapgent": EXECUTABLE } });
  checksum = (await output(["sha256sum", EXECUTABLE])).slice(0, 64);
  await machine.run("systemd-run --unit=downloads python3 -m http.server --directory /srv 8000");
});

afterAll(async () => {
  await machine[Symbol.asyncDispose]();
});

/** Plays the role to the machine, without the extras, which take their time. */
async function play(variables: object, ...flags: string[]): Promise<Output> {
  return await playOn({ machine: { machine, variables } }, [
    "--skip-tags=hapgent_extras",
    ...flags,
  ]);
}

/** Runs a playbook against hosts with variables of their own. */
async function playOn(
  hosts: Record<string, { machine: Machine; variables: object }>,
  flags: readonly string[],
  playbook = "playbook.yml",
): Promise<Output> {
  const inventory = join(tmpdir(), "inventory.json");
  const entries = Object.entries(hosts).map(
    ([
      name,
      {
        machine: { leader },
        variables,
      },
    ]) => {
      const connection = { ansible_connection: "ssh", ansible_host: String(leader) };
      const host = { ...connection, ansible_python_interpreter: "/usr/bin/python3", ...variables };
      return [name, { ...host, ansible_become: false }];
    },
  );
  writeFileSync(inventory, JSON.stringify({ web: { hosts: Object.fromEntries(entries) } }));
  return await outcome(
    ["ansible-playbook", "--inventory", inventory, "--diff", "--forks=10", ...flags, playbook],
    {
      cwd: ansible,
      limit: 600,
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

/** Runs the playbook, which must succeed, and returns how many tasks changed something. */
async function apply(variables: object, ...flags: string[]): Promise<number> {
  const { stdout, stderr, exitCode } = await play(variables, ...flags);
  if (exitCode !== 0) throw new Error(stdout + stderr);
  return Number(/changed=(\d+)/.exec(stdout)?.[1]);
}

async function mainPid(): Promise<string> {
  return await machine.property("hapgent", "MainPID");
}

const DOWNLOAD = () => ({ hapgent_url: URL, hapgent_checksum: checksum });
const OWN = () => ({
  ...DOWNLOAD(),
  ...{ hapgent_user: "hapgent", hapgent_group: "hapgent", hapgent_reply: "full" },
  ...{ hapgent_state_file: "/var/lib/hapgent/state.json", hapgent_status: "UP" },
  ...{ hapgent_socket: "/run/hapgent/hapgent.sock", hapgent_watch: true },
  ...{ hapgent_stop_status: "DOWN", hapgent_stop_grace: 2, hapgent_port: 9888 },
  ...{ hapgent_socket_activation: true, hapgent_socket_mode: "0660" },
  ...{ hapgent_pollers: ["127.0.0.1", "192.0.2.0/24"], hapgent_forget: 600 },
});

/** Variables as they come from `-e NAME=VALUE`: texts, whatever they mean. */
function asStrings(variables: Record<string, unknown>): string[] {
  return Object.entries(variables).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
}

/** A variable of each name that the role has, as texts. */
const STRINGS = () => ({
  ...OWN(),
  ...{ hapgent_state: "present", hapgent_purge: "false", hapgent_version: "0.1.0" },
  ...{ hapgent_pollers: "'127.0.0.1 192.0.2.0/24'", hapgent_forget: "600" },
  ...{ hapgent_file: "", hapgent_ip: "0.0.0.0", hapgent_watch: "true" },
  ...{ hapgent_stop_grace: "2", hapgent_port: "9888", hapgent_socket_activation: "true" },
});

const SERVICES = (...names: string[]) => ({
  hapgent_services: names.map((name) => ({ name, status: "UP" })),
});

test("the role has no fault that ansible-lint knows, by its strictest profile", async () => {
  const files = ["playbook.yml", "rolling-deploy.yml", "hapgent"];
  const command = ["ansible-lint", "--offline", "--profile=production", ...files];
  const { stdout, stderr, exitCode } = await outcome(command, {
    cwd: ansible,
    env: { ANSIBLE_ROLES_PATH: ".", LC_ALL: "C.UTF-8", NO_COLOR: "1" },
  });
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "" });
  expect(stderr).toContain("0 failure(s), 0 warning(s)");
});

test("a check of a host that has nothing changes nothing", async () => {
  expect(await apply(DOWNLOAD(), "--check")).toBeGreaterThan(0);
  expect((await machine.try("ls /etc/hapgent /usr/local/bin/hapgent")).exitCode).not.toBe(0);
});

test("an executable with another checksum is not installed", async () => {
  const wrong = "0".repeat(64);
  for (const source of [{ hapgent_url: URL }, { hapgent_file: EXECUTABLE }]) {
    expect((await play({ ...source, hapgent_checksum: wrong })).exitCode).not.toBe(0);
    expect((await machine.try("ls /usr/local/bin/hapgent")).exitCode).not.toBe(0);
  }
});

const REFUSED: Record<string, [variables: object, message: string]> = {
  status: [{ hapgent_status: "up" }, "value of hapgent_status must be one of"],
  directory: [
    { hapgent_state_file: "/etc/state.json" },
    "hapgent_state_file: expected a file in a directory of its own, got /etc/state.json",
  ],
  nothing: [{ hapgent_url: "" }, "Expected one of hapgent_file and hapgent_url"],
  both: [{ hapgent_file: "/none" }, "Expected one of hapgent_file and hapgent_url"],
  file: [
    { hapgent_url: "", hapgent_file: "/none" },
    "hapgent_file: expected a file on the controller, got '/none'",
  ],
  checksum: [{ hapgent_checksum: "abc" }, "hapgent_checksum: expected a SHA-256 of 64"],
  port: [{ hapgent_port: 0 }, "hapgent_port: expected 1 to 65535, got 0"],
  privileged: [{ hapgent_port: 80 }, "hapgent_port: expected 1024 or more without"],
  grace: [{ hapgent_stop_grace: 81 }, "hapgent_stop_grace: expected 1 to 80, got 81"],
  socket: [{ hapgent_socket: "" }, "hapgent_socket: expected a path in /run/hapgent, got ''"],
  service: [{ hapgent_services: [{ name: "web" }] }, "missing required arguments: status"],
  text: [{ hapgent_services: "web" }, "hapgent_services"],
  follow: [{ hapgent_follow: "web" }, "hapgent_follow"],
  path: [SERVICES("../web"), "hapgent_services: expected a name of 1 to 64"],
  twice: [SERVICES("web", "web"), "hapgent_services: expected each name once, got web, web"],
  weight: [
    { hapgent_services: [{ name: "a", status: "UP", weight: 256 }] },
    "hapgent_services: a: expected a weight of 0 to 255, got 256",
  ],
  maxconn: [
    { hapgent_services: [{ name: "a", status: "UP", maxconn: -1 }] },
    "hapgent_services: a: expected a maxconn of 0 to 65535, got -1",
  ],
};

test("a wrong variable is refused, with its name, what was expected and what came", async () => {
  const hosts = Object.entries(REFUSED).map(([name, [variables]]) => [
    name,
    { machine, variables: { ...DOWNLOAD(), ...variables } },
  ]);
  const { stdout } = await playOn(Object.fromEntries(hosts), []);
  for (const [name, [, message]] of Object.entries(REFUSED)) {
    const [said = ""] = new RegExp(`^(?:fatal|failed): \\[${name}\\].*`, "m").exec(stdout) ?? [];
    expect(said).toContain(message);
  }
});

test("it installs with the original's defaults, and a second run changes nothing", async () => {
  expect(await apply(DOWNLOAD())).toBeGreaterThan(0);
  expect(await machine.ask()).toBe("ready fail 100%");
  expect(await machine.run(["stat", "--format=%U:%G", STATE])).toBe("nobody:nogroup");
  expect(await machine.run("systemctl is-enabled hapgent")).toBe("enabled");
  const pid = await mainPid();
  expect(await apply(DOWNLOAD())).toBe(0);
  expect(await apply(DOWNLOAD(), "--check")).toBe(0);
  expect(await mainPid()).toBe(pid);
});

test("a state that is there stays, whatever the role says", async () => {
  await machine.run("systemctl kill --signal=USR2 hapgent");
  await until("the save", async () => (await machine.read(STATE)).includes('"DOWN"'));
  expect(await apply({ ...DOWNLOAD(), hapgent_status: "UP" })).toBe(0);
  expect(await machine.ask()).toBe("ready down 100%");
  expect(await machine.journal("hapgent")).not.toContain("in place");
});

test("what changed restarts it, once; a text that says false is false", async () => {
  const pid = await mainPid();
  const off = ["hapgent_watch", "hapgent_socket_activation", "hapgent_purge"];
  const strings = Object.fromEntries(off.map((name) => [name, "false"]));
  await apply(
    DOWNLOAD(),
    ...asStrings({ ...strings, hapgent_port: "9888", hapgent_reply: "exact" }),
  );
  expect(await machine.ask(9888)).toBe("DOWN");
  expect(await mainPid()).not.toBe(pid);
  expect(await machine.read("/etc/default/hapgent")).toContain("\nHAPGENT_WATCH=off\n");
  expect((await machine.try("systemctl is-active hapgent.socket")).stdout).toBe("inactive\n");
});

test("all options together, as texts or not, with the address held by systemd", async () => {
  const defaults = Bun.YAML.parse(
    await Bun.file(join(ansible, "hapgent/defaults/main.yml")).text(),
  ) as object;
  // Lists of objects are no texts: those are refused.
  const lists = ["hapgent_services", "hapgent_follow"];
  const names = Object.keys(defaults).filter((name) => !lists.includes(name));
  expect(Object.keys(STRINGS()).toSorted()).toEqual(names.toSorted());
  await apply({}, ...asStrings(STRINGS()));
  await machine.answers("ready up 100%", 9888);
  const socket = "/run/hapgent/hapgent.sock";
  expect(await machine.run(`stat --format=%U:%G:%a ${socket}`)).toBe("hapgent:hapgent:660");
  expect(await machine.run("systemctl is-active hapgent.socket")).toBe("active");
  expect(await apply(OWN())).toBe(0);
  await using poller = await startPoller(machine, 9888);
  await machine.run("rm /usr/local/bin/hapgent");
  expect(await apply(OWN())).toBeGreaterThan(0);
  const replies = Object.keys(await poller.stop());
  expect(replies.toSorted()).toEqual(["ready down 100%\n", "ready up 100%\n"]);
});

test("root's commands find the agent without any setting", async () => {
  expect(await machine.run("hapgent status")).toBe("ready up 100%");
  expect(await machine.run("hapgent check")).toStartWith("ready up 100%");
  expect(await machine.run("hapgent ctl show state")).toContain('"UP"');
});

test("services start with their states, and another one needs no restart", async () => {
  const web = { name: "web", status: "UP", weight: "50" };
  const api = { name: "api", status: "DRAIN", maxconn: 9, reason: "later" };
  const variables = { ...OWN(), hapgent_watch: false };
  await apply({ ...variables, hapgent_services: [web] });
  expect(await machine.run("hapgent status --send web")).toBe("ready up 50%");
  await machine.run("hapgent ctl @web set weight 60");
  const pid = await mainPid();
  await apply({ ...variables, hapgent_services: [{ ...web, weight: 70 }, api] });
  expect(await mainPid()).toBe(pid);
  expect(await machine.run("hapgent status --send web")).toBe("ready up 60%");
  expect(await machine.run("hapgent status --send api")).toBe("up drain 100% maxconn:9 #later");
  const file = "/var/lib/hapgent/services/api.json";
  expect(await machine.run(["stat", "--format=%U:%G:%a", file])).toBe("hapgent:hapgent:644");
});

test("it is uninstalled, at first without its state", async () => {
  // As texts, of which "false" is no yes.
  const absent = { hapgent_state: "absent", hapgent_purge: "false" };
  await apply({}, ...asStrings({ ...STRINGS(), ...absent }));
  expect((await machine.try("pgrep -x hapgent")).stdout).toBe("");
  expect(await machine.read("/var/lib/hapgent/state.json")).toContain("UP");
  await apply({ ...OWN(), hapgent_state: "absent", hapgent_purge: true });
  expect(await apply({ ...OWN(), hapgent_state: "absent", hapgent_purge: true })).toBe(0);
  const left = await machine.run("find / -xdev -name *hapgent* -not -path /proc/*");
  expect(left).toBe("/srv/hapgent");
  expect((await machine.try("getent passwd hapgent")).exitCode).toBe(2);
});

describe("on two hosts", () => {
  let hosts: Record<"one" | "two", Machine>;
  const site = () => ({
    one: { machine: hosts.one, variables: SITE() },
    two: { machine: hosts.two, variables: SITE() },
  });
  const SITE = () => ({
    ...{ ...OWN(), hapgent_port: 9777, hapgent_reply: "", hapgent_stop_status: "" },
    hapgent_follow: [{ name: "web", script: "hapgent-follow true\n" }],
  });
  /** Deploys with a command. */
  const deploy = async (command: string) => {
    const url = "http://127.0.0.1:8001/";
    // The agents have just started, and nobody says who their load balancers are.
    const options = { deploy_url: url, deploy_settle: 0, deploy_options: ["--pollers=1"] };
    const variables = { ...options, deploy_command: command };
    const flags = ["--extra-vars", JSON.stringify(variables)];
    return await playOn(site(), flags, "rolling-deploy.yml");
  };

  beforeAll(async () => {
    const two = await bootMachine({ binds: { "/srv/hapgent": EXECUTABLE } });
    hosts = { one: machine, two };
    const serve = "systemd-run --unit=downloads python3 -m http.server --directory /srv 8000";
    await two.run(serve);
    for (const host of Object.values(hosts)) {
      await host.run("systemd-run --unit=web python3 -m http.server --directory /srv 8001");
      // An operator's own, which a purge leaves.
      await host.run("useradd --system --home-dir /srv --shell /bin/bash hapgent");
      await host.write("/var/lib/hapgent/state.json", '{"status": "UP"}');
      await host.run("chown -R hapgent:hapgent /var/lib/hapgent");
    }
  });

  afterAll(async () => {
    await hosts.two[Symbol.asyncDispose]();
  });

  test("the role installs all that the installer does", async () => {
    const { stdout, stderr, exitCode } = await playOn(site(), []);
    expect({ exitCode, text: exitCode === 0 ? "" : stdout + stderr }).toEqual({
      exitCode: 0,
      text: "",
    });
    const listed = await machine.run("find /usr/local /etc/systemd/system -type f -name *hapgent*");
    expect(listed.split("\n").toSorted()).toEqual([
      "/etc/systemd/system/hapgent-follow@.service",
      "/etc/systemd/system/hapgent-follow@.timer",
      "/etc/systemd/system/hapgent.service",
      "/etc/systemd/system/hapgent.socket",
      "/etc/systemd/system/hapgent@.service",
      "/etc/systemd/system/hapgent@.socket",
      "/usr/local/bin/hapgent",
      "/usr/local/bin/hapgent-deploy",
      "/usr/local/bin/hapgent-follow",
      "/usr/local/share/bash-completion/completions/hapgent",
      "/usr/local/share/fish/vendor_completions.d/hapgent.fish",
      "/usr/local/share/man/man8/hapgent-deploy.8",
      "/usr/local/share/man/man8/hapgent-follow.8",
      "/usr/local/share/man/man8/hapgent.8",
      "/usr/local/share/zsh/site-functions/_hapgent",
    ]);
    const samples = await machine.run("ls /usr/local/share/doc/hapgent/haproxy");
    expect(samples.split("\n")).toContain("haproxy.cfg");
    expect(await machine.run("getent passwd hapgent")).toMatch(/:\/srv:\/bin\/bash$/);
    expect(await machine.run("systemctl is-enabled hapgent-follow@web.timer")).toBe("enabled");
    // A run while the agent restarted may have failed.
    const ended = () => machine.property("hapgent-follow@web", "ExecMainExitTimestamp");
    const result = () => machine.property("hapgent-follow@web", "Result");
    const isFollowed = async () => (await ended()) !== "" && (await result()) === "success";
    await until("it is followed", isFollowed, 40_000).catch(async (error: Error) => {
      throw new Error(`${error.message}: ${await machine.journal("hapgent-follow@web")}`);
    });
  });

  test("a rolling deploy takes out one host after another, and puts each back", async () => {
    const pollers = await Promise.all(Object.values(hosts).map((host) => startPoller(host)));
    const command = "date +%s%N >/srv/begin; sleep 1; date +%s%N >/srv/end";
    const { stdout, exitCode } = await deploy(command);
    expect({ exitCode, text: exitCode === 0 ? "" : stdout }).toEqual({ exitCode: 0, text: "" });
    const times: number[] = [];
    for (const host of Object.values(hosts)) {
      times.push(Number(await host.read("/srv/begin")), Number(await host.read("/srv/end")));
    }
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    for (const poller of pollers) {
      const replies = Object.keys(await poller.stop()).map((reply) => reply.split(" ")[0]?.trim());
      expect([...new Set(replies)].toSorted()).toEqual(["DRAIN", "READY", "UP"]);
    }
  });

  test("a rolling deploy ends at the first host where it fails", async () => {
    const pollers = await Promise.all(Object.values(hosts).map((host) => startPoller(host)));
    const { stdout, exitCode } = await deploy("false");
    expect(exitCode).not.toBe(0);
    expect(stdout).toContain("the command failed");
    for (const poller of pollers) await poller.stop();
    expect(await hosts.one.ask()).toStartWith("DRAIN");
    expect(await hosts.two.ask()).toStartWith("UP");
  });

  test("a purge leaves what the role did not create", async () => {
    await machine.write("/etc/hapgent/web.env", "HAPGENT_PORT=9801\n");
    await machine.write("/etc/hapgent/db.env", "HAPGENT_PORT=9802\n");
    const address = "[Socket]\nListenStream=127.0.0.1:9802\n";
    await machine.write("/etc/systemd/system/hapgent@db.socket.d/address.conf", address);
    await machine.run("systemctl daemon-reload");
    await machine.run("systemctl start hapgent@web hapgent@db.socket");
    await machine.answers("UP", 9802);
    const variables = { ...SITE(), hapgent_state: "absent", hapgent_purge: true };
    const { stdout, exitCode } = await playOn({ machine: { machine, variables } }, []);
    expect({ exitCode, text: exitCode === 0 ? "" : stdout }).toEqual({ exitCode: 0, text: "" });
    expect((await machine.try("pgrep -x hapgent")).stdout).toBe("");
    expect(await machine.ask(9802)).toBe("");
    expect((await machine.try("pgrep -x hapgent")).stdout).toBe("");
    // What follows a command has ended, too, and its script is gone.
    expect(await machine.run("systemctl list-units --no-legend --state=active hapgent*")).toBe("");
    expect(await machine.run("ls /etc/hapgent")).toBe("db.env\nweb.env");
    expect(await machine.read("/var/lib/hapgent/state.json")).toContain("DRAIN");
    expect(await machine.run("getent passwd hapgent")).toContain(":/srv:");
    const left = await machine.run("find / -xdev -name *hapgent* -not -path /proc/*");
    expect(left.split("\n").toSorted()).toEqual([
      "/etc/hapgent",
      "/etc/systemd/system/hapgent@db.socket.d",
      "/srv/hapgent",
      "/var/lib/hapgent",
    ]);
  });
});
