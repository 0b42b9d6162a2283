// What becomeTuned does with each environment and program of the first argument, run as an executable
// by `--define`: why it does nothing, and what it would execute.
import { becomeTuned } from "../../src/agent/tuning.ts";

let executed: unknown[] = [];
process.execve = ((...given: unknown[]) => {
  executed = given;
}) as never;

const { execPath } = process;
const cases = (process.argv[2] ?? "[]").replaceAll("OWN_PID", String(process.pid));
const results = JSON.parse(cases).map(([env, program]: [never, string?]) => {
  executed = [];
  process.execPath = program ?? execPath;
  return { obstacle: becomeTuned(env) ?? null, executed };
});
console.log(JSON.stringify(results));
