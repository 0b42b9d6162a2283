// Over random sequences of edits, signals, faults and restarts, reply and file are those of a
// model of ten lines.
import { expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import type { State, Status } from "../../src/state/state.ts";
import { anyState } from "../arbitraries.ts";
import { BOUND_BY_PERMISSIONS } from "./launchers.ts";
import { times } from "./scale.ts";

const SEQUENCES = times(2000, 200);
const LANES = 8;

/** A directory's mode: all allowed, no file may be created, nothing may be reached. */
const MODES = [0o755, 0o555, 0o000];

/** What a state file holds: the state that its text is, if it is one. */
interface Content {
  readonly text: string;
  readonly state?: State;
}

type Event =
  | { kind: "edit"; content: Content }
  | { kind: "delete" }
  | { kind: "directory"; mode: number }
  | { kind: "reload" }
  | { kind: "set"; status: Status }
  | { kind: "restart"; signal: NodeJS.Signals };

/**
 * The agent as it is described: what it must answer and what its file must hold after each event.
 */
class Model {
  state: State = { status: "FAIL" };
  /** Whether the state stands in for that of a file that could not be read. */
  isMakeshift: boolean = true;
  file: Content | undefined;
  mode = 0o755;

  apply(event: Event): void {
    if (event.kind === "edit") this.file = event.content;
    if (event.kind === "delete") this.file = undefined;
    if (event.kind === "directory") this.mode = event.mode;
    if (event.kind === "reload" || event.kind === "restart") {
      this.state = this.readable ?? { status: "FAIL" };
      this.isMakeshift = this.readable === undefined;
    }
    if (event.kind === "set") {
      const { reason: _, ...kept } = (this.isMakeshift && this.readable) || this.state;
      this.isMakeshift &&= this.readable === undefined && !this.saves;
      this.state = { ...kept, status: event.status };
      if (this.saves)
        this.file = { text: `${JSON.stringify(this.state, null, 2)}\n`, state: this.state };
    }
  }

  /** The state that is read from the file now, if it is one. */
  get readable(): State | undefined {
    return this.mode === 0 ? undefined : this.file?.state;
  }

  /** Whether a save succeeds now. */
  get saves(): boolean {
    if (this.mode === 0o755) return true;
    // What is no state cannot be set aside there, and so it is not overwritten; empty, it is
    // nothing.
    return this.mode === 0o555 && (this.file?.state !== undefined || this.file?.text === "");
  }

  get reply(): string {
    const { status, weight, maxconn, reason } = this.state;
    const isHealth = ["UP", "DOWN", "FAIL", "STOPPED"].includes(status);
    const words = [
      status,
      weight === undefined ? "" : ` ${weight}%`,
      maxconn === undefined ? "" : ` maxconn:${maxconn}`,
      reason && isHealth ? ` #${reason}` : "",
    ];
    return `${words.join("")}\n`;
  }
}

const goodContent = fc
  .tuple(anyState, fc.constantFrom(0, 1, 4), fc.boolean(), fc.constantFrom("", "\n", "\ufeff"))
  .map(([state, indent, nulls, around]): Content => {
    const all = nulls ? { weight: null, maxconn: null, reason: null, ...state } : state;
    const text = JSON.stringify(all, null, indent);
    return { text: around === "\n" ? `\n${text}\n` : `${around}${text}`, state };
  });

const badContent = fc
  .oneof(
    fc.constantFrom("", "null", "[]", "{}", '{"status":"UP"', '{"status":"up"}', '"UP"', "\0"),
    fc.constantFrom('{"status":"UP","weight":256}', '{"status":"UP","wait":1}'),
    fc.string(),
  )
  .map((text): Content => ({ text }));

const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("edit"), content: goodContent }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("edit"), content: badContent }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete") }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("directory"), mode: fc.constantFrom(...MODES) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("reload") }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("set"),
      status: fc.constantFrom<Status>("UP", "DOWN"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("restart"),
      signal: fc.constantFrom<NodeJS.Signals>("SIGTERM", "SIGKILL"),
    }),
  },
);

/** Sequences that once broke the agent or the model. */
const FOUND: Event[][] = [
  // What is no state cannot be set aside: the model once had it overwritten.
  [
    { kind: "directory", mode: 0o555 },
    { kind: "edit", content: { text: '{"status":"UP","weight":256}' } },
    { kind: "set", status: "UP" },
  ],
  // A change is made to the file's state, not to what stands in for it.
  [
    { kind: "reload" },
    {
      kind: "edit",
      content: { text: '{"status":"UP","weight":5}', state: { status: "UP", weight: 5 } },
    },
    { kind: "set", status: "DOWN" },
  ],
];

