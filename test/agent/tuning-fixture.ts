// What becomeTuned would execute in each environment of the first argument, run as an executable by
// `--define`.
import { becomeTuned } from "../../src/agent/tuning.ts";

let executed: unknown[] = [];
process.execve = ((...given: unknown[]) => {
  executed = given;
}) as never;

const results = JSON.parse(process.argv[2] ?? "[]").map((env: never) => {
  executed = [];
  becomeTuned(env);
  return executed;
});
console.log(JSON.stringify(results));
