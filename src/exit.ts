/** Exit codes of the program, all of them. */
export const EXIT = {
  /** Stopped by a signal; did what was asked. */
  ok: 0,
  /** It cannot listen; the file is invalid, no well-formed reply, a refused command; a bug. */
  failure: 1,
  /** A wrong argument or environment variable. */
  usage: 2,
  /** A probe's status is not among the expected ones, or there is none: Nagios calls 2 critical. */
  critical: 2,
  /** A deploy was refused: nothing was changed. */
  refused: 3,
  /** A probe that does not know: it was called with wrong arguments or settings. */
  unknown: 3,
} as const;

/** A wrong command line: the message names what was expected and what came. */
export class UsageError extends Error {}
