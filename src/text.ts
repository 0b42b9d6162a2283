/**
 * Text that may come from anywhere, safe to print. Characters that a terminal may obey, or that
 * make a text read differently, are written as JSON writes them, so that JSON stays JSON: control
 * characters (ESC and the C1 set too), invisible ones, and those that turn the direction of text.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, escapeCharacter);
}

/** Text in no known encoding, such as a reply, safe to print: all but ASCII is escaped. */
export function printableAscii(text: string): string {
  return text.replaceAll(/[^\t -~]/gu, escapeCharacter);
}

/** Text in quotes, as JSON, safe to print. */
export function quote(text: string): string {
  return printable(JSON.stringify(text));
}

function escapeCharacter(character: string): string {
  return character
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");
}

/**
 * The word that is nearest to a mistyped one: at most two letters away, and less than half of them;
 * or undefined.
 */
export function findNearest(word: string, words: readonly string[]): string | undefined {
  // A word may be as long as a file: words of very different lengths are not compared.
  const near = words
    .filter((each) => Math.abs(each.length - word.length) <= 2)
    .map((each) => ({ each, distance: measureDistance(word.toLowerCase(), each.toLowerCase()) }))
    .filter(({ each, distance }) => distance <= 2 && distance * 2 < each.length)
    .toSorted((a, b) => a.distance - b.distance);
  return near[0]?.each;
}

/** What was meant, in brackets after an error; nothing when no word is near. */
export function suggest(nearest: string | undefined): string {
  return nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
}

/**
 * How many letters have to be inserted, removed, replaced or swapped with the next one to make one
 * word of the other.
 */
function measureDistance(one: string, other: string): number {
  const rows = [Array.from({ length: other.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? Infinity;
  for (let i = 1; i <= one.length; i += 1) {
    rows[i] = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const replaced = at(i - 1, j - 1) + (one[i - 1] === other[j - 1] ? 0 : 1);
      const isSwap = one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      const swapped = isSwap ? at(i - 2, j - 2) + 1 : replaced;
      rows[i]?.push(Math.min(replaced, swapped, at(i - 1, j) + 1, at(i, j - 1) + 1));
    }
  }
  return at(one.length, other.length);
}
