import { dirname } from "node:path";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { ROOT } from "../../scripts/lib/shell.ts";
import { bootMachine, type Machine } from "./machine.ts";

const SYSTEMD = `${ROOT}deploy/systemd`;
const FOLLOW = `${ROOT}deploy/scripts/hapgent-follow`;

/** The units that the project ships for the agent. */
export const UNITS = ["hapgent.service", "hapgent.socket", "hapgent@.service", "hapgent@.socket"];

/** Machines whose last start was with changed units. */
const changedMachines = new WeakSet<Machine>();

/** Boots a machine that has the units, their user and their directories. */
export async function bootWithUnits(): Promise<Machine> {
  const units = UNITS.map((unit) => [`/usr/lib/systemd/system/${unit}`, `${SYSTEMD}/${unit}`]);
  const machine = await bootMachine({
    binds: {
      ...Object.fromEntries(units),
      "/usr/bin/hapgent": EXECUTABLE,
      "/usr/bin/hapgent-follow": FOLLOW,
      "/usr/bin/hapgent-deploy": `${ROOT}deploy/scripts/hapgent-deploy`,
      "/usr/lib/systemd/system/hapgent-follow@.service": `${FOLLOW}@.service`,
      "/usr/lib/systemd/system/hapgent-follow@.timer": `${FOLLOW}@.timer`,
      "/usr/lib/sysusers.d/hapgent.conf": `${SYSTEMD}/sysusers.conf`,
      "/usr/lib/tmpfiles.d/hapgent.conf": `${SYSTEMD}/tmpfiles.conf`,
    },
  });
  await machine.run("systemd-sysusers");
  await machine.run("systemd-tmpfiles --create");
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

/**
 * Starts the service with a state and without what an earlier test configured.
 *
 * @param changed what differs from units, as `systemctl edit` writes it: texts by unit.
 */
export async function startUnit(
  machine: Machine,
  state: object,
  environment = "",
  changed: Record<string, string> = {},
): Promise<void> {
  const isChanged = Object.keys(changed).length > 0;
  await machine.run("systemctl stop hapgent.socket hapgent.service");
  await machine.run("systemctl reset-failed");
  if (changedMachines.delete(machine)) {
    await machine.run(["sh", "-c", "rm -r /run/systemd/system/hapgent.*.d"]);
    await machine.run("systemctl daemon-reload");
  }
  for (const [unit, text] of Object.entries(changed)) {
    await machine.write(`/run/systemd/system/${unit}.d/changed.conf`, text);
  }
  if (isChanged) {
    changedMachines.add(machine);
    await machine.run("systemctl daemon-reload");
  }
  await machine.write("/etc/default/hapgent", environment);
  await writeState(machine, "/var/lib/hapgent/state.json", state);
  if (changed["hapgent.socket"]) await machine.run("systemctl start hapgent.socket");
  await machine.run("systemctl start hapgent");
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
