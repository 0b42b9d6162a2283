// Over random sequences of edits, reloads, changes, restarts and a directory that comes and goes, reply
// and file are those of the model below.
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { formatReply } from "../../src/state/reply.ts";
import { formatState, parseState, type State, type Status } from "../../src/state/state.ts";
import { anyState } from "../arbitraries.ts";
import { ask, command, type Started, start } from "./driver.ts";

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

/** The agent as it is described: its state, and whether it stands in for that of the file. */
class Model {
  state: State = { status: "FAIL" };
  #isMakeshift: boolean = true;

  /** Does what an event asks for, and returns the text of the file then. */
  apply(event: Event, { isAway, text }: Place): string | undefined {
    const read = isAway || text === undefined ? undefined : parseOrNot(text);
    if (event.kind === "reload" || event.kind === "restart") {
      this.state = read ?? { status: "FAIL" };
      this.#isMakeshift = read === undefined;
    }
    if (event.kind !== "set") return text;
    // A change is made to the file's state, not to what stands in for it.
    const { reason: _, ...kept } = (this.#isMakeshift && read) || this.state;
    this.state = { ...kept, status: event.status };
    this.#isMakeshift &&= read === undefined && isAway;
    return isAway ? text : formatState(this.state);
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
  const events = fc.array(anyEvent, { minLength: 1, maxLength: 15 });
  await fc.assert(fc.asyncProperty(events, play), { numRuns: 100 });
});

/** Lets events happen to an agent and to its model, and compares them after each. */
async function play(events: readonly Event[]): Promise<void> {
  using directory = temporaryDirectory();
  const [here, away] = [`${directory.path}/here`, `${directory.path}/away`];
  mkdirSync(here);
  const begin = () => start({ stateFile: `${here}/state.json`, socket: true });
  let agent = await begin();
  await using _ = { [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose]() };
  const model = new Model();
  for (const event of events) {
    const isAway = existsSync(away);
    const file = `${isAway ? away : here}/state.json`;
    if (event.kind === "edit") writeFileSync(file, event.text);
    if (event.kind === "delete") rmSync(file, { force: true });
    const expected = model.apply(event, { isAway, text: readOrNot(file) });
    if (event.kind === "move") renameSync(isAway ? away : here, isAway ? here : away);
    if (event.kind === "restart") agent = await restart(agent, begin);
    if (event.kind === "reload") await command(agent, "reload");
    if (event.kind === "set") await command(agent, `set status ${event.status}`);
    const now = readOrNot(`${existsSync(away) ? away : here}/state.json`);
    expect({ reply: await ask(agent), text: now }).toEqual({
      reply: formatReply([model.state], "exact"),
      text: expected,
    });
  }
}

async function restart(agent: Started, begin: () => Promise<Started>): Promise<Started> {
  await agent.stop();
  await agent[Symbol.asyncDispose]();
  return await begin();
}

function readOrNot(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

function parseOrNot(text: string): State | undefined {
  try {
    return parseState(text);
  } catch {
    return undefined;
  }
}
