import { until } from "../../scripts/lib/until.ts";
import type { HaproxyProcess } from "../haproxy.ts";

/** How long a service that stops waits for its clients, in milliseconds. */
const STOP_MS = 5000;

/** How many requests may be under way: on a busy machine more would only wait for each other. */
const OPEN_LIMIT = 100;

/**
 * Clients that send a request every so many milliseconds, whatever becomes of those before, through
 * the load balancers in turn: `await using traffic = new Traffic(haproxy)`.
 */
export class Traffic implements AsyncDisposable {
  /** Requests that failed, by how they did. */
  readonly failed: Record<string, number> = {};
  /** The others, by the server that answered them. */
  readonly #served: Record<string, number> = {};
  readonly #requests: Promise<void>[] = [];
  readonly #timer: Timer;
  #open = 0;

  constructor(balancers: HaproxyProcess | readonly HaproxyProcess[], pause = 10, headers = {}) {
    const all = [balancers].flat();
    this.#timer = setInterval(() => {
      const balancer = all[this.#requests.length % all.length];
      if (balancer && this.#open < OPEN_LIMIT) this.#requests.push(this.#send(balancer, headers));
    }, pause);
  }

  /** Waits until a server has answered so many further requests. */
  async served({ name }: { name: string }, count = 20): Promise<void> {
    const served = () => this.#served[name] ?? 0;
    const before = served();
    await until(`${name} serves`, () => served() >= before + count);
  }

  /** Sends no more, and waits for all answers. */
  async stop(): Promise<this> {
    clearInterval(this.#timer);
    await Promise.all(this.#requests);
    return this;
  }

  async #send(balancer: HaproxyProcess, headers: Record<string, string>): Promise<void> {
    this.#open += 1;
    const count = (counts: Record<string, number>, answer: string) => {
      counts[answer] = (counts[answer] ?? 0) + 1;
    };
    try {
      const response = await balancer.get(headers);
      if (response.ok) count(this.#served, await response.text());
      else count(this.failed, `HTTP ${response.status}`);
    } catch (error) {
      count(this.failed, String(error));
    }
    this.#open -= 1;
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
