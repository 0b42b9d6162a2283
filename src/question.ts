// What a check may send (HAProxy's `agent-send`), as the agent and the probes know it.

/** What a service may be called: what a file may be called, with nothing of a path in it. */
export const SERVICE_NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;

/**
 * What the project's own probes send first, so that nobody takes them for a load balancer: no
 * service is called so, and nobody gives a server line of HAProxy such an agent-send.
 */
export const PROBE_MARK = "#hapgent:";
