import { afterAll, beforeAll } from "bun:test";
import { symlinkSync, writeFileSync } from "node:fs";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { type Output, outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { writeServices } from "../contract/driver.ts";

export const SCRIPTS = `${ROOT}deploy/scripts`;

/** Starts an agent with services for all tests of a file, and runs hapgent-follow as its timer does. */
export function useFollower(...names: string[]) {
  const stack = new AsyncDisposableStack();
  const services = stack.use(temporaryDirectory());
  /** Comes first on the path, and is where the command runs. */
  const { path } = stack.use(temporaryDirectory());
  let agent: AgentProcess;
  beforeAll(async () => {
    symlinkSync(EXECUTABLE, `${path}/hapgent`);
    symlinkSync(`${SCRIPTS}/hapgent-follow`, `${path}/hapgent-follow`);
    writeServices(services.path, Object.fromEntries(names.map((name) => [name, UP])));
    const env = { HAPGENT_SERVICES: services.path };
    agent = stack.use(await startAgent({ state: { status: "UP" }, socket: true, env }));
  });
  afterAll(() => stack.disposeAsync());
  const runAll = (command: string[], env: Record<string, string> = {}): Promise<Output> => {
    const { socket } = agent;
    const PATH = `${path}:${process.env["PATH"]}`;
    const all = { ...TUNED, PATH, HAPGENT_SOCKET: socket, ...env };
    return outcome(command, { env: all, isClean: true, cwd: path });
  };
  return {
    path,
    /** Where the agent has its control socket, and the script what it remembers. */
    directory: () => agent.directory.path,
    /** What a service, `@web`, is set to now. */
    state: async (service: string) =>
      JSON.parse((await agent.ctl(service, "show state")).stdout).state,
    set: async (service: string, state: object) => {
      await agent.ctl(service, "set state", JSON.stringify(state));
    },
    /** Puts a command on the path: a shell's script, `echo 1` for instance. */
    stub(name: string, script: string): void {
      writeFileSync(`${path}/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    },
    /** Runs it once. */
    run: (args: readonly string[], env?: Record<string, string>) =>
      runAll(["hapgent-follow", ...args], env),
    /** Runs a file of the examples once; `replaced` says what a path of the example is here. */
    async runExample(name: string, replaced: Record<string, string> = {}): Promise<Output> {
      let text = await Bun.file(`${SCRIPTS}/follow/${name}`).text();
      for (const [of, by] of Object.entries(replaced)) text = text.replaceAll(of, by);
      return await runAll(["sh", "-c", text]);
    },
  };
}

const UP = '{"status":"UP"}';
