import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { outcome, output } from "../../scripts/lib/shell.ts";

/** Runs a command to its end; tells what it wrote, both streams together, and how it ended. */
export async function runToEnd(command: string[], env: Record<string, string> = {}, cwd?: string) {
  const { stdout, stderr, exitCode } = await outcome(command, { env, cwd });
  return { text: stdout + stderr, exitCode };
}

/** A key made for a test, and the file that allows it, and nobody else, to sign. */
export interface Key {
  readonly path: string;
  readonly signers: string;
}

/** Makes a throwaway key. */
export async function makeKey(directory: string, name = "key"): Promise<Key> {
  const path = join(directory, name);
  await output(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "throwaway", "-f", path]);
  const signers = `${path}.signers`;
  writeFileSync(signers, `hapgent namespaces="file" ${readFileSync(`${path}.pub`, "utf8")}`);
  return { path, signers };
}

/** Writes files and the SHA256SUMS of them, and signs that where there is a key. */
export async function writeRelease(
  directory: string,
  files: Record<string, string | Uint8Array>,
  key?: Key,
): Promise<void> {
  mkdirSync(directory, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(directory, name), content);
  }
  const sums = await output(["sha256sum", ...Object.keys(files)], { cwd: directory });
  writeFileSync(join(directory, "SHA256SUMS"), `${sums}\n`);
  if (key) await sign(join(directory, "SHA256SUMS"), key);
}

/** Signs a file as scripts/sign.ts does. */
export async function sign(file: string, key: Key, namespace = "file"): Promise<void> {
  rmSync(`${file}.sig`, { force: true });
  await output(["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", key.path, file]);
}
