// An executable that becomes tuned as the agent does, with the program of the first argument in the
// place of its own; prints why it did not.
import { becomeTuned } from "../../src/agent/tuning.ts";

const [, , program = ""] = process.argv;
process.execPath = program;
console.log(JSON.stringify(becomeTuned(process.env) ?? "stays"));
