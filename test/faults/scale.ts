/**
 * Set by `bun run test:faults`: the full counts; without it enough of each to notice what broke.
 */
const IS_FULL = Bun.env["HAPGENT_TEST_FULL"] === "1";

/** How often to do something: in the full battery, and in the short one of `bun run test`. */
export function times(full: number, short: number): number {
  return IS_FULL ? full : short;
}
