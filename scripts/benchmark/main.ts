// Measures the agent beside the runtime's floor and the physical limit. The README says how to read
// it.
import { parseArgs } from "node:util";
import { findMemoryController } from "../lib/cgroup.ts";
import { needPackages } from "../lib/packages.ts";
import { run } from "../lib/shell.ts";
import { measureColdStarts } from "./cold.ts";
import { Measurements } from "./figures.ts";
import { measureHaproxy } from "./haproxy.ts";
import { measureIdle } from "./idle.ts";
import { measureLoads, measureMillion } from "./load.ts";
import { makeResult, type ServicesPoint, writeResult } from "./result.ts";
import { measureNamedChecks, measureServices } from "./services.ts";
import { measureSizes } from "./size.ts";
import { measureStarts } from "./startup.ts";
import { buildSubjects, listSubjects, type Subject, type SubjectName } from "./subjects.ts";
import { formatResult } from "./table.ts";

const { values: options } = parseArgs({
  options: {
    against: { type: "string" },
    check: { type: "boolean", default: false },
    short: { type: "boolean", default: false },
    release: { type: "boolean", default: false },
  },
});
if (options.short && options.release) throw new Error("a release needs the whole run, not --short");

const ROUNDS = 5;
const EXIT_INTERRUPTED = 130;

// A network namespace of our own: nobody else touches its ports and counters. Only root can have
// one, and the short run, which may not be root's, does without.
const isIsolated = process.env["BENCHMARK_ISOLATED"] !== undefined;
if (!isIsolated) {
  await buildSubjects(options.short);
  // In a namespace of its own nothing can be downloaded any more.
  if (!options.short) needPackages("scripts/benchmark", "the charts");
  if (!options.short && process.getuid?.() === 0) isolate();
}

// An interrupted run ends like any other: what it made is removed.
for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, () => process.exit(EXIT_INTERRUPTED));

const subjects = listSubjects(options.against);
const measurements = new Measurements();
const notes: string[] = [];
const services: ServicesPoint[] = [];
if (options.short) await measureShort();
else await measureAll();

const result = makeResult(measurements, subjects, options.short ? 1 : ROUNDS, notes, services);
const file = writeResult(result, options.release);
if (!options.short) run(["bun", "scripts/benchmark/charts/main.ts", file]);
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
  await measureSizes(measurements, some, false);
  await Promise.all([
    measureIdle(measurements, some, ROUNDS),
    ...pick("agent").map(async (subject) => {
      services.push(...(await measureServices(measurements, subject, [100, 1000])));
    }),
  ]);
  await measureLoads(measurements, pick("agent", "against"), 1);
}

async function measureAll(): Promise<void> {
  await measureSizes(measurements, subjects, true);
  await measureStarts(measurements, subjects, ROUNDS);
  // Neither of these two is about speed, and what does not wake is not disturbed.
  await Promise.all([
    measureIdle(measurements, subjects, ROUNDS),
    ...pick("agent").map((subject) => measureMillion(measurements, subject)),
  ]);
  await measureLoads(measurements, pick("agent", "untuned", "bare", "epoll", "against"), ROUNDS);
  notes.push("1,000,000 checks: the agent only, once.");

  for (const subject of pick("agent")) {
    const counts = [1, 10, 100, 1000];
    const besideProcesses = true;
    const points = await measureServices(measurements, subject, counts, { besideProcesses });
    services.push(...points);
    await measureNamedChecks(measurements, subject, ROUNDS);
  }

  const controller = findMemoryController();
  if (controller && process.getuid?.() === 0) {
    const cold = pick("agent", "bare", "empty", "epoll");
    await measureColdStarts(measurements, cold, ROUNDS, controller);
  } else {
    notes.push("cold starts: not measured, no control group and no disk can be made here.");
  }

  const checked = pick("agent", "epoll", "against");
  if (isIsolated) await measureHaproxy(measurements, checked, ROUNDS);
  else notes.push("HAProxy: not measured, it needs root for a network namespace of its own.");
}

function pick(...names: SubjectName[]): Subject[] {
  return subjects.filter(({ name }) => names.includes(name));
}

/** Becomes this program once more, in a new network namespace. */
function isolate(): void {
  const unshare = Bun.which("unshare") ?? "unshare";
  const script = 'ip link set lo up && exec "$@"';
  const again = ["sh", process.execPath, ...process.argv.slice(1)];
  process.execve?.(unshare, ["unshare", "--net", "sh", "-c", script, ...again], {
    ...process.env,
    BENCHMARK_ISOLATED: "1",
  });
}
