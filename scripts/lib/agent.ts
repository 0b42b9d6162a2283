import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TUNED } from "../../src/agent/tuning.ts";
import type { State } from "../../src/state/state.ts";
import { ask, type Question } from "./check.ts";
import { EXECUTABLE } from "./executable.ts";
import { collectLines } from "./lines.ts";
import { freePort } from "./port.ts";
import { type Output, outcome } from "./shell.ts";
import { temporaryDirectory } from "./temporary.ts";
import { until } from "./until.ts";

/** How long an agent may take to start or to stop, in milliseconds: as long as its unit gives it. */
const TURN_MS = 90_000;

/** How to start an agent. */
export interface AgentOptions {
  /** What the state file holds at first: a state, or a text as it is; none: no file. */
  state?: object | string;
  /** Path of the state file, when not a new one in a directory of its own. */
  stateFile?: string;
  /** Whether it starts without the tuned variables, which every launcher sets. */
  isBare?: boolean;
  /** Further environment variables. */
  env?: Record<string, string>;
  /** Whether it opens a control socket, in the directory of its own. */
  socket?: boolean;
  hostname?: string;
  /** What is put before the executable, `["prlimit", "--nofile=32"]` for instance. */
  launcher?: string[];
  /** What is run, when not `dist/hapgent`: a copy of it. */
  executable?: string;
  /**
   * A descriptor that is the agent's stderr: there is no log then, and an answer tells that it
   * listens.
   */
  stderr?: number;
  /** Milliseconds that it may take until it listens, when not 90 s. */
  deadline?: number;
  /** Called with each process as soon as it is there, long before it listens. */
  onSpawn?: (pid: number) => void;
}

/** What runs an agent: a process, or a test that is one itself. */
export type Runner = Pick<
  Bun.Subprocess,
  "pid" | "kill" | "exited" | "exitCode" | "signalCode" | "killed"
>;

/** A running agent; `await using agent = await startAgent(...)` kills it at the end of the test. */
export class AgentProcess implements AsyncDisposable {
  constructor(
    readonly process: Runner,
    readonly port: number,
    readonly hostname: string,
    readonly stateFile: string,
    readonly directory: Disposable & { path: string },
    readonly log: string[],
  ) {}

  get pid(): number {
    return this.process.pid;
  }

  ask(question: Question = {}): Promise<string> {
    return ask(this.port, { hostname: this.hostname, ...question });
  }

  signal(name: NodeJS.Signals): void {
    this.process.kill(name);
  }

  /** Gives the agent another state, through its file and SIGHUP. */
  change(state: State): void {
    writeFileSync(this.stateFile, JSON.stringify(state));
    this.signal("SIGHUP");
  }

  /** Waits until the agent answers this reply. */
  async answers(reply: string): Promise<void> {
    let last = "";
    const what = () => `reply ${JSON.stringify([reply, last])}; log: ${this.log.join("")}`;
    await until(what, async () => {
      last = await this.ask();
      return last === reply;
    });
  }

  /** Waits until a line of the log matches, and returns it. */
  logs(pattern: RegExp): Promise<string> {
    return until(`log ${pattern}`, () => this.log.find((line) => pattern.test(line)));
  }

  /** Path of the control socket. */
  get socket(): string {
    return socketIn(this.directory.path);
  }

  /** Sends a command to the control socket as a script does. */
  ctl(...command: string[]) {
    return runAgent(["ctl", ...command], { HAPGENT_SOCKET: this.socket });
  }

  /** The state file's text. */
  file(): string {
    return readFileSync(this.stateFile, "utf8");
  }

  /** Sends a signal and waits for the exit code. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number> {
    this.signal(signal);
    const { process } = this;
    const hasEnded = () => process.exitCode !== null || process.signalCode !== null;
    await until(`its end after ${signal}`, hasEnded, TURN_MS);
    return await process.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.exited;
    this.directory[Symbol.dispose]();
  }
}

/** Starts the compiled executable on a free port and waits until it says that it listens. */
export async function startAgent(options: AgentOptions = {}): Promise<AgentProcess> {
  const { state, hostname = "127.0.0.1", launcher = [], executable = EXECUTABLE } = options;
  const directory = temporaryDirectory();
  const stateFile = options.stateFile ?? join(directory.path, "state.json");
  if (state !== undefined) {
    writeFileSync(stateFile, typeof state === "string" ? state : JSON.stringify(state));
  }
  for (let attempt = 1; ; attempt += 1) {
    const port = freePort(hostname);
    const process = Bun.spawn([...launcher, executable], {
      env: {
        PATH: Bun.env["PATH"] ?? "",
        ...(!options.isBare && TUNED),
        HAPGENT_IP: hostname,
        HAPGENT_PORT: String(port),
        HAPGENT_STATE_FILE: stateFile,
        ...(options.socket && { HAPGENT_SOCKET: socketIn(directory.path) }),
        ...options.env,
      },
      stdio: ["ignore", "ignore", options.stderr ?? "pipe"],
    });
    options.onSpawn?.(process.pid);
    const log: string[] = [];
    if (process.stderr instanceof ReadableStream) void collectLines(process.stderr, log);
    const agent = new AgentProcess(process, port, hostname, stateFile, directory, log);
    const listens = async () => {
      if (log.some((line) => line.startsWith("hapgent: listening"))) return "listens";
      if (options.stderr !== undefined && (await ask(port, { hostname }).catch(() => ""))) {
        return "listens";
      }
      return process.exitCode !== null || process.signalCode !== null ? "exited" : undefined;
    };
    const started = await until("agent listens or exits", listens, options.deadline ?? TURN_MS);
    if (started === "listens") return agent;
    // Somebody else may have been given the port in between; without a log nobody knows.
    const isTaken = options.stderr !== undefined || log.join("").includes("EADDRINUSE");
    if (attempt === 3 || !isTaken) {
      await agent[Symbol.asyncDispose]();
      throw new Error(`the agent did not start: ${log.join("\n")}`);
    }
  }
}

function socketIn(directory: string): string {
  return join(directory, "hapgent.sock");
}

/** Runs the executable to its end, in an environment that has nothing but these variables. */
export async function runAgent(
  args: string[],
  env: Record<string, string> = {},
  cwd?: string,
): Promise<Output> {
  return await outcome([EXECUTABLE, ...args], { env, cwd, isClean: true });
}
