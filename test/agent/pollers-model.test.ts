// Whatever happens to checks, and whenever the reply changes: when a wait is ok, every line of every
// HAProxy has the present reply.
import { afterAll, expect, spyOn, test } from "bun:test";
import fc from "fast-check";
import { Pollers } from "../../src/agent/pollers.ts";
import { Services } from "../../src/agent/services.ts";
import { STATUSES, type Status } from "../../src/state/state.ts";

/** A step of the clock, in milliseconds. */
const STEP_MS = 100;

/** A minute: a poller that is silent for longer may be forgotten. */
const STEPS = 600;

let now = 0;
const clock = spyOn(performance, "now").mockImplementation(() => now);

afterAll(() => clock.mockRestore());

/** What becomes of a check: the agent may not know whether its reply has come, or not see it. */
type Fate = "served" | "perhaps served" | "perhaps not" | "lost";

/** A line of a HAProxy: how often it asks, and from when on, in steps. */
interface Line {
  readonly sent: string;
  readonly interval: number;
  readonly phase: number;
  readonly fates: readonly Fate[];
}

/** Lines that ask in time to be known after 10 s. */
function anyLines(options: { longest: number; fates: readonly Fate[] }): fc.Arbitrary<Line> {
  return fc
    .record({
      interval: fc.integer({ min: 1, max: options.longest }),
      phase: fc.nat(89),
      fates: fc.array(fc.constantFrom(...options.fates), { maxLength: 12 }),
    })
    .map(({ interval, phase, fates }) => ({
      ...{ sent: "web", interval, phase: phase % interval },
      fates: ["served", ...fates],
    }));
}

const anyChanges = fc.array(
  fc.record({ step: fc.nat(STEPS), status: fc.constantFrom(...STATUSES) }),
  { maxLength: 8 },
);

/** Plays a minute, and looks at each step; returns how often a wait was ok. */
async function play(
  lines: readonly Line[],
  changes: readonly { step: number; status: Status }[],
): Promise<number> {
  now = 0;
  const options = { file: "/nowhere", directory: undefined, mode: "exact", watch: false } as const;
  let pollers: Pollers | undefined;
  const services = new Services({ ...options, changing: () => pollers?.forgetSilent() });
  pollers = new Pollers(services);
  const { host } = services;
  /** What each line has been told last. */
  const told = lines.map(() => "");
  let ok = 0;
  for (let step = 0; step < STEPS; step += 1) {
    now = step * STEP_MS;
    for (const [i, { sent, interval, phase, fates }] of lines.entries()) {
      if (step % interval !== phase) continue;
      const fate = fates[Math.floor(step / interval) % fates.length];
      const reply = host.reply.text;
      if (fate === "served" || fate === "perhaps served") told[i] = reply;
      if (fate === "lost") continue;
      const record = fate === "served" ? reply : undefined;
      pollers.record({ address: "192.0.2.1", sent }, record);
    }
    for (const { status } of changes.filter((change) => change.step === step)) {
      services.answerWhileStopping(status);
    }
    const { problem } = await pollers.wait({ seconds: 0 });
    if (problem !== undefined) continue;
    ok += 1;
    expect(told).toEqual(lines.map(() => host.reply.text));
  }
  return ok;
}

test("where each has an agent-send of its own, whatever becomes of its checks", async () => {
  let ok = 0;
  const fates = ["served", "served", "served", "perhaps served", "perhaps not", "lost"] as const;
  const anyOwn = fc.array(anyLines({ longest: 90, fates }), { minLength: 1, maxLength: 4 });
  const property = fc.asyncProperty(anyOwn, anyChanges, async (lines, changes) => {
    const own = lines.map((line, i) => ({ ...line, sent: `web ${i}` }));
    ok += await play(own, changes);
  });
  await fc.assert(property, { numRuns: 30 });
  // It is ok at all.
  expect(ok).toBeGreaterThan(500);
}, 30_000);

test("where all share one, when each asks every 2 s or more often", async () => {
  let ok = 0;
  const anyShared = fc.array(anyLines({ longest: 20, fates: ["served"] }), {
    minLength: 2,
    maxLength: 4,
  });
  const property = fc.asyncProperty(anyShared, anyChanges, async (lines, changes) => {
    ok += await play(lines, changes);
  });
  await fc.assert(property, { numRuns: 30 });
  expect(ok).toBeGreaterThan(500);
}, 30_000);
