import { TUNED } from "../../src/agent/tuning.ts";

/** With these set, the runtime runs other code or opens a debugger. */
const HOSTILE = "BUN_OPTIONS BUN_BE_BUN BUN_INSPECT BUN_INSPECT_PRELOAD BUN_INSPECT_CONNECT_TO";

const SERVICE = "deploy/systemd/hapgent.service";
const INSTANCE = "deploy/systemd/hapgent@.service";

/** The blocks of each launcher by their names: between `# block: NAME` and `# end`. */
const BLOCKS: Readonly<Record<string, Record<string, string>>> = {
  [SERVICE]: {
    tuned: formatTuned("Environment=", "\nEnvironment="),
    hostile: `UnsetEnvironment=${HOSTILE}`,
  },
  "deploy/sysv/hapgent.init": {
    tuned: formatTuned("export ", "\nexport "),
    hostile: `unset ${HOSTILE}`,
  },
  "deploy/container/Dockerfile": { tuned: formatTuned("ENV ", " \\\n  ") },
};

/** What stands in an instance's unit in place of what stands in the service's. */
const RENAMED: readonly (readonly [service: string, instance: string])[] = [
  ["Description=HAProxy agent:", "Description=HAProxy agent of %i:"],
  ["/var/lib/hapgent/state.json", "/var/lib/hapgent/%i/state.json"],
  ["EnvironmentFile=-/etc/default/hapgent", "EnvironmentFile=/etc/hapgent/%i.env"],
  ["StateDirectory=hapgent", "StateDirectory=hapgent/%i"],
  ["RuntimeDirectory=hapgent", "RuntimeDirectory=hapgent/%i"],
];

/**
 * The launchers as they must be: text by path. The runtime's settings come from the agent's source,
 * and the unit of an instance is that of the service under other names.
 */
export function formatLaunchers(read: (path: string) => string): Record<string, string> {
  const texts = Object.fromEntries(
    Object.entries(BLOCKS).map(([path, blocks]) => [path, fillBlocks(path, read(path), blocks)]),
  );
  return { ...texts, [INSTANCE]: formatInstance(texts[SERVICE] ?? "") };
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

function fillBlocks(path: string, text: string, blocks: Readonly<Record<string, string>>): string {
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

function formatInstance(service: string): string {
  return RENAMED.reduce((text, [from, to]) => {
    const parts = text.split(from);
    if (parts.length === 2) return parts.join(to);
    throw new Error(`${SERVICE}: expected "${from}" once, got it ${parts.length - 1} times`);
  }, service);
}
