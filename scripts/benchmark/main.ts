// Measures the agent beside the runtime's floor and the physical limit. The README says how to read
// it.
import { parseArgs } from "node:util";
import { findMemoryController } from "../lib/cgroup.ts";
import { say } from "../lib/steps.ts";
import { drawChart } from "./chart.ts";
import { Measurements } from "./figures.ts";
import { measureIdle } from "./idle.ts";
import { measureLoads, measureMillion } from "./load.ts";
import { formatResult, makeResult, writeResult } from "./result.ts";
import { measureNamedChecks, measureProcesses, measureServices } from "./services.ts";
import { measureColdStart, measureStarts } from "./start.ts";
import {
  buildSubjects,
  listSubjects,
  measureSizes,
  type Subject,
  type SubjectName,
} from "./subjects.ts";

const { values: options } = parseArgs({
  options: {
    against: { type: "string" },
    check: { type: "boolean", default: false },
    short: { type: "boolean", default: false },
    release: { type: "boolean", default: false },
  },
});
if (options.short && options.release) throw new Error("a release needs the whole run, not --short");

const EXIT_INTERRUPTED = 130;

/** How often each is measured; in a short run the load, which takes long, less often. */
const ROUNDS = 5;
const LOAD_ROUNDS = options.short ? 3 : ROUNDS;

// An interrupted run ends like any other: what it made is removed.
for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, () => process.exit(EXIT_INTERRUPTED));

await buildSubjects(options.short);
const subjects = listSubjects(options.against);
const measurements = new Measurements();
const notes: string[] = [];
if (options.short) await measureShort();
else await measureAll();

const result = makeResult(measurements, subjects, LOAD_ROUNDS, notes);
const file = writeResult(result, options.release);
if (!options.short) drawChart(file);
console.log(formatResult(result));
console.log(`\nwritten to ${file}; took ${result.seconds} s`);

if (options.check) {
  const checked = result.limits.filter(({ isShownOnly }) => !isShownOnly);
  const failed = checked.filter(({ holds }) => !holds).length;
  console.log(`${checked.length - failed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

/** What the limits need, and nothing that takes long. */
async function measureShort(): Promise<void> {
  const some = pick("agent", "empty", "against");
  measureSizes(measurements, some);
  say("idle, services");
  await Promise.all([
    measureIdle(measurements, some, ROUNDS),
    ...pick("agent").map((agent) => measureServices(measurements, agent)),
  ]);
  await measureLoads(measurements, pick("agent", "against"), LOAD_ROUNDS);
}

async function measureAll(): Promise<void> {
  const [agent] = pick("agent");
  if (agent === undefined) throw new Error("expected the agent among the subjects");
  measureSizes(measurements, subjects);
  say("starts");
  await measureStarts(measurements, subjects, ROUNDS);
  // Neither of these two is about speed, and what does not wake is not disturbed.
  say("idle, 1,000,000 checks");
  await Promise.all([
    measureIdle(measurements, subjects, ROUNDS),
    measureMillion(measurements, agent),
  ]);
  const asked = pick("agent", "untuned", "bare", "epoll", "against");
  await measureLoads(measurements, asked, LOAD_ROUNDS);
  notes.push("1,000,000 checks: the agent only, once.");
  say("services");
  await measureServices(measurements, agent);
  await measureProcesses(measurements, pick("agent", "against"));
  await measureNamedChecks(measurements, agent, ROUNDS);
  const controller = process.getuid?.() === 0 ? findMemoryController() : undefined;
  if (controller === undefined) {
    notes.push("cold start: not measured, no control group and no disk can be made here.");
    return;
  }
  say("cold start");
  await measureColdStart(measurements, agent, controller);
}

function pick(...names: SubjectName[]): Subject[] {
  return subjects.filter(({ name }) => names.includes(name));
}
