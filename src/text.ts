/**
 * What a terminal may take for a command, or may show so that the text reads differently: control
 * characters (ESC and the C1 set too), and what is invisible or turns the direction of text.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cn}\p{Zl}\p{Zp}]/gu;

/** Text that may come from anywhere, safe to print: every unsafe character is an escape. */
export function printable(text: string): string {
  return text.replaceAll(UNSAFE, escapeCharacter);
}

/** Text in quotes, as JSON, safe to print. */
export function quote(text: string): string {
  return printable(JSON.stringify(text));
}

function escapeCharacter(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16);
  return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
}

/** The word that is nearest to a mistyped one: at most two letters away, or undefined. */
export function findNearest(word: string, words: readonly string[]): string | undefined {
  const near = words
    .map((each) => ({ each, distance: measureDistance(word.toLowerCase(), each.toLowerCase()) }))
    .filter(({ distance }) => distance <= 2)
    .toSorted((a, b) => a.distance - b.distance);
  return near[0]?.each;
}

/** How many letters have to be inserted, removed or replaced to make one word of the other. */
function measureDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...one].entries()) {
    const next = [i + 1];
    for (const [j, wanted] of [...other].entries()) {
      const replaced = (row[j] ?? 0) + (letter === wanted ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}
