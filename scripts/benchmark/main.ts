// Measures the agent beside the runtime's floor and the physical limit. The README says how to read
// it.
import { parseArgs } from "node:util";
import { say } from "../lib/steps.ts";
import { Measurements } from "./figures.ts";
import { measureIdle } from "./idle.ts";
import { launch } from "./launch.ts";
import { judge } from "./limits.ts";
import { measureLoads, measureMillion } from "./load.ts";
import { measureOptions } from "./options.ts";
import { makeResult, printFigures, writeResult } from "./result.ts";
import { buildSubjects, listSubjects, measureSizes, type SubjectName } from "./subjects.ts";

const { values: options } = parseArgs({
  options: {
    against: { type: "string" },
    check: { type: "boolean", default: false },
    short: { type: "boolean", default: false },
    release: { type: "boolean", default: false },
  },
});
if (options.short && options.release) throw new Error("a release needs the whole run, not --short");

/** How often each is measured; in a short run the load, which takes long, less often. */
const ROUNDS = 5;
const LOAD_ROUNDS = options.short ? 3 : ROUNDS;

/** Starts per round: they are quick, and differ more among themselves. */
const STARTS = 3;

/** What a short run measures. */
const FEW: readonly SubjectName[] = ["agent", "empty", "against"];

await buildSubjects();
const subjects = listSubjects(options.against).filter(
  ({ name }) => !options.short || FEW.includes(name),
);
const [agent] = subjects;
if (agent === undefined) throw new Error("expected the agent among the subjects");
const listening = subjects.filter(({ listens }) => listens);
const measurements = new Measurements();
measureSizes(measurements, subjects);
if (!options.short) await measureStarts();
// None of these is about speed, and what does not wake is not disturbed.
say("idle, options");
await Promise.all([
  measureIdle(measurements, subjects, ROUNDS),
  measureOptions(measurements, agent),
  ...(options.short ? [] : [measureMillion(measurements, agent)]),
]);
await measureLoads(measurements, listening, LOAD_ROUNDS);

const result = makeResult(measurements, subjects);
const file = writeResult(result, options.release);
const verdicts = judge(measurements);
console.log(`\nhapgent ${result.version} (${result.commit}), ${result.machine}`);
console.log(`Medians (least..greatest); rounds of load: ${LOAD_ROUNDS}\n`);
printFigures(result);
console.log(["", ...verdicts.map(({ line }) => line), "", `written to ${file}`].join("\n"));

if (options.check) {
  const checked = verdicts.filter(({ isShownOnly }) => !isShownOnly);
  const failed = checked.filter(({ holds }) => !holds).length;
  console.log(`${checked.length - failed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

/** Measures the time from the launch to the first reply, the executable being in the page cache. */
async function measureStarts(): Promise<void> {
  say("starts");
  for (let start = 0; start < STARTS * ROUNDS; start += 1) {
    for (const subject of listening) {
      await using program = await launch(subject);
      measurements.add(subject.name, "startWarmMs", program.startMs);
    }
  }
}
