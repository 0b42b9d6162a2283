// A module of its own, loaded only when a text is not JSON: the runtime's parser says that it is
// not, but not where.
import { quote } from "../text.ts";

/** How much of a wrong word is shown, in characters. */
const SHOWN = 20;

/** What people write in place of JSON, and a hint for each. */
const HINTS: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [/^(\/\/|\/\*|#)/, "JSON has no comments"],
  [/^['`\u2018\u2019\u201c\u201d]/, "JSON has double quotes only"],
  [/^\ufeff/, "a byte order mark"],
  [/^\u00a0/, "a no-break space"],
  [/^true$/i, "did you mean true?"],
  [/^false$/i, "did you mean false?"],
  [/^(null|nil|none|undefined)$/i, "did you mean null?"],
  [/^[a-z_][\w-]*$/i, "text needs double quotes"],
  [/^[-+]?0[xob]/i, "decimal numbers only"],
  [/^-?0\d/, "no leading zero"],
  [/^\+/, "no plus sign"],
  [/^-?\.\d/, "a digit before the point"],
  [/\.($|[eE])/, "a digit after the point"],
];

/** A text is no JSON; the message says where and why. */
class Mistake extends Error {}

/**
 * What is wrong with a text that is not JSON (RFC 8259), with line and column, both from 1:
 * `3:16: expected a property name, got "}" (trailing comma)`; undefined when the text is JSON.
 */
export function findMistake(text: string): string | undefined {
  if (text.trim() === "") return "expected a JSON object, got nothing";
  try {
    new Scanner(text).scan();
    return undefined;
  } catch (error) {
    if (error instanceof Mistake) return error.message;
    throw error;
  }
}

/** Reads a text as JSON, and throws at the first place where it is not. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  scan(): void {
    this.#value();
    if (this.#next() !== undefined) throw this.#mistake("the end of the file");
  }

  /** The next character that is no white space, which is skipped. */
  #next(): string | undefined {
    const space = this.#peek(/[ \t\r\n]*/y) ?? "";
    this.#at += space.length;
    return this.#text[this.#at];
  }

  /** The text here that a sticky expression matches; undefined when it matches nothing. */
  #peek(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text)?.[0];
  }

  /** The mistake here. It shows a whole word, the start of a comment or a character. */
  #mistake(expected: string, hint?: string): Mistake {
    const got = this.#peek(/[\w.+-]+|\/[/*]|[\s\S]/uy);
    if (got === undefined) {
      // Where something is missing, not where the last empty line ends.
      this.#at = this.#text.trimEnd().length;
      return this.#describe(expected, "the end of the file", "cut off?");
    }
    const known = HINTS.find(([pattern]) => pattern.test(got))?.[1];
    return this.#describe(expected, quote(got.slice(0, SHOWN)), hint ?? known);
  }

  #describe(expected: string, got: string, hint?: string): Mistake {
    const lines = this.#text.slice(0, this.#at).split("\n");
    const place = `${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`;
    return new Mistake(`${place}: expected ${expected}, got ${got}${hint ? ` (${hint})` : ""}`);
  }

  #value(): void {
    const character = this.#next();
    if (character === "{") this.#list("}");
    else if (character === "[") this.#list("]");
    else if (character === '"') this.#string();
    else this.#word();
  }

  /** An object or an array. */
  #list(end: "}" | "]"): void {
    this.#at += 1;
    let character = this.#next();
    while (character !== end) {
      if (end === "}") this.#name();
      this.#value();
      character = this.#next();
      if (character === end) break;
      if (character !== ",") {
        const isValue = character === '"' || character === "{" || character === "[";
        throw this.#mistake(`"," or ${quote(end)}`, isValue ? "missing comma" : undefined);
      }
      this.#at += 1;
      character = this.#next();
      if (character === end)
        throw this.#mistake(end === "}" ? "a property name" : "a value", "trailing comma");
    }
    this.#at += 1;
  }

  #name(): void {
    if (this.#next() !== '"') throw this.#mistake("a property name");
    this.#string();
    if (this.#next() !== ":") throw this.#mistake('":"');
    this.#at += 1;
  }

  #string(): void {
    this.#at += 1;
    for (;;) {
      const part = this.#peek(/[ !#-[\]-\uffff]+|\\(["\\/bfnrt]|u[0-9A-Fa-f]{4})/y);
      if (part === undefined) break;
      this.#at += part.length;
    }
    const character = this.#text[this.#at];
    if (character === "\\") {
      const pair = this.#text.slice(this.#at, this.#at + 2);
      const got = pair.length > 1 ? quote(pair) : "the end of the file";
      throw this.#describe("an escape such as \\n, \\\\ or \\u0041", got);
    }
    if (character === undefined || character === "\n" || character === "\r")
      throw this.#mistake("a closing quote");
    if (character !== '"')
      throw this.#mistake("a printable character", "in a string it needs an escape");
    this.#at += 1;
  }

  /** A number, `true`, `false` or `null`, and not only its first characters. */
  #word(): void {
    const word = this.#peek(/[\w.+-]+/y) ?? "";
    const isNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(word);
    if (!isNumber && !/^(true|false|null)$/.test(word)) {
      throw this.#mistake(/^[-+.]?\d/.test(word) ? "a number" : "a value");
    }
    this.#at += word.length;
  }
}
