// Breaks src/ in small ways, one at a time, and counts how many of them the unit tests notice:
//   bun scripts/mutate.ts [COUNT] [SEED]
// A condition is negated, a number or a comparison changed, a statement removed. What survives is
// printed: a rule that no unit test holds.
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
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
  // A constant is changed.
  [
    /(?<![\w.#"'`-])(\d[\d_]*)(?![\w.:"'`])/,
    (digits = "") => `${Number(digits.replaceAll("_", "")) + 1}`,
  ],
  [/ < /, () => " <= "],
  [/ > /, () => " >= "],
  [/\btrue\b/, () => "false"],
  // A statement is removed.
  [/^\s+(?:await |void )?[\w.#?]+(?:\(.*\)| = .*| [-+]= .*);$/, () => ""],
];

/** Data and types, which no mutation of a line changes in behaviour. */
const LEFT_OUT = ["src/spec.ts", "src/controls.ts"];

const [count = 120, seed = 1] = process.argv.slice(2).map(Number);
const random = createRandom(seed);
const { path: directory } = temporaryDirectory();
for (const part of readdirSync(ROOT)) {
  if (!["node_modules", "dist", ".git"].includes(part)) {
    cpSync(ROOT + part, join(directory, part), { recursive: true });
  }
}
symlinkSync(`${ROOT}node_modules`, join(directory, "node_modules"));
// What the tests make goes with the rest: after the first failure nothing of theirs cleans up.
const TMPDIR = join(directory, "tmp");
mkdirSync(TMPDIR);
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

const tests = findTests();
if (await fails()) throw new Error("expected unit tests that pass before anything is broken");

let noticed = 0;
for (let i = 0; i < Math.min(count, places.length); i += 1) {
  const [place] = places.splice(Math.floor(random() * places.length), 1);
  if (!place) break;
  const { file, number, line, broken } = place;
  const original = readFileSync(ROOT + file, "utf8");
  const lines = original.split("\n");
  lines[number - 1] = broken;
  writeFileSync(join(directory, file), lines.join("\n"));
  const isNoticed = await fails(file);
  writeFileSync(join(directory, file), original);
  if (isNoticed) noticed += 1;
  else console.log(`not noticed: ${file}:${number}\n  - ${line.trim()}\n  + ${broken.trim()}`);
}
console.log(`${noticed} of ${Math.min(count, noticed + places.length)} mutations noticed`);

/** The unit tests that import something of src/, or a file beside them that does. */
function findTests(): string[] {
  const folders = ["", "/state", "/agent", "/commands", "/contract", "/simulator"];
  return folders
    .flatMap((folder) => [...new Bun.Glob(`test${folder}/*.test.ts`).scanSync(ROOT)])
    .filter((file) => /from "((\.\.\/)+src\/|\.\/)/.test(readFileSync(ROOT + file, "utf8")));
}

/** Whether the unit tests fail, or never end; those of a file come first, mostly one of them does. */
async function fails(file = ""): Promise<boolean> {
  const own = `/${basename(file, ".ts")}.test.ts`;
  const isOwn = (test: string) => Number(test.endsWith(own));
  const files = tests.toSorted((one, other) => isOwn(other) - isOwn(one));
  const command = ["timeout", "-k", "1", "600", "bun", "test", "--bail", "--timeout=20000"];
  const run = Bun.spawn([...command, ...files.map((each) => `./${each}`)], {
    cwd: directory,
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
