import { dirname, relative } from "node:path";
import { TUNED } from "../../src/agent/tuning.ts";
import { findInstallation } from "../../src/commands/installation.ts";
import { INSTALLED } from "./settings.ts";

/** With these set, the runtime runs other code or opens a debugger. */
const HOSTILE = "BUN_OPTIONS BUN_BE_BUN BUN_INSPECT BUN_INSPECT_PRELOAD BUN_INSPECT_CONNECT_TO";

/**
 * How every launcher starts the agent: a shell that becomes it. No signal can end it before it has
 * set its handlers: they are ignored while the shell works, then blocked, so that they wait. Where
 * env cannot block signals (busybox, coreutils before 8.31, the Rust coreutils) they are ignored
 * until then. A shell that cannot fork must not end with 2, which is a wrong setting.
 */
export const LAUNCH = [
  'trap "exit 1" EXIT; trap "" HUP USR1 USR2;',
  'block="env --block-signal=HUP,USR1,USR2"; $block true 2>/dev/null || block=;',
  "exec $block hapgent",
];

/**
 * Waits until the agent, process $MAINPID, answers: it opens its control socket after its address.
 * A check would have to know which address that is. It fails when the agent has ended.
 */
export const READY = [
  'while kill -0 "$MAINPID" 2>/dev/null; do',
  '  [ -S "$HAPGENT_SOCKET" ] && hapgent ctl show state >/dev/null 2>&1 && exit;',
  "  sleep 0.05;",
  "done; exit 1",
];

const SERVICE = "deploy/systemd/hapgent.service";
const SOCKET = "deploy/systemd/hapgent.socket";

/** What runs beside the agent, and the blocks that it has as the agent's unit has them. */
const FOLLOW = "deploy/scripts/hapgent-follow@.service";
const SHARED = ["tuned", "hostile", "hardening"];

const HOST = findInstallation();
/** What systemd puts in place of %i is the instance's name. */
const INSTANCE = findInstallation("%i");

const INSTALLED_WORDS = Object.entries(INSTALLED).map(([name, value]) => `${name}=${value}`);

/** The blocks of each launcher by their names. */
const BLOCKS: Readonly<Record<string, Record<string, string>>> = {
  [SERVICE]: {
    tuned: formatTuned("Environment=", "\nEnvironment="),
    hostile: `UnsetEnvironment=${HOSTILE}`,
    installed: INSTALLED_WORDS.map((word) => `Environment=${word}`).join("\n"),
    launch: formatExec("ExecStart", LAUNCH),
    ready: formatExec("ExecStartPost", READY),
  },
  "deploy/sysv/hapgent.init": {
    tuned: formatTuned("export ", "\nexport "),
    hostile: `unset ${HOSTILE}`,
    installed: INSTALLED_WORDS.map((word) => `export ${word}`).join("\n"),
    launch: formatVariable("launch", LAUNCH),
    ready: formatVariable("ready", READY),
  },
  "deploy/container/Dockerfile": { tuned: formatTuned("ENV ", " \\\n  ") },
};

type Replacement = readonly [of: string, by: string];

const RENAMED: Replacement = ["Description=HAProxy agent:", "Description=HAProxy agent of %i:"];

