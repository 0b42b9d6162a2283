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

/** Variables that the launchers leave no use for. */
const UNUSED = new Set(["HAPGENT_TUNE"]);

/**
 * The settings that the Ansible role makes: the value, and the variable that may be empty to leave
 * the setting as it is.
 */
const ROLE: Readonly<Record<string, readonly [value: string, unlessEmpty?: string]>> = {
  HAPGENT_IP: ["hapgent_ip"],
  HAPGENT_PORT: ["hapgent_port"],
  HAPGENT_STATE_FILE: ["hapgent_state_file"],
  HAPGENT_REPLY: ["hapgent_reply", "hapgent_reply"],
  HAPGENT_WATCH: ["'on' if hapgent_watch else 'off'"],
  HAPGENT_SERVICES: ["hapgent_services_directory", "hapgent_services"],
  HAPGENT_SOCKET: ["hapgent_socket"],
  HAPGENT_STOP_STATUS: ["hapgent_stop_status", "hapgent_stop_status"],
  HAPGENT_STOP_GRACE: ["hapgent_stop_grace", "hapgent_stop_status"],
};

/** `/etc/default/hapgent` as it is installed: every setting with its default, commented out. */
export function formatSettings(): string {
  return format(
    `# Settings of the agent, for the systemd unit and the init script: one NAME=VALUE a line, without
# spaces. A commented line shows the default. More: hapgent(8).`,
    (_, line) => line,
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
      const text = meaning.replaceAll("`", "") + (example ? "; off when unset" : "");
      const line = `#${term}=${example ?? INSTALLED[term] ?? fallback}`;
      return `\n# ${text}\n${set(term, line)}\n`;
    });
  return `${head}\n${entries.join("")}`;
}
