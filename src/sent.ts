// What a check may send (HAProxy's `agent-send`), as the agent and the probes know it.

/**
 * What the project's own probes send first, so that nobody takes them for a load balancer: no
 * service is called so, and nobody gives a server line of HAProxy such an agent-send.
 */
export const PROBE_MARK = "#hapgent:";

/**
 * The service that a check names: up to the first space. The rest tells apart lines that ask for
 * the same service.
 */
export function nameIn(sent: string): string {
  const line = sent.startsWith(PROBE_MARK) ? sent.slice(PROBE_MARK.length) : sent;
  const end = line.indexOf(" ");
  return end > 0 ? line.slice(0, end) : line;
}
