// A module of its own, loaded only when a text is not JSON: the runtime's parser says that it is
// not, but not where.
import { quote } from "../text.ts";

/** Where a text stops being JSON, and what is wrong there. */
class Mistake extends Error {
  constructor(
    readonly offset: number,
    readonly expected: string,
    readonly hint?: string,
  ) {
    super(expected);
  }
}

/**
 * What is wrong with a text that is not JSON (RFC 8259), with line and column, both from 1:
 * `3:16: expected a property name, got "}" (trailing comma)`; undefined when the text is JSON.
 */
export function findMistake(text: string): string | undefined {
  try {
    new Scanner(text).scan();
    return undefined;
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    const { offset, expected, hint } = error;
    const lines = text.slice(0, offset).split("\n");
    const column = (lines.at(-1)?.length ?? 0) + 1;
    const [character] = text.slice(offset);
    const got = character === undefined ? "the end of the file" : quote(character);
    return `${lines.length}:${column}: expected ${expected}, got ${got}${hint ? ` (${hint})` : ""}`;
  }
}

/** Reads a text as JSON, and throws at the first character that is none. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  scan(): void {
    if (this.#text.startsWith("\ufeff")) throw new Mistake(0, "a value", "a byte order mark");
    this.#value("a value");
    if (this.#next() !== undefined) throw this.#mistake("the end of the file");
  }

  /** The next character that is no white space, which is skipped. */
  #next(): string | undefined {
    while (" \t\r\n".includes(this.#text[this.#at] ?? "x")) this.#at += 1;
    return this.#text[this.#at];
  }

  #mistake(expected: string, hint?: string): Mistake {
    return new Mistake(this.#at, expected, hint ?? this.#guess());
  }

  /** What people write in place of JSON. */
  #guess(): string | undefined {
    const rest = this.#text.slice(this.#at);
    if (/^(\/\/|\/\*|#)/.test(rest)) return "JSON has no comments";
    if (/^['\u2018\u2019\u201c\u201d]/.test(rest)) return "JSON has double quotes only";
    return undefined;
  }

  #value(expected: string): void {
    const character = this.#next();
    if (character === "{") this.#object();
    else if (character === "[") this.#array();
    else if (character === '"') this.#string();
    else if (character !== undefined && /[-0-9]/.test(character)) this.#number();
    else this.#word(expected);
  }

  #object(): void {
    this.#at += 1;
    if (this.#next() === "}") {
      this.#at += 1;
      return;
    }
    for (;;) {
      if (this.#next() !== '"') {
        throw this.#mistake("a property name", this.#afterComma("}"));
      }
      this.#string();
      if (this.#next() !== ":") throw this.#mistake('":"');
      this.#at += 1;
      this.#value("a value");
      if (!this.#isMore("}")) return;
    }
  }

  #array(): void {
    this.#at += 1;
    if (this.#next() === "]") {
      this.#at += 1;
      return;
    }
    for (;;) {
      if (this.#next() === "]") throw this.#mistake("a value", this.#afterComma("]"));
      this.#value("a value");
      if (!this.#isMore("]")) return;
    }
  }

  /** Whether a comma follows; if not, the end of the object or array must. */
  #isMore(end: string): boolean {
    const character = this.#next();
    if (character !== "," && character !== end) throw this.#mistake(`"," or ${quote(end)}`);
    this.#at += 1;
    return character === ",";
  }

  #afterComma(end: string): string | undefined {
    const isTrailing = this.#text[this.#at] === end && /,\s*$/.test(this.#text.slice(0, this.#at));
    return isTrailing ? "trailing comma" : undefined;
  }

  #string(): void {
    this.#at += 1;
    for (;;) {
      const character = this.#text[this.#at];
      if (character === undefined) throw this.#mistake("the closing quote of a string");
      if (character < " ") throw this.#mistake("a character of a string", "escape it");
      if (character === "\\") {
        const escaped = /^\\(["\\/bfnrt]|u[0-9A-Fa-f]{4})/.exec(
          this.#text.slice(this.#at, this.#at + 6),
        );
        if (!escaped) throw this.#mistake("an escape such as \\n or \\u0041");
        this.#at += escaped[0].length;
        continue;
      }
      this.#at += 1;
      if (character === '"') return;
    }
  }

  #number(): void {
    const rest = this.#text.slice(this.#at);
    const [number] = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?/.exec(rest) ?? [];
    if (number === undefined) throw this.#mistake("a number");
    this.#at += number.length;
    const following = this.#text[this.#at];
    if (following === undefined || !/[\w.+-]/.test(following)) return;
    throw this.#mistake("the end of a number", number === "0" ? "leading zero" : undefined);
  }

  #word(expected: string): void {
    const [word] = /^(true|false|null)(?!\w)/.exec(this.#text.slice(this.#at)) ?? [];
    if (word === undefined) throw this.#mistake(expected);
    this.#at += word.length;
  }
}
