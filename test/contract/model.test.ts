// Over random sequences of edits, reloads, changes, restarts and a directory that comes and goes, reply
// and file are those of the model below, whether the file is watched or not: what is not watched is
// read when that is asked for only, an invalid file is FAIL then; with watch the last good state stays,
// and what the agent has saved, or could not save, is no edit.
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { formatReply } from "../../src/state/reply.ts";
import { formatState, parseState, type State, type Status } from "../../src/state/state.ts";
import { anyState } from "../arbitraries.ts";
import { command, expectReply, start } from "./driver.ts";

type Event =
  | { kind: "edit"; text: string }
  | { kind: "delete" | "move" | "reload" | "restart" }
  | { kind: "set"; status: Status };

/** What is there, whoever put it there. */
interface Place {
  /** Whether the directory of the file is elsewhere. */
  readonly isAway: boolean;
  readonly text: string | undefined;
}

/** The agent as it is described: its state, and what it knows to be in the file, if that is a state. */
class Model {
  state: State = { status: "FAIL" };
  #known: State | undefined;

  constructor(readonly isWatching: boolean) {}

  /** Does what an event asks for, and returns the text of the file then. */
  async apply(event: Event, place: Place): Promise<string | undefined> {
    if (event.kind === "reload" || event.kind === "restart") {
      this.#known = await parseOrNot(place);
      this.state = this.#known ?? { status: "FAIL" };
    }
    if (event.kind !== "set") return place.text;
    // A change is made to the file's state, not to what stands in for it.
    await this.look(place, this.#known === undefined);
    const { reason: _, ...kept } = this.state;
    this.state = { ...kept, status: event.status };
    if (place.isAway) return place.text;
    this.#known = this.state;
    return formatState(this.state);
  }

  /** Takes on what somebody else has put into the file. */
  async look(place: Place, isAsked: boolean = this.isWatching): Promise<void> {
    const found = await parseOrNot(place);
    if ((!isAsked && !this.isWatching) || Bun.deepEquals(found, this.#known)) return;
    this.#known = found;
    this.state = found ?? this.state;
  }
}

const text = fc.oneof(
  anyState.map((state) => JSON.stringify(state)),
  fc.constantFrom("", "{}", '{"status":"UP"', '{"status":"up"}', '{"status":"UP","weight":256}'),
);

const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constant("edit"), text }),
  fc.record({ kind: fc.constantFrom("delete", "move", "reload", "reload", "restart") }),
  fc.record({ kind: fc.constant("set"), status: fc.constantFrom<Status>("UP", "DOWN", "MAINT") }),
);

test("an agent does what its model does, whatever happens in whatever order", async () => {
  // A check after an event, or none: with watch it is a look at the file.
  const events = fc.array(fc.tuple(anyEvent, fc.boolean()), { minLength: 1, maxLength: 20 });
  await fc.assert(fc.asyncProperty(fc.boolean(), events, play), {
    numRuns: 100,
    endOnFailure: true,
  });
});

/** Lets events happen to an agent and to its model, and compares them where a check comes. */
async function play(isWatching: boolean, events: readonly [Event, boolean][]): Promise<void> {
  using directory = temporaryDirectory();
  const [here, away] = [`${directory.path}/here`, `${directory.path}/away`];
  mkdirSync(here);
  const env: Record<string, string> = isWatching ? { HAPGENT_WATCH: "on" } : {};
  const begin = () => start({ stateFile: `${here}/state.json`, socket: true, env });
  const look = (): Place => {
    const isAway = existsSync(away);
    const file = `${isAway ? away : here}/state.json`;
    return { isAway, text: existsSync(file) ? readFileSync(file, "utf8") : undefined };
  };
  let agent = await begin();
  await using _ = { [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose]() };
  const model = new Model(isWatching);
  for (const [event, isChecked] of events) {
    const isAway = existsSync(away);
    const file = `${isAway ? away : here}/state.json`;
    if (event.kind === "edit") writeFileSync(file, event.text);
    if (event.kind === "delete") rmSync(file, { force: true });
    const text = await model.apply(event, look());
    if (event.kind === "move") renameSync(isAway ? away : here, isAway ? here : away);
    if (event.kind === "restart") {
      await agent[Symbol.asyncDispose]();
      agent = await begin();
    }
    if (event.kind === "reload") await command(agent, "reload");
    if (event.kind === "set") await command(agent, `set status ${event.status}`);
    const now = look();
    expect(now.text).toBe(text);
    if (!isChecked) continue;
    await model.look(now);
    await expectReply(agent, formatReply([model.state], "exact"));
  }
}

async function parseOrNot({ isAway, text = "" }: Place): Promise<State | undefined> {
  return isAway ? undefined : await parseState(text).catch(() => undefined);
}
