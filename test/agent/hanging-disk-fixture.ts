// Preloaded, it makes no file ever answer, and timers fifty times as fast.
const { setTimeout } = globalThis;
Bun.file = (() => ({ stat: () => new Promise(() => undefined) })) as unknown as typeof Bun.file;
globalThis.setTimeout = ((call: () => void, milliseconds = 0, ...args: unknown[]) =>
  Reflect.apply(setTimeout, globalThis, [call, milliseconds / 50, ...args])) as typeof setTimeout;
