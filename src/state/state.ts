import { findNearest, quote } from "../text.ts";

/** HAProxy's agent words that a status may be (configuration manual, "agent-check"), upper case. */
export const STATUSES = ["UP", "DOWN", "READY", "DRAIN", "FAIL", "MAINT", "STOPPED"] as const;

/** Longest `reason`, in characters: HAProxy keeps about 100 of them. */
const REASON_LENGTH = 100;

/** More braces, brackets and commas than a state has, even one whose reason is made of them. */
const PUNCTUATION_LIMIT = 1000;

export type Status = (typeof STATUSES)[number];

/** A service's state: what the state file holds and what HAProxy is told. */
export interface State {
  readonly status: Status;
  readonly weight?: number;
  readonly maxconn?: number;
  readonly reason?: string;
}

/**
 * What a field may hold, and how an error says it. Plain functions: a schema's library for four
 * fields cost 0.1 MB.
 */
interface Field {
  readonly expected: string;
  readonly holds: (value: unknown) => boolean;
  readonly isRequired?: true;
}

const FIELDS: Readonly<Record<keyof State, Field>> = {
  status: {
    expected: `one of ${STATUSES.join(", ")}`,
    holds: (value) => STATUSES.some((status) => status === value),
    isRequired: true,
  },
  weight: integerUpTo(255),
  maxconn: integerUpTo(65535),
  reason: {
    expected: `at most ${REASON_LENGTH} printable ASCII characters`,
    holds: (value) =>
      typeof value === "string" && value.length <= REASON_LENGTH && /^[ -~]*$/.test(value),
  },
};

/** The state when the file cannot be read or holds no valid state. */
export const FAILED: State = { status: "FAIL" };

/** A file or text is no valid state: every problem has its path, an expectation and the value. */
export class StateError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join("; "));
  }
}

/** A text is no JSON at all. */
export class JsonError extends StateError {}

/**
 * Parses the text of a state file. `null` counts as absent; of a key that comes twice the last
 * counts.
 *
 * @throws {StateError} when the text is not JSON, or not a state.
 */
export function parseState(text: string): State {
  // Parsed, 64 KiB of nested arrays would keep 9 MB of stack and heap for good.
  if (text.length > PUNCTUATION_LIMIT) {
    const pieces = text.split(/[[{,]/, PUNCTUATION_LIMIT + 1);
    if (pieces.length > PUNCTUATION_LIMIT) {
      throw new StateError([`expected a JSON object, got ${describe(text)}`]);
    }
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new JsonError([`expected a JSON object, got ${describe(text)}`]);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new StateError([`expected a JSON object, got ${describe(value)}`]);
  }
  const fields = value as Partial<Record<string, unknown>>;
  const names = Object.keys(FIELDS) as (keyof State)[];
  const problems = names.flatMap((name) => findProblem(name, fields[name]) ?? []);
  const unknown = Object.keys(fields).find((key) => !names.some((name) => name === key));
  if (unknown !== undefined) {
    const expected = `expected no field but ${names.join(", ")}`;
    problems.push(`${describe(unknown)}: ${expected}${guess(unknown, names)}`);
  }
  if (problems.length > 0) throw new StateError(problems);
  const { status, weight, maxconn, reason } = fields as {
    [Name in keyof State]: State[Name] | null;
  };
  return {
    status,
    ...(weight != null && { weight }),
    ...(maxconn != null && { maxconn }),
    ...(reason != null && { reason }),
  } as State;
}

/**
 * Parses the value of one field; `null` counts as absent.
 *
 * @throws {StateError} naming the field, what was expected and what came.
 */
export function parseField<Name extends keyof State>(name: Name, value: unknown): State[Name] {
  const problem = findProblem(name, value);
  if (problem !== undefined) throw new StateError([problem]);
  return (value ?? undefined) as State[Name];
}

/** A change of the status: weight and maxconn stay, the reason for the old status does not. */
export function withStatus(status: Status, reason?: string): (state: State) => State {
  return ({ reason: _, ...kept }) => ({ ...kept, status, ...(reason && { reason }) });
}

/** The text of a state file: JSON indented by two spaces, as the original writes it. */
export function formatState({ status, weight, maxconn, reason }: State): string {
  return `${JSON.stringify({ status, weight, maxconn, reason }, null, 2)}\n`;
}

function integerUpTo(maximum: number): Field {
  return {
    expected: `an integer from 0 to ${maximum}`,
    holds: (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= maximum,
  };
}

/** What is wrong with a field's value, if anything. */
function findProblem(name: keyof State, value: unknown): string | undefined {
  const { expected, holds, isRequired } = FIELDS[name];
  if (holds(value) || (value == null && !isRequired)) return undefined;
  const hint = name === "status" && typeof value === "string" ? guess(value, STATUSES) : "";
  return `${name}: expected ${expected}, got ${describe(value)}${hint}`;
}

/** What was meant, in brackets; nothing when no word is near. */
function guess(word: string, words: readonly string[]): string {
  const nearest = findNearest(word.trim(), words);
  return nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
}

/** A value as an error message shows it: on one line, at most 60 characters of a string. */
function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") {
    return quote(value.length > 60 ? `${value.slice(0, 60)}...` : value);
  }
  if (typeof value !== "object" || value === null) return String(value);
  return Array.isArray(value) ? "an array" : "an object";
}
