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
 * or undefined. The mistyped one may be as long as a file.
 */
export function findNearest(word: string, words: readonly string[]): string | undefined {
  const typed = word.toLowerCase();
  for (const letters of [0, 1, 2]) {
    const near = words.find(
      (each) => letters * 2 < each.length && isNear(typed, each.toLowerCase(), letters),
    );
    if (near !== undefined) return near;
  }
  return undefined;
}

/** What was meant, in brackets after an error; nothing when no word is near. */
export function suggest(nearest: string | undefined): string {
  return nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
}

/**
 * Whether so many letters, inserted, removed, replaced or swapped with the next one, make one word of
 * the other.
 */
function isNear(one: string, other: string, letters: number): boolean {
  if (one === other || letters === 0) return one === other;
  let i = 0;
  while (one[i] === other[i]) i += 1;
  const isNearAfter = (some: number, others: number) =>
    isNear(one.slice(i + some), other.slice(i + others), letters - 1);
  const isSwap = one[i] === other[i + 1] && one[i + 1] === other[i];
  return (
    isNearAfter(0, 1) || isNearAfter(1, 0) || isNearAfter(1, 1) || (isSwap && isNearAfter(2, 2))
  );
}
