// Verifies files of a release: bun scripts/verify.ts [--signers FILE] FILE...
//
// SHA256SUMS beside a file must have its checksum, and a key of deploy/allowed_signers must have
// made SHA256SUMS.sig. A FILE.sig, where there is one, is verified as well.
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "./lib/shell.ts";
import { needTools } from "./lib/tools.ts";
import { NAMESPACE, SIGNER } from "./sign.ts";

/** The keys that may sign a release. */
export const SIGNERS = `${ROOT}deploy/allowed_signers`;

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: { signers: { type: "string", default: SIGNERS } },
    allowPositionals: true,
  });
  await needTools({ "ssh-keygen": "openssh-client" });
  if (positionals.length === 0) {
    console.error("expected files to verify");
    process.exit(2);
  }
  for (const file of positionals) {
    const problem = await findProblem(file, values.signers);
    if (problem === undefined) console.log(`${file}: verified`);
    else {
      console.error(`${file}: NOT verified: ${problem}`);
      process.exitCode = 1;
    }
  }
}

/** The lines of an allowed_signers file that are keys, not comments. */
export function readKeys(signers: string): string[] {
  return readFileSync(signers, "utf8")
    .split("\n")
    .filter((line) => /^[^#\s]/.test(line));
}

/** Why a file cannot be trusted, or undefined when it can. */
export async function findProblem(file: string, signers: string): Promise<string | undefined> {
  const name = basename(file);
  const sums = join(dirname(file), "SHA256SUMS");
  if (readKeys(signers).length === 0) return `no release key is published: ${signers} has none`;
  for (const path of [file, sums, `${sums}.sig`]) {
    if (!existsSync(path)) return `${basename(path)} is missing`;
  }
  const problem = findSignatureProblem(sums, signers);
  if (problem !== undefined || name === "SHA256SUMS") return problem;

  const lines = readFileSync(sums, "utf8").split("\n");
  const line = lines.find((text) => text.slice(66) === name);
  if (line === undefined) return `SHA256SUMS has no line for ${name}`;
  const checksum = await hashFile(file);
  if (line.slice(0, 64) !== checksum) {
    const expected = line.slice(0, 64);
    return `it was changed, or is not whole: expected the checksum ${expected}, got ${checksum}`;
  }
  return existsSync(`${file}.sig`) ? findSignatureProblem(file, signers) : undefined;
}

/** The SHA-256 of a file, in hexadecimal. */
export async function hashFile(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(path).stream()) hasher.update(chunk);
  return hasher.digest("hex");
}

function findSignatureProblem(file: string, signers: string): string | undefined {
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    [
      ...["ssh-keygen", "-Y", "verify", "-f", signers, "-I", SIGNER, "-n", NAMESPACE],
      ...["-s", `${file}.sig`],
    ],
    { stdin: Bun.file(file) },
  );
  if (exitCode === 0) return undefined;
  const said = `${stdout}${stderr}`.trim().split("\n").join("; ");
  return `${basename(file)} is not signed by a key of ${signers} (${said})`;
}
