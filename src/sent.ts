// What a check may send (HAProxy's `agent-send`), as the agent and the probes know it.

/** What a service may be called: what a file may be called, with nothing of a path in it. */
export const SERVICE_NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;

/** That rule in words. */
export const NAME_RULE =
  "1 to 64 letters, digits, '.', '_' and '-', of which the first is a letter or digit";

/** The reply to an unknown name: HAProxy takes the server out, and shows why. */
export const NO_SERVICE = "FAIL #no such service";

/**
 * What the project's own probes send first, so that nobody takes them for a load balancer: no
 * service is called so, and nobody gives a server line of HAProxy such an agent-send.
 */
export const PROBE_MARK = "#hapgent:";

/**
 * The name in what a check sent: up to the first space. The rest tells apart lines of HAProxy that
 * ask for the same service.
 */
export function nameIn(sent: string): string {
  const line = sent.startsWith(PROBE_MARK) ? sent.slice(PROBE_MARK.length) : sent;
  const end = line.indexOf(" ");
  return end > 0 ? line.slice(0, end) : line;
}

/** How much of what a client sends counts, in bytes: a service's name, and a mark before it. */
const SENT_LIMIT = 64 + PROBE_MARK.length;

/** What a client sent so far: up to the first CR or LF, at most 73 bytes. */
export class Sent {
  text = "";
  /** Whether that is all that counts. */
  isWhole: boolean = false;

  /** Adds what came. */
  add(chunk: Buffer): this {
    if (this.isWhole) return this;
    const text = this.text + chunk.toString("latin1", 0, SENT_LIMIT);
    const end = text.search(/[\r\n]/);
    this.text = text.slice(0, end < 0 ? SENT_LIMIT : Math.min(end, SENT_LIMIT));
    this.isWhole = end >= 0 || this.text.length === SENT_LIMIT;
    return this;
  }
}
