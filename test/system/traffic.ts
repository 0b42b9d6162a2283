import type { HaproxyProcess } from "../../scripts/lib/haproxy.ts";

/** Milliseconds between requests: 100 a second. */
const PAUSE = 10;

/** How long a service that stops waits for its clients, in milliseconds. */
const STOP_MS = 5000;

/**
 * A client that sends 100 requests a second through HAProxy: `await using traffic = new
 * Traffic(haproxy)`.
 */
export class Traffic implements AsyncDisposable {
  /** Requests by what answered them: a server's name, or how they failed. */
  readonly answers: Record<string, number> = {};
  readonly #haproxy: HaproxyProcess;
  readonly #requests: Promise<void>[] = [];
  readonly #timer: Timer;

  constructor(haproxy: HaproxyProcess) {
    this.#haproxy = haproxy;
    this.#timer = setInterval(() => this.#requests.push(this.#send()), PAUSE);
  }

  /** Requests that a server has answered. */
  by(server: string): number {
    return this.answers[server] ?? 0;
  }

  /** Sends no more, and waits for all answers. */
  async stop(): Promise<this> {
    clearInterval(this.#timer);
    await Promise.all(this.#requests);
    return this;
  }

  async #send(): Promise<void> {
    const answer = await this.#haproxy
      .get()
      .then(
        async (response) => (response.ok ? await response.text() : `HTTP ${response.status}`),
        String,
      );
    this.answers[answer] = this.by(answer) + 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** An HTTP service that takes its time (ms) and answers with its name. */
export function startService(name: string, port = 0, time = 30) {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port,
    async fetch() {
      await Bun.sleep(time);
      return new Response(name);
    },
  });
  return {
    port: server.port ?? 0,
    /**
     * Stops as a well-behaved service does: takes no further request and completes those under way,
     * but does not wait for ever for a client that holds its connection.
     */
    stop: async () => {
      await Promise.race([server.stop(), Bun.sleep(STOP_MS)]);
      await server.stop(true);
    },
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

/**
 * A proxy with two servers: one with an agent that is asked every 20 ms, and `other`. A request
 * that fails is not tried again: it counts.
 */
export function twoServers(agentPort: number, port: number, otherPort: number): string {
  return `
listen be
  bind unix@front.sock
  retries 0
  default-server check inter 200ms
  server s 127.0.0.1:${port} weight 100 agent-check agent-inter 20ms agent-addr 127.0.0.1 \
    agent-port ${agentPort}
  server other 127.0.0.1:${otherPort} weight 100
`;
}
