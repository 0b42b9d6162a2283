import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { TUNED } from "../../../src/runtime.ts";
import { startAgent, temporaryDirectory, until } from "../harness.ts";
import { readUsage } from "../proc.ts";
import { times } from "./scale.ts";
import { warmUp } from "./warm-up.ts";

/** Server lines that poll, each every 10 ms. */
const SERVERS = 50;

/** How long each phase polls, and how long HAProxy is away, in milliseconds. */
const POLL_MS = times(5000, 1000);
const AWAY_MS = times(60_000, 2000);

test("HAProxy restarted, reloaded, killed and stopped for a while: no agent check fails", async () => {
  using directory = temporaryDirectory();
  await using agent = await startAgent({ state: { status: "UP", weight: 42 }, env: TUNED });
  await warmUp(agent);
  const before = readUsage(agent.pid);
  const haproxy = new HaProxy(directory.path, agent.port);
  await using _ = haproxy;

  const poll = async () => {
    await until("all polled", () => haproxy.count("via agent : ") === SERVERS);
    const end = performance.now() + POLL_MS;
    for (let i = 0; performance.now() < end; i += 1) {
      agent.signal(i % 2 ? "SIGUSR1" : "SIGUSR2");
      await Bun.sleep(100);
    }
    agent.signal("SIGUSR1");
    await until("all told", () => haproxy.count("via agent : UP") === SERVERS);
    expect(haproxy.failures()).toEqual([]);
  };
  haproxy.start();
  await poll();
  haproxy.reload();
  await poll();
  await haproxy.stop("SIGTERM");
  haproxy.start();
  await poll();
  await haproxy.stop("SIGKILL");
  await Bun.sleep(AWAY_MS);
  haproxy.start();
  await poll();

  await until("clients gone", () => readUsage(agent.pid).descriptors <= before.descriptors + SERVERS);
  const after = readUsage(agent.pid);
  console.log("HAProxy, 50 servers at 10 ms", { before, after });
  expect(after.memory - before.memory).toBeLessThan(300);

  // An agent that is not there is seen to fail: what was counted above can be counted.
  await agent.stop("SIGKILL");
  await until("failures", () => haproxy.failures().length > 0);
});

/** A HAProxy with a master and a worker, which logs every agent check that changes from good to failed. */
class HaProxy implements AsyncDisposable {
  readonly #config: string;
  readonly #socket: string;
  #process: Bun.Subprocess<"ignore", "pipe", "ignore"> | undefined;
  #log = "";

  constructor(directory: string, agentPort: number) {
    this.#config = `${directory}/haproxy.cfg`;
    this.#socket = `${directory}/admin.sock`;
    writeFileSync(
      this.#config,
      `global
  log stdout format raw local0
  stats socket ${this.#socket}
defaults
  log global
  mode tcp
  option log-health-checks
  timeout connect 1s
  timeout client 1s
  timeout server 1s
  timeout check 2s
backend be
  default-server weight 100 agent-check agent-addr 127.0.0.1 agent-port ${agentPort} agent-inter 10ms
  server-template s 1-${SERVERS} 127.0.0.1:1
`,
    );
  }

  start(): void {
    this.#process = Bun.spawn(["haproxy", "-W", "-f", this.#config], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    void this.#collect(this.#process.stdout);
  }

  reload(): void {
    this.#process?.kill("SIGUSR2");
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    this.#process?.kill(signal);
    await this.#process?.exited;
  }

  /** Servers in whose line of the statistics a text comes. */
  count(text: string): number {
    const { stdout } = Bun.spawnSync(["socat", "-", `UNIX-CONNECT:${this.#socket}`], {
      stdin: Buffer.from("show stat\n"),
      stderr: "ignore",
    });
    const lines = stdout.toString().split("\n");
    return lines.filter((line) => /^be,s\d/.test(line) && line.includes(text)).length;
  }

  /** Lines that tell of an agent check that failed, not of one that said DOWN. */
  failures(): string[] {
    return this.#log.split("\n").filter((line) => /^Agent check .* failed/.test(line) && !line.includes("via agent"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGTERM");
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) this.#log += decoder.decode(chunk, { stream: true });
  }
}
