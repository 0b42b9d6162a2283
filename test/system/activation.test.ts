// - Every socket that systemd passes is served, and restarts with one fail no check.
// - What was passed to another process is ignored; what is no listening socket stops the start. How
//   the variables are read is in test/settings.test.ts.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { ask } from "../../scripts/lib/check.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { collectLines } from "../../scripts/lib/lines.ts";
import { freePort } from "../../scripts/lib/port.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";

/** An agent on a socket that was passed to it, and its successors on the same. */
class ActivatedAgent implements AsyncDisposable {
  /** The ports, then the process id of each agent. */
  readonly printed: string[] = [];
  readonly log: string[] = [];
  readonly #directory = temporaryDirectory();
  readonly #fixture: Bun.Subprocess<"ignore", "pipe", "pipe">;

  constructor(runs: number, env: Record<string, string>, hostnames: readonly string[]) {
    writeFileSync(`${this.#directory.path}/state.json`, '{"status":"UP"}');
    const fixture = `${import.meta.dir}/activation-fixture.ts`;
    this.#fixture = Bun.spawn(["bun", fixture, String(runs), ...hostnames], {
      env: {
        PATH: Bun.env["PATH"] ?? "",
        HAPGENT_STATE_FILE: `${this.#directory.path}/state.json`,
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    void collectLines(this.#fixture.stdout, this.printed);
    void collectLines(this.#fixture.stderr, this.log);
  }

  /** Waits until an agent listens. */
  async starts(): Promise<void> {
    await until("the agent listens", () => this.listening.length > 0 && this.printed.length > 1);
  }

  get ports(): number[] {
    return (this.printed[0] ?? "").split(" ").map(Number);
  }

  get port(): number {
    return this.ports[0] ?? 0;
  }

  /** How many agents have said that they listen. */
  get listening(): string[] {
    return this.log.filter((line) => line.includes("listening"));
  }

  /** Ends the present agent and waits for the next one. */
  async restart(): Promise<void> {
    const count = this.listening.length;
    // What it prints and what it logs come by different ways.
    const pid = await until("its process id", () => this.printed[count]);
    process.kill(Number(pid), "SIGTERM");
    await until("the next agent", () => this.listening.length > count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fixture.kill("SIGKILL");
    await this.#fixture.exited;
    this.#directory[Symbol.dispose]();
  }
}

async function startActivated({ runs = 1, env = TUNED, hostnames = ["127.0.0.1"] } = {}) {
  const agent = new ActivatedAgent(runs, env, hostnames);
  await agent.starts();
  return agent;
}

describe.concurrent("a socket that systemd passes", () => {
  test.each(["127.0.0.1", "::1"])(
    "is served (%s), says the log, and the address is unused",
    async (hostname) => {
      const port = freePort();
      const env = { ...TUNED, HAPGENT_IP: "127.0.0.1", HAPGENT_PORT: String(port) };
      await using agent = await startActivated({ env, hostnames: [hostname] });
      expect(agent.log).toEqual([expect.stringMatching(/^hapgent: listening .* address=fd:3 /)]);
      for (let i = 0; i < 20; i += 1) expect(await ask(agent.port, { hostname })).toBe("UP\n");
      await expect(ask(port)).rejects.toThrow();
    },
  );

  test("is one of several, which are all served", async () => {
    await using agent = await startActivated({ hostnames: ["127.0.0.1", "::1", "127.0.0.1"] });
    const [first = 0, second = 0, third = 0] = agent.ports;
    expect(await ask(first)).toBe("UP\n");
    expect(await ask(second, { hostname: "::1" })).toBe("UP\n");
    expect(await ask(third)).toBe("UP\n");
  });

  test("is not lost to the tuning, which is left to the unit", async () => {
    await using agent = await startActivated({ env: {} });
    expect(agent.log).toEqual([
      expect.stringContaining("the passed socket would be lost; set the variables in the unit"),
      expect.stringMatching(/^hapgent: listening .* address=fd:3 /),
    ]);
    expect(await ask(agent.port)).toBe("UP\n");
  });

  test("loses no check over restarts", async () => {
    await using agent = await startActivated({ runs: 6 });
    let checks = 0;
    let restarts = 0;
    const failures: string[] = [];
    const checkers = Array.from({ length: 8 }, async () => {
      while (restarts < 5) {
        const reply = await ask(agent.port).catch(String);
        if (reply !== "UP\n") failures.push(reply);
        checks += 1;
      }
    });
    for (; restarts < 5; restarts += 1) {
      const before = checks;
      await agent.restart();
      await until("checks", () => checks > before + 50);
    }
    await Promise.all(checkers);
    expect(failures).toEqual([]);
  });
});

describe.concurrent("LISTEN_PID and LISTEN_FDS", () => {
  /** Runs the agent with these, `$$` being its own process id, until it listens or ends. */
  async function run(variables: string, redirection = "") {
    using directory = temporaryDirectory();
    writeFileSync(`${directory.path}/state.json`, '{"status":"UP"}');
    const port = freePort();
    const agent = Bun.spawn(["sh", "-c", `${variables} exec "$0" ${redirection}`, EXECUTABLE], {
      env: {
        ...TUNED,
        HAPGENT_STATE_FILE: `${directory.path}/state.json`,
        HAPGENT_IP: "127.0.0.1",
        HAPGENT_PORT: String(port),
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const log: string[] = [];
    const collected = collectLines(agent.stderr, log);
    const isListening = () => log.some((line) => line.includes("listening"));
    await until("listens or ends", () => agent.exitCode !== null || isListening());
    const reply = isListening() ? await ask(port) : "";
    agent.kill("SIGTERM");
    const exitCode = await agent.exited;
    await collected;
    return { reply, exitCode, log };
  }

  test("for another process are ignored", async () => {
    const { reply, log } = await run("LISTEN_PID=1 LISTEN_FDS=1");
    expect(reply).toBe("UP\n");
    expect(log[0]).toContain(" address=127.0.0.1:");
  });

  test.each(["3<&-", "3</dev/null", "3</etc/passwd"])(
    "for what is no listening socket are refused: %s",
    async (redirection) => {
      expect(await run("LISTEN_PID=$$ LISTEN_FDS=1", redirection)).toEqual({
        reply: "",
        exitCode: 1,
        log: ["hapgent: cannot listen on fd:3: invalid argument (EINVAL)"],
      });
    },
  );
});
