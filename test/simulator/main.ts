// Plays worlds: bun test/simulator/main.ts WORLDS SEED
import { simulate } from "./simulate.ts";

const [worlds = "10000", seed = "1"] = process.argv.slice(2);
const start = performance.now();
const summary = simulate(Number(worlds), Number(seed));
const { faults, ...figures } = summary;
console.log(JSON.stringify({ ...figures, seconds: Math.round(performance.now() - start) / 1000 }));
for (const fault of faults.slice(0, 20)) console.log(fault);
process.exit(faults.length > 0 ? 1 : 0);
