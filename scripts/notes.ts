// Prints the release notes of this version: its section of CHANGELOG.md, and how to verify the
// files.
import { version } from "../package.json";
import { capture, ROOT } from "./lib/shell.ts";
import { NAMESPACE, SIGNER } from "./sign.ts";

if (import.meta.main) console.log(await formatNotes());

/**
 * What CHANGELOG.md says of a version, without the heading; undefined where it says nothing.
 *
 * @param name a version, or `Unreleased`.
 */
export function readSection(changelog: string, name: string): string | undefined {
  const section = changelog.split(/^## /m).find((text) => text.startsWith(`[${name}]`));
  return section?.slice(section.indexOf("\n")).trim() || undefined;
}

/** The notes of this version; before its section is written, those of what is unreleased. */
export async function formatNotes(): Promise<string> {
  const verify = `ssh-keygen -Y verify -f allowed_signers -I ${SIGNER} -n ${NAMESPACE}`;
  const changelog = await Bun.file(`${ROOT}CHANGELOG.md`).text();
  const commit = capture(["git", "rev-parse", "HEAD"]) || "unknown";
  return `${readSection(changelog, version) ?? readSection(changelog, "Unreleased") ?? ""}

### Verify

With \`SHA256SUMS\`, \`SHA256SUMS.sig\` and the files that you want in one directory, and with
\`allowed_signers\` from the repository's \`deploy/\` (not from beside the files):

    ${verify} -s SHA256SUMS.sig <SHA256SUMS
    sha256sum --check --ignore-missing SHA256SUMS

Built by Bun ${Bun.version} from commit ${commit}; the same commit gives the same files.
`;
}
