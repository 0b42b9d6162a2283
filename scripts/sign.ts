// Signs SHA256SUMS and each executable of dist/release with an SSH key, FILE.sig beside FILE:
// bun scripts/sign.ts [--key FILE]
//
// FILE is a private key, or a public key whose private half an SSH agent has. Without it the variable
// HAPGENT_RELEASE_KEY holds the private key itself.
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, run } from "./lib/shell.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
import { needTools } from "./lib/tools.ts";
import { NAMESPACE } from "./verify.ts";

const DIRECTORY = `${ROOT}dist/release`;

const { values } = parseArgs({ options: { key: { type: "string" } } });
await needTools({ "ssh-keygen": "openssh-client" });
const files = readdirSync(DIRECTORY)
  .filter((name) => name === "SHA256SUMS" || /^hapgent-[^/]*-linux-[a-z0-9-]+$/.test(name))
  .map((name) => join(DIRECTORY, name));
for (const file of files) rmSync(`${file}.sig`, { force: true });
run(["ssh-keygen", "-Y", "sign", "-n", NAMESPACE, "-f", values.key ?? writeKey(), ...files]);

/** Writes the key that the environment has to a file, and returns its path. */
function writeKey(): string {
  const text = process.env["HAPGENT_RELEASE_KEY"];
  if (!text) {
    console.error(
      "expected a key to sign with: --key FILE, or HAPGENT_RELEASE_KEY; see SECURITY.md",
    );
    process.exit(1);
  }
  const file = join(temporaryDirectory().path, "key");
  writeFileSync(file, `${text.trim()}\n`, { mode: 0o600 });
  return file;
}
