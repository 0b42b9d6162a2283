import { afterAll, beforeAll } from "bun:test";
import { chmodSync, symlinkSync, writeFileSync } from "node:fs";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { type Output, outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { writeServices } from "../contract/driver.ts";

/** Starts an agent with services, and a follower of it, for all tests of a file. */
export function useFollower(...names: string[]) {
  const services = temporaryDirectory();
  const stack = new AsyncDisposableStack();
  stack.use(services);
  let agent: AgentProcess;
  let follower: Follower;
  beforeAll(async () => {
    writeServices(services.path, Object.fromEntries(names.map((name) => [name, UP])));
    const env = { ...TUNED, HAPGENT_SERVICES: services.path };
    agent = stack.use(await startAgent({ state: { status: "UP" }, socket: true, env }));
    follower = stack.use(new Follower(agent));
  });
  afterAll(() => stack.disposeAsync());
  return {
    get agent() {
      return agent;
    },
    get follower() {
      return follower;
    },
    /** What a service, `@web`, is set to now. */
    state: async (service: string) =>
      JSON.parse((await agent.ctl(service, "show state")).stdout).state,
    set: async (service: string, state: object) => {
      await agent.ctl(service, "set state", JSON.stringify(state));
    },
  };
}

const UP = '{"status":"UP"}';

const SCRIPTS = `${ROOT}deploy/scripts`;

/** Runs hapgent-follow as its timer does: `using follower = new Follower(agent)`. */
export class Follower implements Disposable {
  readonly #agent: { socket: string };
  readonly #directory = temporaryDirectory();

  constructor(agent: { socket: string }) {
    this.#agent = agent;
    symlinkSync(EXECUTABLE, `${this.path}/hapgent`);
    symlinkSync(`${SCRIPTS}/hapgent-follow`, `${this.path}/hapgent-follow`);
  }

  /** A directory of its own, that comes first on the path. */
  get path(): string {
    return this.#directory.path;
  }

  /** Puts a command on the path: a shell's script, `echo 1` for instance. */
  stub(name: string, script: string): void {
    writeFileSync(`${this.path}/${name}`, `#!/bin/sh\n${script}\n`);
    chmodSync(`${this.path}/${name}`, 0o755);
  }

  /** Runs it once. */
  run(...args: string[]): Promise<Output> {
    return this.#outcome(["hapgent-follow", ...args]);
  }

  /**
   * Runs a file of the examples once, as the timer does.
   *
   * @param replaced what a path of the example is here.
   */
  async runExample(name: string, replaced: Record<string, string> = {}): Promise<Output> {
    let text = await Bun.file(`${SCRIPTS}/follow/${name}`).text();
    for (const [of, by] of Object.entries(replaced)) text = text.replaceAll(of, by);
    return await this.#outcome(["sh", "-c", text]);
  }

  #outcome(command: string[]): Promise<Output> {
    const env = {
      ...TUNED,
      PATH: `${this.path}:${process.env["PATH"]}`,
      HAPGENT_SOCKET: this.#agent.socket,
    };
    return outcome(command, { env, isClean: true, cwd: this.path });
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}