test("the agent does what its model does, whatever happens in whatever order", async () => {
  const lanes = Array.from({ length: LANES }, async (_, lane) => {
    await using system = await System.start();
    await fc.assert(
      fc.asyncProperty(fc.array(anyEvent, { minLength: 1, maxLength: 12 }), async (events) => {
        const model = new Model();
        await system.reset(model);
        for (const event of events) await system.apply(event, model);
      }),
      { numRuns: SEQUENCES / LANES, examples: lane === 0 ? FOUND.map((events) => [events]) : [] },
    );
    return system.events;
  });
  // All to their end, also when one has failed: each has a process and a directory to take down.
  await Promise.allSettled(lanes);
  const events = await Promise.all(lanes);
  console.log(`${SEQUENCES} sequences, ${events.reduce((sum, count) => sum + count, 0)} events`);
});

/** A running agent with its directory, to which events happen as to the model. */
class System implements AsyncDisposable {
  events = 0;
  /** The event that is not over yet, or that failed. */
  #underWay: Event | undefined;
  readonly #directory = temporaryDirectory();
  readonly #stateFile = `${this.#directory.path}/etc/state.json`;
  #agent: AgentProcess | undefined;

  static async start(): Promise<System> {
    const system = new System();
    Bun.spawnSync(["mkdir", system.#path]);
    await system.#startAgent();
    return system;
  }

  /** Starts a sequence: nothing there, and the agent knows it. */
  async reset(model: Model): Promise<void> {
    // After a failure the agent may still be saving.
    if (this.#underWay) await this.#startAgent();
    chmodSync(this.#path, model.mode);
    rmSync(this.#stateFile, { force: true });
    await this.apply({ kind: "reload" }, model);
  }

  /** Lets an event happen to agent and model, and compares them. */
  async apply(event: Event, model: Model): Promise<void> {
    this.events += 1;
    this.#underWay = event;
    model.apply(event);
    if (event.kind === "edit") writeFileSync(this.#stateFile, event.content.text);
    if (event.kind === "delete") rmSync(this.#stateFile, { force: true });
    if (event.kind === "directory") chmodSync(this.#path, event.mode);
    if (event.kind === "reload") await this.#signal("SIGHUP", /cause=SIGHUP/);
    if (event.kind === "set") await this.#set(event.status, model);
    if (event.kind === "restart") {
      await this.#agent?.stop(event.signal);
      await this.#startAgent();
    }
    expect({ reply: await this.#agent?.ask(), file: this.#text() }).toEqual({
      reply: model.reply,
      file: model.file?.text,
    });
    this.#underWay = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent?.[Symbol.asyncDispose]();
    this.#directory[Symbol.dispose]();
  }

  get #path(): string {
    return `${this.#directory.path}/etc`;
  }

  async #startAgent(): Promise<void> {
    await this.#agent?.[Symbol.asyncDispose]();
    this.#agent = await startAgent({
      stateFile: this.#stateFile,
      launcher: BOUND_BY_PERMISSIONS,
      env: TUNED,
    });
  }

  /**
   * Signals, and waits until the save is over: its log line, or another file in the old one's
   * place.
   */
  async #set(status: Status, model: Model): Promise<void> {
    const signal = status === "UP" ? "SIGUSR1" : "SIGUSR2";
    const old = this.#inode();
    if (!model.saves) await this.#signal(signal, /save failed/);
    else if (model.mode === 0o555) await this.#signal(signal, /saved in place/);
    else {
      await this.#signal(signal, new RegExp(`cause=${signal}`));
      await until("replaced", () => this.#inode() !== old, 2000);
    }
  }

  async #signal(signal: NodeJS.Signals, line: RegExp): Promise<void> {
    if (!this.#agent) return;
    this.#agent.log.length = 0;
    this.#agent.signal(signal);
    await this.#agent.logs(line);
  }

  #inode(): number | undefined {
    return statSync(this.#stateFile, { throwIfNoEntry: false })?.ino;
  }

  #text(): string | undefined {
    return existsSync(this.#stateFile) ? readFileSync(this.#stateFile, "utf8") : undefined;
  }
}
