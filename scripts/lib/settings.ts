import { findInstallation } from "../../src/commands/installation.ts";
import { listVariables } from "../../src/settings.ts";

const { directory, stateFile, controlSocket } = findInstallation();

/** What every installation sets before its settings file, in place of the agent's own defaults. */
export const INSTALLED: Readonly<Record<string, string>> = {
  HAPGENT_STATE_FILE: stateFile,
  HAPGENT_SOCKET: controlSocket,
};

/** What is off unless it is set, with a value to begin with. */
export const EXAMPLES: Readonly<Record<string, string>> = {
  HAPGENT_SERVICES: `${directory}/services`,
  HAPGENT_POLLERS: "192.0.2.1,192.0.2.2",
  HAPGENT_FORGET: "600",
  HAPGENT_STOP_STATUS: "DOWN",
};

/** What the settings file sets: what a new installation is better off with than with the default. */
export const CHOSEN: Readonly<Record<string, string>> = {
  HAPGENT_REPLY: "full",
};

/** What only an installed agent has to know of a setting: lines of a comment. */
const NOTES: Readonly<Record<string, string>> = {
  HAPGENT_STATE_FILE: `; outside of ${directory} systemd needs
# ReadWritePaths= with its directory, too (systemctl edit hapgent), and cannot use /home`,
  HAPGENT_REPLY: `;
# exact: those of the original, where HAProxy keeps what a reply leaves out`,
  HAPGENT_SOCKET_MODE: `;
# that is the group of the unit (Group=, by default hapgent)`,
  HAPGENT_STOP_GRACE: `;
# the unit and the init script end the agent after 90`,
};

/** Variables that the launchers leave no use for. */
const UNUSED = new Set(["HAPGENT_TUNE"]);

/**
 * The settings that the Ansible role makes: the value, and the variable that may be empty to leave
 * the setting as it is.
 */
const ROLE: Readonly<Record<string, readonly [value: string, unlessEmpty?: string]>> = {
  HAPGENT_IP: ["hapgent_ip"],
  HAPGENT_PORT: ["hapgent_port | int"],
  HAPGENT_STATE_FILE: ["hapgent_state_file"],
  HAPGENT_REPLY: ["hapgent_reply", "hapgent_reply"],
  HAPGENT_WATCH: ["hapgent_watch | bool | ternary('on', 'off')"],
  HAPGENT_SERVICES: ["hapgent_services_directory", "hapgent_services"],
  HAPGENT_SOCKET: ["hapgent_socket"],
  HAPGENT_SOCKET_MODE: ["hapgent_socket_mode"],
  HAPGENT_POLLERS: ["[hapgent_pollers] | flatten | join(' ') | quote", "hapgent_pollers"],
  HAPGENT_FORGET: ["hapgent_forget | int", "hapgent_forget"],
  HAPGENT_STOP_STATUS: ["hapgent_stop_status", "hapgent_stop_status"],
  HAPGENT_STOP_GRACE: ["hapgent_stop_grace | int", "hapgent_stop_status"],
};

/** `/etc/default/hapgent` as it is installed: every setting, commented out where it is the default. */
export function formatSettings(): string {
  return format(
    `# Settings of the agent, for the systemd unit and the init script: one NAME=VALUE a line, without
# spaces. A commented line shows the default, or an example of what is off. More: hapgent(8).`,
    (name, line) => {
      const chosen = CHOSEN[name];
      return chosen === undefined ? line : `${name}=${chosen}`;
    },
  );
}

/** The same file as a template of the Ansible role, which sets what its variables say. */
export function formatSettingsTemplate(): string {
  return format("# {{ ansible_managed }}", (name, line) => {
    const [value, unlessEmpty] = ROLE[name] ?? [];
    if (!value) return line;
    const setting = `${name}={{ ${value} }}`;
    return unlessEmpty
      ? `{% if ${unlessEmpty} %}\n${setting}\n{% else %}\n${line}\n{% endif %}`
      : setting;
  });
}

/** A comment and a line for each setting, which is commented out unless `set` makes another. */
function format(head: string, set: (name: string, line: string) => string): string {
  const entries = listVariables()
    .filter(({ term }) => !UNUSED.has(term))
    .map(({ term, meaning, fallback }) => {
      const example = EXAMPLES[term];
      const text =
        meaning.replaceAll("`", "") + (example ? "; off when unset" : "") + (NOTES[term] ?? "");
      const line = `#${term}=${example ?? INSTALLED[term] ?? fallback}`;
      return `\n# ${text}\n${set(term, line)}\n`;
    });
  return `${head}\n${entries.join("")}`;
}
