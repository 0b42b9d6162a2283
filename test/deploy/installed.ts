import { expect } from "bun:test";
import { dirname } from "node:path";
import { bootMachine, type Machine } from "./machine.ts";
import { buildDeb } from "./packages.ts";

export const STATE = "/var/lib/hapgent/state.json";
export const SETTINGS = "/etc/default/hapgent";
export const SOCKET = "/run/hapgent/hapgent.sock";

/** What an installation brings, by the ends of its paths; a package may compress some. */
const COMMON = [
  ...["/bin/hapgent", "/bin/hapgent-deploy", "/bin/hapgent-follow", SETTINGS, STATE],
  ...["bash-completion/completions/hapgent", "vendor_completions.d/hapgent.fish", "/_hapgent"],
  ...["/haproxy/haproxy.cfg", "/hapgent/THIRD_PARTY_NOTICES"],
];
const FILES = {
  systemd: [
    ...COMMON,
    ...["hapgent.service", "hapgent.socket", "hapgent@.service", "hapgent@.socket"],
    ...["hapgent-follow@.service", "hapgent-follow@.timer"],
  ],
  sysv: [...COMMON, "/etc/init.d/hapgent"],
};

/** Expects a machine to have everything that an installation brings. */
export async function hasAllFiles(machine: Machine, init: keyof typeof FILES): Promise<void> {
  const files = (await machine.inventory()).map((path) => path.replace(/\.gz$/, ""));
  expect(FILES[init].filter((end) => !files.some((path) => path.endsWith(end)))).toEqual([]);
}

/** The processes of agents: they have no arguments, as commands have that may run beside them. */
export async function listAgents(machine: Machine): Promise<string[]> {
  const { stdout } = await machine.try("pgrep -xf (/usr(/local)?/bin/)?hapgent");
  return stdout.split("\n").filter(Boolean);
}

/** Boots a machine that has the Debian package. */
export async function bootInstalled(init: "systemd" | "sysv"): Promise<Machine> {
  const machine = await bootMachine({ init, binds: { "/srv/hapgent.deb": await buildDeb() } });
  await machine.run("dpkg --install /srv/hapgent.deb");
  return machine;
}

/** Writes a state file of the agent's user. */
export async function writeState(
  machine: Machine,
  file: string,
  state: object | string,
): Promise<void> {
  await machine.write(file, typeof state === "string" ? state : JSON.stringify(state));
  await machine.run(`chown hapgent:hapgent ${file} ${dirname(file)}`);
}
