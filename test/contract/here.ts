// The agent in the process of the test: the log, the clock, signals and the exit are the test's.

import { jest, spyOn } from "bun:test";
import { EventEmitter } from "node:events";
import { writeFileSync } from "node:fs";
import { type AgentOptions, AgentProcess } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { Agent, serve } from "../../src/agent/serve.ts";
import * as log from "../../src/log.ts";
import { type Environment, readConfig } from "../../src/settings.ts";
import * as disk from "../../src/state/disk.ts";
import * as replacing from "../../src/state/replace.ts";

/** The logs of the agents that run now. */
const logs = new Set<string[]>();
let recorders: Disposable[] = [];

/** Writes what is logged to `lines` too, in place of stderr. */
function record(lines: string[]): void {
  logs.add(lines);
  if (recorders.length > 0) return;
  const write = (message: string, fields: log.LogFields = {}) => {
    const line = log.formatLine(message, fields).trimEnd();
    for (const each of logs) each.push(line);
  };
  recorders = (["log", "logLast"] as const).map((name) =>
    spyOn(log, name).mockImplementation(write),
  );
}

function forget(lines: string[]): void {
  logs.delete(lines);
  if (logs.size > 0) return;
  for (const recorder of recorders.splice(0)) recorder[Symbol.dispose]();
}

/** What the process is to an agent, and the agent to AgentProcess. */
class Here {
  readonly pid = process.pid;
  readonly signals = new EventEmitter();
  readonly log: string[] = [];
  readonly signalCode = null;
  exitCode: number | null = null;
  /** How far ahead of the real clock the agent's is (ms). */
  ahead = 0;
  readonly now = () => performance.now() + this.ahead;
  readonly #exit = Promise.withResolvers<number>();

  get exited(): Promise<number> {
    return this.#exit.promise;
  }

  get killed(): boolean {
    return this.exitCode !== null;
  }

  readonly exit = (code: number) => {
    this.exitCode ??= code;
    this.#exit.resolve(code);
    forget(this.log);
  };

  kill(signal?: number | NodeJS.Signals): void {
    if (this.exitCode !== null) return;
    // Nothing can kill it: it stops as fast as it can, at the second signal.
    this.signals.emit(signal === "SIGKILL" ? "SIGTERM" : String(signal ?? "SIGTERM"));
    if (signal === "SIGKILL") void turn().then(() => this.kill("SIGINT"));
  }
}

/** An agent in this process, with a clock that can be put forward. */
export class AgentHere extends AgentProcess {
  readonly #here: Here;

  constructor(here: Here, ...rest: [number, string, string, Disposable & { path: string }]) {
    super(here, ...rest, here.log);
    this.#here = here;
  }

  /** Lets so many seconds pass for it, once it has done what it has to do now. */
  async pass(seconds: number): Promise<void> {
    await turn();
    this.#here.ahead += seconds * 1000;
  }
}

/** Starts an agent in this process, on a port from the kernel. */
export async function startHere(options: AgentOptions = {}): Promise<AgentHere> {
  const { state, hostname = "127.0.0.1", env = {} } = options;
  const directory = temporaryDirectory();
  const stateFile = options.stateFile ?? `${directory.path}/state.json`;
  if (state !== undefined) {
    writeFileSync(stateFile, typeof state === "string" ? state : JSON.stringify(state));
  }
  const socket = options.socket ? { HAPGENT_SOCKET: `${directory.path}/hapgent.sock` } : {};
  const config = readConfig({ HAPGENT_STATE_FILE: stateFile, ...socket, ...env });
  const here = new Here();
  record(here.log);
  const agent = new Agent({ ...config, listen: [{ ip: hostname, port: 0 }] }, here);
  try {
    await agent.start();
  } catch (error) {
    forget(here.log);
    throw error;
  }
  const [port = 0] = agent.ports;
  return new AgentHere(here, port, hostname, stateFile, directory);
}

/** Starts an agent that must end by itself, and tells how it ended, and what it said. */
export async function refuseHere(env: Environment): Promise<{ exitCode: number; log: string[] }> {
  const here = new Here();
  record(here.log);
  // It may never come to its end: where no thread can be started, the exit is all that comes.
  void serve(env, undefined, here);
  return { exitCode: await here.exited, log: here.log };
}

/** Lets everything happen that has been caused: of sockets, not of timers. */
export async function turn(): Promise<void> {
  for (let i = 0; i < 50; i += 1) await new Promise(setImmediate);
}

/**
 * Lets an agent here wait so many times as long, for a disk or for clients. Where only one disk hangs,
 * a fifth (1 s) is still enough for the others.
 */
export function wait(times: number): Disposable {
  const { within } = disk;
  return spyOn(disk, "within").mockImplementation((time, work) => within(time * times, work));
}

/** Holds saves of agents here, before they touch a file, until they are released. */
export function holdSaves(): Disposable & { release(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { replaceFile } = replacing;
  const spy = spyOn(replacing, "replaceFile").mockImplementation(async (...given) => {
    await promise;
    return await replaceFile(...given);
  });
  return { release: resolve, [Symbol.dispose]: () => spy.mockRestore() };
}

/** Timers that stand still while it is in scope, but for what `pass` lets go by (ms). */
export function stopTimers(): Disposable & { pass(milliseconds: number): Promise<void> } {
  jest.useFakeTimers();
  return {
    async pass(milliseconds) {
      jest.advanceTimersByTime(milliseconds);
      await turn();
    },
    [Symbol.dispose]: () => void jest.useRealTimers(),
  };
}
