import * as v from "valibot";
import { findNearest, quote, suggest } from "../text.ts";

/** The words of an agent that a status may be, upper case (HAProxy's manual, "agent-check"). */
export const STATUSES = ["UP", "DOWN", "READY", "DRAIN", "FAIL", "MAINT", "STOPPED"] as const;

/** Longest `reason`, in characters: HAProxy keeps about 100 of them. */
export const REASON_LENGTH = 100;

/** More braces, brackets and commas than a state has, even one whose reason is made of them. */
const PUNCTUATION_LIMIT = 1000;

const EXPECTED = {
  status: `one of ${STATUSES.join(", ")}`,
  weight: "an integer from 0 to 255",
  maxconn: "an integer from 0 to 65535",
  reason: `at most ${REASON_LENGTH} printable ASCII characters`,
};

/** What each field may hold; `null` counts as absent. Each kind of schema in use costs memory. */
const FIELDS = {
  status: v.picklist(STATUSES),
  weight: integerUpTo(255),
  maxconn: integerUpTo(65535),
  reason: v.nullish(v.custom<string>(isReason)),
};

const StateSchema = v.strictObject(FIELDS);

export type Status = (typeof STATUSES)[number];

/** A service's state: what the state file holds and what HAProxy is told. */
export interface State {
  readonly status: Status;
  /** Percent of the weight that HAProxy is configured with, 0 to 255. */
  readonly weight?: number;
  /** Connections, 0 to 65535. */
  readonly maxconn?: number;
  /** Why, as HAProxy's stats page shows it. */
  readonly reason?: string;
}

/** The state when the file cannot be read or holds no valid state. */
export const FAILED: State = { status: "FAIL" };

/** A file or text is no valid state: every problem has its path, an expectation and the value. */
export class StateError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join("; "));
  }
}

/**
 * Parses the text of a state file. `null` counts as absent; of a key that comes twice the last
 * counts.
 *
 * @throws {StateError} when the text is not JSON, and then it says where, or not a state.
 */
export async function parseState(text: string): Promise<State> {
  // Parsed, 64 KiB of nested arrays would keep 9 MB of stack and heap for good.
  if (text.split(/[[{,]/, PUNCTUATION_LIMIT + 1).length > PUNCTUATION_LIMIT)
    throw new StateError([`expected a JSON object, got ${describe(text)}`]);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const { findMistake } = await import("./json.ts");
    throw new StateError([findMistake(text) ?? "expected JSON"]);
  }
  // An array is an object to valibot.
  if (Array.isArray(value)) throw new StateError(["expected a JSON object, got an array"]);
  const result = v.safeParse(StateSchema, value);
  if (!result.success) throw new StateError(result.issues.map(describeIssue));
  const { status, weight, maxconn, reason } = result.output;
  return {
    status,
    ...(weight != null && { weight }),
    ...(maxconn != null && { maxconn }),
    ...(reason != null && { reason }),
  };
}

/**
 * Parses the value of one field.
 *
 * @throws {StateError} naming the field, what was expected and what came.
 */
export function parseField<Name extends keyof typeof FIELDS>(
  name: Name,
  value: unknown,
): v.InferOutput<(typeof FIELDS)[Name]> {
  const result = v.safeParse(FIELDS[name], value);
  if (!result.success) throw new StateError([describeField(name, value)]);
  return result.output;
}

/** A change of the status: weight and maxconn stay, the reason for the old status does not. */
export function withStatus(state: State, status: Status, reason?: string | null): State {
  const { reason: _, ...kept } = state;
  return { ...kept, status, ...(reason && { reason }) };
}

/** The text of a state file: JSON indented by two spaces, as the original writes it. */
export function formatState({ status, weight, maxconn, reason }: State): string {
  return `${JSON.stringify({ status, weight, maxconn, reason }, null, 2)}\n`;
}

function integerUpTo(maximum: number) {
  const isInRange = (value: unknown) =>
    Number.isInteger(value) && Number(value) >= 0 && Number(value) <= maximum;
  return v.nullish(v.custom<number>(isInRange));
}

function isReason(value: unknown): boolean {
  return typeof value === "string" && value.length <= REASON_LENGTH && /^[ -~]*$/.test(value);
}

function describeIssue(issue: v.BaseIssue<unknown>): string {
  const item = issue.path?.[0];
  if (item === undefined) return `expected a JSON object, got ${describe(issue.input)}`;
  const key = String(item.key);
  const names = Object.keys(EXPECTED);
  if (!names.includes(key)) {
    return `${describe(key)}: expected no field but ${names.join(", ")}${suggest(findNearest(key.trim(), names))}`;
  }
  return describeField(key as keyof typeof EXPECTED, item.value);
}

function describeField(name: keyof typeof EXPECTED, value: unknown): string {
  const hint =
    name === "status" && typeof value === "string"
      ? suggest(findNearest(value.trim(), STATUSES))
      : "";
  return `${name}: expected ${EXPECTED[name]}, got ${describe(value)}${hint}`;
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
