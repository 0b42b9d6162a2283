// THIRD_PARTY_NOTICES: its head comes from scripts/lib/third-party.ts; below stand the texts.
import { licenseExpression, PARTS, type Part, RUNTIME } from "./third-party.ts";

/** The line between what is generated and the texts of the licenses. */
const TEXTS = "The texts of the licenses follow.\n";

/** The notices with a new head, above the texts that they have. */
export function formatNotices(old: string): string {
  const at = old.indexOf(TEXTS);
  if (at < 0) throw new Error(`THIRD_PARTY_NOTICES: expected the line "${TEXTS.trim()}"`);
  return formatHead() + old.slice(at);
}

/** The title of each text. */
export function listTitles(notices: string): string[] {
  return [...notices.matchAll(/^={78}\n(.+)\n={78}$/gm)].map(([, title = ""]) => title);
}

function formatHead(): string {
  const webkit = find("webkit");
  const tinycc = find("tinycc");
  return `Third-party notices
===================

hapgent itself is under the MIT license: see LICENSE. Its executables start with the Bun
runtime, version ${RUNTIME.version}, revision ${RUNTIME.revision}
(${RUNTIME.source}, ${RUNTIME.license}), and hold the package valibot (MIT).
All of them together are:

${wrap(licenseExpression(), "  ")}

What Bun holds, by its own list (LICENSE.md of its commit
09015d9125245b462c3a986d5c166ea28445a237, the nearest to that revision that could be had),
and, marked with a star, what the executable shows beyond that list. Commits are those that
this Bun tells (process.versions); the others are pinned in scripts/build/deps of Bun's
source at that revision.

${PARTS.map(describe).join("\n")}

The container image also holds four libraries of the GNU C library (LGPL-2.1-or-later) as
Debian builds them; their notices are in the image, in /usr/share/doc/libc6/copyright.

Source code, and how to relink
------------------------------

WebKit and TinyCC are under the GNU Library (Lesser) General Public License. You may change
them, and make an executable with your changes:

  1. Get Bun:        git clone ${RUNTIME.source}
                     git checkout ${RUNTIME.revision}
  2. Get WebKit:     git clone ${webkit.source} vendor/WebKit
                     git -C vendor/WebKit checkout ${webkit.version}
     TinyCC is at    ${tinycc.source}
                     commit ${tinycc.version}
  3. Change them, and build Bun with \`bun run build:local\`: it compiles them and all that is
     linked with them. Everything that is needed is in these repositories.
  4. Build hapgent from its own source with that Bun first on the path: \`bun run build\`.

You may also take hapgent apart to find errors in such changes. If one of these places does not have
the source any more, the maintainers of hapgent (SECURITY.md) will give it to you for three
years after they gave you the executable, for no more than the cost of doing so.

`;
}

function describe({ name, license, source, version, beyond }: Part): string {
  const at = version === undefined ? "" : `\n    ${version}`;
  return `  ${name}${beyond ? " *" : ""}\n    ${license}\n    ${source}${at}`;
}

function find(key: string): Part {
  const part = PARTS.find((each) => each.key === key);
  if (!part) throw new Error(`expected a part ${key}`);
  return part;
}

/** Breaks a text into lines of at most 78 characters, and indents them. */
export function wrap(text: string, indent: string): string {
  const lines = [indent];
  for (const word of text.split(" ")) {
    const line = lines.at(-1) ?? "";
    if (line.length + word.length > 78) lines.push(indent + word);
    else lines[lines.length - 1] = line === indent ? indent + word : `${line} ${word}`;
  }
  return lines.join("\n");
}
