// The release notes of this version: its section of CHANGELOG.md, and how to verify the files.
import { repository, version } from "../package.json";
import { readCommit } from "./lib/git.ts";
import { ROOT } from "./lib/shell.ts";
import { NAMESPACE, SIGNER } from "./verify.ts";

/**
 * The section of a version in CHANGELOG.md, without its heading; undefined when it is empty.
 *
 * @param name a version, or `Unreleased`.
 */
export function readSection(changelog: string, name: string): string | undefined {
  const section = changelog.split(/^## /m).find((text) => text.startsWith(`[${name}]`));
  return section?.slice(section.indexOf("\n")).trim() || undefined;
}

/** The notes of this version, or the unreleased ones while it has no section. */
export async function formatNotes(): Promise<string> {
  const verify = `ssh-keygen -Y verify -f allowed_signers -I ${SIGNER} -n ${NAMESPACE}`;
  const [, name = "OWNER/hapgent"] = /github\.com\/([\w.-]+\/[\w-]+)/.exec(repository.url) ?? [];
  const changelog = await Bun.file(`${ROOT}CHANGELOG.md`).text();
  return `${readSection(changelog, version) ?? readSection(changelog, "Unreleased") ?? ""}

### Verify

Put \`SHA256SUMS\`, \`SHA256SUMS.sig\` and the files that you want in one directory. Take
\`allowed_signers\` from \`deploy/\` in the repository, not from the place of the files. Then:

    ${verify} -s SHA256SUMS.sig <SHA256SUMS
    sha256sum --check --ignore-missing SHA256SUMS

GitHub attests who built them: \`gh attestation verify FILE --repo ${name}\`, as SECURITY.md says.

Built by Bun ${Bun.version} from commit ${readCommit()}. CONTRIBUTING.md says which files anybody can build again, bit for
bit. THIRD_PARTY_NOTICES has the licenses of what is inside.
`;
}
