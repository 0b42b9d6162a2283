// Verifies the files of a release: bun scripts/verify.ts [--signers FILE] [DIRECTORY]
//
// A key of deploy/allowed_signers must have made SHA256SUMS.sig, and every other signature; SHA256SUMS
// must have the checksum of each file that is there.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { outcome, ROOT } from "./lib/shell.ts";
import { needTools } from "./lib/tools.ts";

/** Who signs, as deploy/allowed_signers names them, and for what (ssh-keygen(1), `-I` and `-n`). */
export const SIGNER = "hapgent";
export const NAMESPACE = "file";

/** The keys that may sign a release. */
export const SIGNERS = `${ROOT}deploy/allowed_signers`;

/** Seconds that reading all files may take. */
const LIMIT = 600;

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: { signers: { type: "string", default: SIGNERS } },
    allowPositionals: true,
  });
  const [directory = `${ROOT}dist/release`] = positionals;
  await verifyRelease(directory, values.signers);
  console.log(`${directory}: verified`);
}

/** Ends the program with one line when a directory holds a file that cannot be trusted. */
export async function verifyRelease(directory: string, signers = SIGNERS): Promise<void> {
  await needTools({ "ssh-keygen": "openssh-client" });
  const problem = await findProblem(directory, signers);
  if (problem === undefined) return;
  console.error(`${directory}: NOT verified: ${problem}`);
  process.exit(1);
}

/** The lines of an allowed_signers file that are keys, not comments. */
export function readKeys(signers: string): string[] {
  return readFileSync(signers, "utf8")
    .split("\n")
    .filter((line) => /^[^#\s]/.test(line));
}

async function findProblem(directory: string, signers: string): Promise<string | undefined> {
  if (readKeys(signers).length === 0) return `no release key is published: ${signers} has none`;
  const names = readdirSync(directory);
  for (const name of ["SHA256SUMS", "SHA256SUMS.sig"]) {
    if (!names.includes(name)) return `${name} is missing`;
  }
  const verify = `ssh-keygen -Y verify -f "$1" -I ${SIGNER} -n ${NAMESPACE} -s "$0.sig" <"$0"`;
  for (const name of names.filter((each) => names.includes(`${each}.sig`))) {
    const command = ["sh", "-c", verify, name, signers];
    const { exitCode, stdout, stderr } = await outcome(command, { cwd: directory, limit: LIMIT });
    const said = (stdout + stderr).trim().replaceAll("\n", "; ");
    if (exitCode !== 0) return `${name} is not signed by a key of ${signers} (${said})`;
  }
  const lines = readFileSync(join(directory, "SHA256SUMS"), "utf8").split("\n");
  const listed = new Set(lines.map((line) => line.slice(66)));
  const unknown = names.find((name) => !/^SHA256SUMS$|\.sig$/.test(name) && !listed.has(name));
  if (unknown !== undefined) return `SHA256SUMS has no line for ${unknown}`;
  const check = ["sha256sum", "--check", "--quiet", "--strict", "--ignore-missing", "SHA256SUMS"];
  const { exitCode, stdout } = await outcome(check, { cwd: directory, limit: LIMIT });
  return exitCode === 0 ? undefined : `it was changed, or is not whole: ${stdout.trim()}`;
}
