import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Replaces a state file as Kubernetes updates a ConfigMap: `state.json` links to
 * `..data/state.json` and `..data` to a directory, which another one replaces.
 */
export function swapDirectory(file: string, text: string): void {
  const directory = dirname(file);
  const old = readdirSync(directory).filter((name) => /^\.\.\d/.test(name));
  const fresh = `..${performance.now()}`;
  mkdirSync(`${directory}/${fresh}`);
  writeFileSync(`${directory}/${fresh}/state.json`, text);
  symlinkSync(fresh, `${directory}/..data_tmp`);
  renameSync(`${directory}/..data_tmp`, `${directory}/..data`);
  for (const name of old) rmSync(`${directory}/${name}`, { recursive: true });
}