/** The units of an instance: the unit that each comes from, and what they have in its place. */
const INSTANCES: Readonly<Record<string, readonly [unit: string, ...Replacement[]]>> = {
  "deploy/systemd/hapgent@.service": [
    SERVICE,
    RENAMED,
    [HOST.stateFile, INSTANCE.stateFile],
    [HOST.controlSocket, INSTANCE.controlSocket],
    [`EnvironmentFile=-${HOST.settingsFile}`, `EnvironmentFile=${INSTANCE.settingsFile}`],
    [
      "StateDirectory=hapgent hapgent/services",
      `StateDirectory=${relative("/var/lib", INSTANCE.directory)}`,
    ],
    [
      "RuntimeDirectory=hapgent",
      `RuntimeDirectory=${relative("/run", dirname(INSTANCE.controlSocket))}`,
    ],
    ["SyslogIdentifier=hapgent", "SyslogIdentifier=hapgent@%i"],
    ["(systemctl edit hapgent)", "(systemctl edit hapgent@NAME)"],
    [
      "# Signals that come",
      `# The first state, unless there is one.
ExecStartPre=-sh -c 'umask 022; test -e "$$0" || echo "$$1" >"$$0"' \\
  \${HAPGENT_STATE_FILE} '{"status": "UP"}'
# Signals that come`,
    ],
  ],
  "deploy/systemd/hapgent@.socket": [
    SOCKET,
    RENAMED,
    [" To change it in a drop-in, write an empty\n# ListenStream= first.", ""],
    [
      "ListenStream=0.0.0.0:9777",
      "# systemctl edit hapgent@NAME.socket: [Socket], and its ListenStream=0.0.0.0:PORT",
    ],
  ],
};

/**
 * The launchers as they must be: text by path. The runtime's settings come from the agent's source,
 * and the units of an instance are those of the agent under other names.
 */
export function formatLaunchers(read: (path: string) => string): Record<string, string> {
  const texts = Object.fromEntries(
    Object.entries(BLOCKS).map(([path, blocks]) => [path, fillBlocks(path, read(path), blocks)]),
  );
  const shared = SHARED.map((name) => [name, readBlock(texts[SERVICE] ?? "", name)] as const);
  texts[FOLLOW] = fillBlocks(FOLLOW, read(FOLLOW), Object.fromEntries(shared));
  for (const [path, [unit, ...replacements]] of Object.entries(INSTANCES)) {
    texts[path] = replaceEach(unit, texts[unit] ?? read(unit), replacements);
  }
  return texts;
}

/** The tuned variables as NAME=VALUE, a few to a line. */
function formatTuned(start: string, separator: string): string {
  const lines: string[] = [];
  for (const [name, value] of Object.entries(TUNED)) {
    const longer = `${lines.at(-1)} ${name}=${value}`;
    if (lines.length > 0 && longer.length <= 80) lines[lines.length - 1] = longer;
    else lines.push(`${name}=${value}`);
  }
  return start + lines.join(separator);
}

/** The lines of a shell's script as the command of a unit, where `$` must be doubled. */
function formatExec(name: string, lines: readonly string[]): string {
  return `${name}=sh -c '${lines.join(" \\\n  ").replaceAll("$", "$$$$")}'`;
}

/** The lines of a shell's script as a variable of a shell. */
function formatVariable(name: string, lines: readonly string[]): string {
  return `${name}='${lines.join("\n  ")}'`;
}

/** A text with blocks, each between `# block: NAME` and `# end`, which must be there once. */
export function fillBlocks(
  path: string,
  text: string,
  blocks: Readonly<Record<string, string>>,
): string {
  return Object.entries(blocks).reduce((filled, [name, block]) => {
    const parts = new RegExp(`^( *)# block: ${name}\\n[^]*?^ *# end$`, "gm");
    if (filled.match(parts)?.length !== 1) {
      throw new Error(`${path}: expected one block between "# block: ${name}" and "# end"`);
    }
    return filled.replace(parts, (_, indent: string) =>
      [`# block: ${name}`, ...block.split("\n"), "# end"].map((line) => indent + line).join("\n"),
    );
  }, text);
}

function readBlock(text: string, name: string): string {
  return new RegExp(`^# block: ${name}\\n([^]*?)\\n# end$`, "m").exec(text)?.[1] ?? "";
}

function replaceEach(path: string, text: string, replacements: readonly Replacement[]): string {
  return replacements.reduce((replaced, [of, by]) => {
    const parts = replaced.split(of);
    if (parts.length === 2) return parts.join(by);
    throw new Error(`${path}: expected "${of}" once, got it ${parts.length - 1} times`);
  }, text);
}
