import { readFileSync } from "node:fs";
import { output } from "./shell.ts";

/** How this machine reaches npm's registry: for a home that has no settings of its own. */
export interface Settings {
  /** The text of an `.npmrc`. */
  readonly npmrc: string;
  /** Files that it names: certificates. */
  readonly files: readonly string[];
  readonly env: Record<string, string>;
}

const NAMES = ["registry", "cafile", "proxy", "https-proxy", "noproxy"];

/** Reads how npm, and what it starts, reaches its registry. */
export async function readSettings(): Promise<Settings> {
  const config = JSON.parse(await output(["npm", "config", "list", "--long", "--json"]));
  const set = NAMES.filter((name) => typeof config[name] === "string" && config[name] !== "");
  const proxies = Object.entries(process.env).filter(([name]) => /^[a-z]+_proxy$/i.test(name));
  const cafile: string | undefined = config.cafile || process.env["NODE_EXTRA_CA_CERTS"];
  return {
    npmrc: set.map((name) => `${name}=${config[name]}\n`).join(""),
    files: cafile === undefined ? [] : [cafile],
    env: {
      ...Object.fromEntries(proxies.map(([name, value = ""]) => [name, value])),
      ...(cafile !== undefined && { NODE_EXTRA_CA_CERTS: cafile }),
    },
  };
}

/** Where apt gets Debian from, if that is said. */
export function findMirror(): string | undefined {
  for (const file of new Bun.Glob("**/*.{list,sources}").scanSync("/etc/apt")) {
    const text = readFileSync(`/etc/apt/${file}`, "utf8").replaceAll(/^#.*$/gm, "");
    const [, mirror] = /\s(https?:\/\/\S+\/debian)\/?\s/.exec(text) ?? [];
    if (mirror !== undefined) return mirror;
  }
  return undefined;
}

/** How apt gets it: through which proxy, and whether its lists may be old. */
export async function readAptOptions(): Promise<string> {
  const lines = await output(["apt-config", "dump", "--format", '%f "%v";%n', "Acquire"]);
  const isKept = /^Acquire::(https?::.*Proxy|Check-Valid-Until|Check-Date)\b/i;
  return lines
    .split("\n")
    .filter((line) => isKept.test(line))
    .map((line) => `${line}\n`)
    .join("");
}
