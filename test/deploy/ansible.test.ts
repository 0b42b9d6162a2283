// The role installs, changes and uninstalls an agent on a booted machine: a second run changes
// nothing, and a state that is there always stays.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { type Output, outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";
import { bootMachine, type Machine, startPoller } from "./machine.ts";

const ANSIBLE = `${ROOT}deploy/ansible`;
const STATE = "/etc/hapgent/state.json";
/** Where the machine serves the executable to itself, as a site of downloads would. */
const URL = "http://127.0.0.1:8000/hapgent";

let machine: Machine;
let checksum: string;

beforeAll(async () => {
  machine = await bootMachine({ binds: { "/srv/hapgent": EXECUTABLE } });
  checksum = (await output(["sha256sum", EXECUTABLE])).slice(0, 64);
  await machine.run("systemd-run --unit=downloads python3 -m http.server --directory /srv 8000");
});

afterAll(async () => {
  await machine[Symbol.asyncDispose]();
});

/** Runs the example playbook against the machine. */
async function play(variables: object, ...flags: string[]): Promise<Output> {
  const inventory = join(tmpdir(), "inventory.ini");
  writeFileSync(
    inventory,
    "machine ansible_connection=ssh ansible_python_interpreter=/usr/bin/python3\n",
  );
  return await outcome(
    [
      ...["ansible-playbook", "--inventory", inventory, "--diff", ...flags],
      ...["--extra-vars", JSON.stringify({ ansible_become: false, ...variables }), "playbook.yml"],
    ],
    {
      cwd: ANSIBLE,
      limit: 120,
      env: {
        LEADER: String(machine.leader),
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
  ...{ hapgent_socket_activation: true },
});

test("the role has no fault that ansible-lint knows, by its strictest profile", async () => {
  const command = ["ansible-lint", "--offline", "--profile=production", "playbook.yml", "hapgent"];
  const { stdout, stderr, exitCode } = await outcome(command, {
    cwd: ANSIBLE,
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

test.each([
  [{ hapgent_status: "up" }, "value of hapgent_status must be one of"],
  [{ hapgent_state_file: "/etc/state.json" }, "a directory of its own"],
  [{ hapgent_url: "" }, "one of hapgent_file and hapgent_url"],
])("%j is refused", async (variables, message) => {
  const { stdout, exitCode } = await play({ ...DOWNLOAD(), ...variables });
  expect(exitCode).not.toBe(0);
  expect(stdout).toContain(message);
});

test("it installs with the original's defaults, and a second run changes nothing", async () => {
  expect(await apply(DOWNLOAD())).toBeGreaterThan(0);
  expect(await machine.ask()).toBe("FAIL");
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
  expect(await machine.ask()).toBe("DOWN");
  expect(await machine.journal("hapgent")).not.toContain("in place");
});

test("what changed restarts it, once", async () => {
  const pid = await mainPid();
  await apply({ ...DOWNLOAD(), hapgent_port: 9888 });
  expect(await machine.ask(9888)).toBe("DOWN");
  expect(await mainPid()).not.toBe(pid);
});

test("all options together, with the address held by systemd", async () => {
  await apply(OWN());
  await machine.answers("ready up 100%", 9888);
  expect(await machine.run("systemctl is-active hapgent.socket")).toBe("active");
  expect(await apply(OWN())).toBe(0);
  await using poller = await startPoller(machine, 9888);
  await machine.run("rm /usr/local/bin/hapgent");
  expect(await apply(OWN())).toBeGreaterThan(0);
  const replies = Object.keys(await poller.stop());
  expect(replies.toSorted()).toEqual(["ready down 100%\n", "ready up 100%\n"]);
  const environment = { HAPGENT_SOCKET: "/run/hapgent/hapgent.sock" };
  expect(await machine.run("hapgent ctl show state", { env: environment })).toContain('"UP"');
});

test("it is uninstalled, at first without its state", async () => {
  await apply({ ...OWN(), hapgent_state: "absent" });
  expect((await machine.try("pgrep -x hapgent")).stdout).toBe("");
  expect(await machine.read("/var/lib/hapgent/state.json")).toContain("UP");
  await apply({ ...OWN(), hapgent_state: "absent", hapgent_purge: true });
  expect(await apply({ ...OWN(), hapgent_state: "absent", hapgent_purge: true })).toBe(0);
  await machine.run("rm -r /etc/hapgent");
  const left = await machine.run("find / -xdev -name *hapgent* -not -path /proc/*");
  expect(left).toBe("/srv/hapgent");
  expect((await machine.try("getent passwd hapgent")).exitCode).toBe(2);
});
