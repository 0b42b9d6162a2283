import type { Socket } from "bun";
import { codeOf } from "../errors.ts";

/**
 * HAProxy resets the connection as soon as it has read the reply, when that comes before the end of
 * the connection (measured with 2.6: nine of ten checks with an agent-send). A reset that comes
 * later (ms) is that of a check that timed out, with the reply perhaps unread.
 */
const RESET_MS = 250;

/** The answer to a check; its maker may add fields to it. */
export interface Answer {
  readonly bytes: Uint8Array;
}

/** What is known of a check when its connection is closed. */
export interface ClosedCheck<A extends Answer> {
  readonly address: string;
  /** What the client sent: up to the first CR or LF, at most 73 bytes. */
  readonly sent: string;
  readonly answer: A;
  /**
   * Whether the client has got the answer: all of it was written, to a client that was there, which
   * then closed.
   */
  readonly isServed: boolean;
}

/** A check: what is known of its connection. */
export interface Check<A extends Answer> {
  readonly openedAt: number;
  /** Whether it waits for the client to close; if not, it is closed with the answer. */
  readonly lingers: boolean;
  /** Undefined also when nobody wants to know. */
  readonly address: string | undefined;
  sent: string;
  /** Whether `sent` is all that counts. */
  isSent: boolean;
  /** Runs while it waits for the name of a service. */
  naming: Timer | undefined;
  /** Whether it waits for its answer. */
  isWaiting: boolean;
  /** Whether the client has closed its side. */
  hasEnded: boolean;
  written: Written<A> | undefined;
}

/** An answer that was written. */
interface Written<A extends Answer> {
  readonly answer: A;
  readonly at: number;
  readonly isWhole: boolean;
  /** Whether the connection still was there right after it. */
  readonly wasOpen: boolean;
}

/** Closes a connection whose client does not. */
export function expire<A extends Answer>(client: Socket<Check<A>>): void {
  const { written } = client.data;
  if (written) client.data.written = { ...written, isWhole: false };
  client.terminate();
}

/**
 * What is known of a check that was answered, once its connection is closed; undefined when it was
 * not answered, or nobody wants to know.
 */
export function describeClosed<A extends Answer>(
  { address, sent, written }: Check<A>,
  error: Error | undefined,
): ClosedCheck<A> | undefined {
  if (written === undefined || address === undefined) return undefined;
  const isServed = wasServed(written, error);
  return { address: unmap(address), sent, answer: written.answer, isServed };
}

/**
 * Whether a client that has closed has got the answer. A client on this machine that was gone
 * before is told from one that has read it by the reset that its kernel sends at once. A load
 * balancer elsewhere that gives up a check resets, so the write fails or the reset closes the
 * connection.
 */
function wasServed({ at, isWhole, wasOpen }: Written<Answer>, error: Error | undefined): boolean {
  if (!isWhole) return false;
  if (error === undefined) return wasOpen;
  return codeOf(error) === "ECONNRESET" && performance.now() - at < RESET_MS;
}

/** An IPv4 address as people write it, also on a socket for both IPv4 and IPv6. */
function unmap(address: string): string {
  return address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
}
