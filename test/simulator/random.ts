/** Random numbers that a seed decides (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed ^ (seed >>> 16), 0x45d9f3b) | 0;
  }

  /** From 0 to 1. */
  number(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  between(from: number, to: number): number {
    return from + this.number() * (to - from);
  }

  /** An integer from 0, below a limit. */
  below(limit: number): number {
    return Math.floor(this.number() * limit);
  }

  chance(probability: number): boolean {
    return this.number() < probability;
  }

  pick<T>(values: readonly [T, ...T[]]): T {
    return values[this.below(values.length)] ?? values[0];
  }

  /** As many as were picked of `counts`. */
  some<T>(counts: readonly [number, ...number[]], make: (i: number) => T): T[] {
    return Array.from({ length: this.pick(counts) }, (_, i) => make(i));
  }
}
