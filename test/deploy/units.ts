import { dirname } from "node:path";
import { bootMachine, type Machine } from "./machine.ts";
import { buildDeb } from "./packages.ts";

export const STATE = "/var/lib/hapgent/state.json";
export const SETTINGS = "/etc/default/hapgent";
export const SOCKET = "/run/hapgent/hapgent.sock";

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

/** Shows the state by the control socket, as a user who is in this group alone. */
export function showAs(machine: Machine, group: string) {
  const user = `setpriv --reuid=nobody --regid=nogroup --groups=${group}`;
  return machine.try(`${user} hapgent ctl show state`);
}
