import { dirname } from "node:path";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { ROOT } from "../../scripts/lib/shell.ts";
import { bootMachine, type Machine } from "./machine.ts";

const SYSTEMD = `${ROOT}deploy/systemd`;
const SCRIPTS = `${ROOT}deploy/scripts`;

export const STATE = "/var/lib/hapgent/state.json";
export const SETTINGS = "/etc/default/hapgent";
export const SOCKET = "/run/hapgent/hapgent.sock";

/** The units that the project ships, by where they come from. */
export const UNITS = {
  ...{ "hapgent.service": SYSTEMD, "hapgent.socket": SYSTEMD },
  ...{ "hapgent@.service": SYSTEMD, "hapgent@.socket": SYSTEMD },
  ...{ "hapgent-follow@.service": SCRIPTS, "hapgent-follow@.timer": SCRIPTS },
};

/** Boots a machine that has the units, their user and their directories. */
export async function bootWithUnits(): Promise<Machine> {
  const units = Object.entries(UNITS).map(([unit, directory]) => [
    `/usr/lib/systemd/system/${unit}`,
    `${directory}/${unit}`,
  ]);
  const machine = await bootMachine({
    binds: {
      ...Object.fromEntries(units),
      "/usr/bin/hapgent": EXECUTABLE,
      "/usr/bin/hapgent-follow": `${SCRIPTS}/hapgent-follow`,
      "/usr/bin/hapgent-deploy": `${SCRIPTS}/hapgent-deploy`,
      "/usr/lib/sysusers.d/hapgent.conf": `${SYSTEMD}/sysusers.conf`,
      "/usr/lib/tmpfiles.d/hapgent.conf": `${SYSTEMD}/tmpfiles.conf`,
    },
  });
  await machine.sh("systemd-sysusers; systemd-tmpfiles --create");
  return machine;
}

/** Boots a machine of System V that has the init script, and its user. */
export async function bootWithScript(): Promise<Machine> {
  const machine = await bootMachine({
    init: "sysv",
    binds: {
      "/usr/bin/hapgent": EXECUTABLE,
      "/etc/init.d/hapgent": `${ROOT}deploy/sysv/hapgent.init`,
    },
  });
  await machine.run("useradd --system --home-dir /var/lib/hapgent hapgent");
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
