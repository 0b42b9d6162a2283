import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { findMirror } from "../../scripts/lib/registries.ts";
import { type Output, outcome, output } from "../../scripts/lib/shell.ts";

/** What tests download stays here from run to run; remove it to have it all anew. */
const CACHE = process.env["HAPGENT_CACHE"] ?? "/var/cache/hapgent-tests";

/** Makes /bin and the like links, as they are in every Debian from 12 on. */
const HOOKS = "/usr/share/mmdebstrap/hooks/merged-usr";

/**
 * Unpacks packages of a Debian release with all that they need, configures none, and returns the
 * directory: the programs run there by `chroot`.
 *
 * @param suite `experimental` takes from sid what it does not have.
 */
export async function unpackPackages(suite: string, ...packages: string[]): Promise<string> {
  const path = join(CACHE, `${suite}-${packages[0]}`);
  if (existsSync(path)) return path;
  const mirror = findMirror();
  if (mirror === undefined) throw new Error("expected a mirror of Debian below /etc/apt, got none");
  // Only what is whole gets the name; of two that make it at once the first wins.
  const unfinished = `${path}.${process.pid}`;
  mkdirSync(CACHE, { recursive: true });
  rmSync(unfinished, { recursive: true, force: true });
  try {
    const suites = suite === "experimental" ? ["sid", suite] : [suite];
    await output(
      [
        ...["mmdebstrap", "--quiet", "--mode=root", "--variant=extract", `--hook-dir=${HOOKS}`],
        `--include=${packages.join(",")}`,
        `--aptopt=Acquire::Retries "5"`,
        // The index of what is not released expires in days; a mirror may be later than that.
        `--aptopt=Acquire::Check-Valid-Until "false"`,
        `--aptopt=APT::Default-Release "${suite}"`,
        ...[suites[0] ?? suite, unfinished, ...suites.map((name) => `deb ${mirror} ${name} main`)],
      ],
      { limit: 1200 },
    );
    if (!existsSync(path)) renameSync(unfinished, path);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return path;
}

/** Runs a command of unpacked packages, which sees a directory as /srv; the mounts are its alone. */
export function runUnpacked(root: string, directory: string, command: string[]): Promise<Output> {
  const script = `mkdir -p "$0/srv" && mount --bind "$1" "$0/srv" && shift &&
    mount -t tmpfs tmpfs "$0/tmp" && ln -sf debian "$0/etc/dpkg/origins/default" &&
    exec chroot "$0" "$@"`;
  const enter = ["unshare", "--mount", "sh", "-ec", script, root, directory];
  return outcome([...enter, ...command], { limit: 900 });
}
