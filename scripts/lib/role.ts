import { readdirSync } from "node:fs";

/** Where the Ansible role has copies of files from elsewhere. */
export const COPIES = "deploy/ansible/hapgent/files";

/**
 * What the role has copies of, so that it can be copied anywhere: the source of each file, by the
 * path of its copy.
 */
export function listCopies(root: string): Record<string, string> {
  const samples = readdirSync(`${root}deploy/haproxy`).filter((name) => name.endsWith(".cfg"));
  const sources = [
    ...["hapgent.service", "hapgent.socket", "hapgent@.service", "hapgent@.socket"].map(
      (name) => `systemd/${name}`,
    ),
    ...["hapgent-deploy", "hapgent-load", "hapgent-load.service", "hapgent-load.timer"].map(
      (name) => `scripts/${name}`,
    ),
    "man/hapgent.8",
    ...["hapgent.bash", "_hapgent", "hapgent.fish"].map((name) => `completion/${name}`),
    ...samples.toSorted().map((name) => `haproxy/${name}`),
  ];
  return Object.fromEntries(sources.map((path) => [`${COPIES}/${path}`, `deploy/${path}`]));
}
