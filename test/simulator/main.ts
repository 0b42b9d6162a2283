// Plays worlds: bun test/simulator/main.ts WORLDS SEED
import { planWorld } from "./plan.ts";
import { playWorld } from "./world.ts";

/** What many worlds have shown. */
interface Summary {
  readonly worlds: number;
  readonly oks: number;
  /** How often a wait was not ok, by cause. */
  readonly errors: Readonly<Record<string, number>>;
  /** False oks that no agent can know, by cause. */
  readonly unknowable: Readonly<Record<string, number>>;
  /** The worlds in which a promise was broken: their seeds, and what happened. */
  readonly faults: readonly string[];
}

/** Plays worlds from a seed on, one seed a world. */
export function simulate(worlds: number, seed: number): Summary {
  const errors: Record<string, number> = {};
  const unknowable: Record<string, number> = {};
  const faults: string[] = [];
  let oks = 0;
  for (let i = 0; i < worlds; i += 1) {
    const each = seed + i;
    const { ends, falseOks, endless } = playWorld(planWorld(each), each);
    for (const { problem } of ends) {
      if (problem === undefined) oks += 1;
      else count(errors, typeof problem === "object" ? "changed" : problem);
    }
    if (endless !== undefined) faults.push(`seed ${each}: never ok: ${endless}`);
    for (const falseOk of falseOks) {
      if (falseOk.kind === "fault") faults.push(`seed ${each}: ${JSON.stringify(falseOk)}`);
      else count(unknowable, falseOk.kind);
    }
  }
  return { worlds, oks, errors, unknowable, faults };
}

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

if (import.meta.main) {
  const [worlds = "10000", seed = "1"] = process.argv.slice(2);
  const start = performance.now();
  const { faults, ...figures } = simulate(Number(worlds), Number(seed));
  const seconds = Math.round(performance.now() - start) / 1000;
  console.log(JSON.stringify({ ...figures, seconds }));
  for (const fault of faults.slice(0, 20)) console.log(fault);
  process.exit(faults.length > 0 ? 1 : 0);
}
