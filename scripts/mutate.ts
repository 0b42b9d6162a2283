// Breaks src/ in small ways, one at a time, and counts how many of them the unit tests notice:
//   bun scripts/mutate.ts [COUNT] [SEED] [--jobs N]
// A condition is negated, a number or a comparison changed, a statement removed. What survives is
// printed: a rule that no unit test holds. A number changes by one, a time tenfold: tests assert no
// milliseconds, so none can know 5001 ms from 5000, but one has to know 50000. With N jobs, as many
// as there are processors if not given, so many copies of the repository are broken at a time.
import { cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "./lib/shell.ts";
import { temporaryDirectory } from "./lib/temporary.ts";

/** Ways to break a line: what is looked for, and what comes in its place. */
const MUTATIONS: readonly (readonly [of: RegExp, by: (...groups: string[]) => string])[] = [
  // A condition is negated.
  [
    /\bif \((.+)\) (return|throw|continue|break|\{|[\w.#]+\()/,
    (_, condition, then) => `if (!(${condition})) ${then}`,
  ],
  [/ === /, () => " !== "],
  [/ !== /, () => " === "],
  [/ && /, () => " || "],
  // A constant is changed: by one, a time or what converts one tenfold.
  [
    /(_MS = )?(?<![\w.#"'`-])(\d[\d_]*)(?![\w.:"'`])/,
    (_, time = "", digits = "") =>
      time || digits === "1000" ? `${time}${digits}0` : `${Number(digits.replaceAll("_", "")) + 1}`,
  ],
  [/ < /, () => " <= "],
  [/ > /, () => " >= "],
  [/\btrue\b/, () => "false"],
  // A statement is removed.
  [/^\s+(?:await |void )?[\w.#?]+(?:\(.*\)| = .*| [-+]= .*);$/, () => ""],
];

/** Data and types, which no mutation of a line changes in behaviour. */
const LEFT_OUT = ["src/spec.ts", "src/controls.ts"];

/** A file of unit tests. */
interface TestFile {
  readonly name: string;
  /** The files that it imports, and those that they import: nothing else can break it. */
  readonly imports: ReadonlySet<string>;
  /** Milliseconds that it took before anything was broken; until that is known, a guess. */
  duration: number;
}

const { values: options, positionals } = parseArgs({
  options: { jobs: { type: "string", default: String(navigator.hardwareConcurrency) } },
  allowPositionals: true,
});
const [count = 120, seed = 1] = positionals.map(Number);
const random = createRandom(seed);
// What the tests make goes with the rest: after the first failure nothing of theirs cleans up. It is
// outside of the copies, where some tests look at every file.
const { path: TMPDIR } = temporaryDirectory();
const jobs = Number(options.jobs);
if (!(jobs >= 1)) throw new Error(`expected --jobs of 1 or more, got ${options.jobs}`);
const copies = Array.from({ length: jobs }, copyRepository);
const files = [...new Bun.Glob("src/**/*.ts").scanSync(ROOT)]
  .filter((file) => !LEFT_OUT.includes(file))
  .toSorted();
const transpiler = new Bun.Transpiler({ loader: "ts" });
const places = files.flatMap((file) => {
  const lines = readFileSync(ROOT + file, "utf8").split("\n");
  const whole = transpile(lines);
  return lines.flatMap((line, i) =>
    MUTATIONS.flatMap(([of, by]) => {
      const broken = line.replace(of, by);
      if (broken === line) return [];
      const changed = transpile(lines.with(i, broken));
      // Not counted: a change of types or comments only, and what is no program any more.
      return changed === undefined || changed === whole
        ? []
        : [{ file, number: i + 1, line, broken }];
    }),
  );
});

const chosen = Array.from({ length: Math.min(count, places.length) }, () =>
  places.splice(Math.floor(random() * places.length), 1),
).flat();

const tests = findTests();
await share(tests, async (test, copy) => {
  const start = performance.now();
  if (await fails(test, copy)) throw new Error(`expected ${test.name} to pass before it is broken`);
  test.duration = performance.now() - start;
});

let noticed = 0;
await share(chosen, async ({ file, number, line, broken }, copy) => {
  const original = readFileSync(ROOT + file, "utf8");
  writeFileSync(
    join(copy, file),
    original
      .split("\n")
      .with(number - 1, broken)
      .join("\n"),
  );
  const isNoticed = await isSeen(file, copy);
  writeFileSync(join(copy, file), original);
  if (isNoticed) noticed += 1;
  else console.log(`not noticed: ${file}:${number}\n  - ${line.trim()}\n  + ${broken.trim()}`);
});
console.log(`${noticed} of ${chosen.length} mutations noticed`);

/** The path of a copy of this repository, without what is installed or built. */
function copyRepository(): string {
  const { path } = temporaryDirectory();
  for (const part of readdirSync(ROOT)) {
    if (!["node_modules", "dist", ".git"].includes(part)) {
      cpSync(ROOT + part, join(path, part), { recursive: true });
    }
  }
  symlinkSync(`${ROOT}node_modules`, join(path, "node_modules"));
  return path;
}

/** Does the same with each of `all`, one at a time in each copy. */
async function share<T>(all: readonly T[], work: (one: T, copy: string) => Promise<void>) {
  const left = all.values();
  await Promise.all(
    copies.map(async (copy) => {
      for (const one of left) await work(one, copy);
    }),
  );
}

/** The unit tests that import something of src/. */
function findTests(): TestFile[] {
  const folders = ["", "/state", "/agent", "/commands", "/contract", "/simulator"];
  return folders
    .flatMap((folder) => [...new Bun.Glob(`test${folder}/*.test.ts`).scanSync(ROOT)])
    .map((name) => ({ name, imports: findImports(name), duration: 60_000 }))
    .filter(({ imports }) => files.some((file) => imports.has(file)));
}

/** Adds a file, and all that it imports, to those that were found before. */
function findImports(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const { path } of transpiler.scanImports(readFileSync(ROOT + file, "utf8"))) {
    if (/^\..*\.ts$/.test(path)) findImports(join(dirname(file), path), found);
  }
  return found;
}

/** Whether a unit test fails; those of the file come first, mostly one of them does, then short ones. */
async function isSeen(file: string, copy: string): Promise<boolean> {
  const own = `/${basename(file, ".ts")}.test.ts`;
  const rank = ({ name, duration }: TestFile) => (name.endsWith(own) ? 0 : duration);
  const reaching = tests.filter(({ imports }) => imports.has(file));
  for (const test of reaching.toSorted((one, other) => rank(one) - rank(other))) {
    if (await fails(test, copy)) return true;
  }
  return false;
}

/** Whether a file of tests fails in a copy, or takes far longer than before. */
async function fails({ name, duration }: TestFile, copy: string): Promise<boolean> {
  const limit = String(30 + duration / 200);
  const test = ["bun", "test", "--bail", "--timeout=20000", `./${name}`];
  const run = Bun.spawn(["timeout", "-k", "1", limit, ...test], {
    cwd: copy,
    env: { ...process.env, TMPDIR },
    stdio: ["ignore", "ignore", "ignore"],
  });
  const exitCode = await run.exited;
  try {
    // Agents that a test has left, in the group that `timeout` makes.
    process.kill(-run.pid, "SIGKILL");
  } catch {
    // There is none.
  }
  return exitCode !== 0;
}

/** The program that lines of TypeScript are, without types and comments; undefined: none. */
function transpile(lines: readonly string[]): string | undefined {
  try {
    return transpiler.transformSync(lines.join("\n"));
  } catch {
    return undefined;
  }
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function createRandom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
