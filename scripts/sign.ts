// Signs the files of dist/release with an SSH key: bun scripts/sign.ts [--key FILE]
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, run } from "./lib/shell.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
import { needTools } from "./lib/tools.ts";

/** Who signs, as deploy/allowed_signers names them, and for what (ssh-keygen(1), `-I` and `-n`). */
export const SIGNER = "hapgent";
export const NAMESPACE = "file";

if (import.meta.main) {
  const { values } = parseArgs({ options: { key: { type: "string" } } });
  await signRelease(`${ROOT}dist/release`, values.key);
}

/**
 * Signs SHA256SUMS and each executable of a release: FILE.sig beside FILE.
 *
 * @param key path of a private key, or of a public key whose private half an SSH agent has. Without
 *   it, the variable HAPGENT_RELEASE_KEY holds the private key itself.
 */
export async function signRelease(directory: string, key?: string): Promise<void> {
  await needTools({ "ssh-keygen": "openssh-client" });
  const files = readdirSync(directory)
    .filter((name) => name === "SHA256SUMS" || /^hapgent-[^/]*-linux-[a-z0-9-]+$/.test(name))
    .map((name) => join(directory, name));
  for (const file of files) rmSync(`${file}.sig`, { force: true });
  if (key !== undefined) {
    run(["ssh-keygen", "-Y", "sign", "-n", NAMESPACE, "-f", key, ...files]);
    return;
  }
  const text = process.env["HAPGENT_RELEASE_KEY"];
  if (!text) {
    console.error(
      "expected a key to sign with: --key FILE, or HAPGENT_RELEASE_KEY; see SECURITY.md",
    );
    process.exit(1);
  }
  const file = join(temporaryDirectory().path, "key");
  writeFileSync(file, `${text.trim()}\n`, { mode: 0o600 });
  await signRelease(directory, file);
}
