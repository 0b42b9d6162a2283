import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { outcome, ROOT } from "./shell.ts";
import { temporaryDirectory } from "./temporary.ts";

/** How many tests passed and failed; a skipped one has failed. */
export interface Result {
  readonly passed: number;
  readonly failed: number;
}

/** How test files run. */
export interface SuiteOptions {
  /** Milliseconds that a test may take. */
  readonly timeout?: number;
  /** How many files run at a time. */
  readonly jobs?: number;
  /** Variables that the tests read. */
  readonly env?: Record<string, string>;
}

/** Seconds after which a file is killed, whatever its tests do. */
const LIMIT = 3600;

/**
 * Runs test files, each in a process of its own, with Bun's runner. A file that passes is one line;
 * of one that fails all that it wrote is shown. A file without tests has failed, and so has one
 * that cannot be loaded.
 */
export async function runFiles(
  files: readonly string[],
  options: SuiteOptions = {},
): Promise<Result> {
  const left = files.values();
  const results: Result[] = [];
  const work = async () => {
    for (const file of left) results.push(await runFile(file, options));
  };
  await Promise.all(Array.from({ length: options.jobs ?? 1 }, work));
  return addUp(results);
}

async function runFile(file: string, options: SuiteOptions): Promise<Result> {
  const { timeout = 5000, env = {} } = options;
  using directory = temporaryDirectory();
  const report = join(directory.path, "junit.xml");
  const start = performance.now();
  const { stdout, stderr, exitCode } = await outcome(
    [
      ...["bun", "test", "--only-failures", `--timeout=${timeout}`],
      ...["--reporter=junit", `--reporter-outfile=${report}`],
      file.startsWith("/") ? file : `./${file}`,
    ],
    { limit: LIMIT, env },
  );
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const { passed, failed } = readResult(report, exitCode === 0);
  const sign = failed === 0 ? "ok  " : "FAIL";
  console.log(`  ${sign} ${file}: ${passed} passed, ${failed} failed, ${seconds} s`);
  if (failed > 0) console.log(stdout + stderr);
  return { passed, failed };
}

/** Reads what Bun reports of a file; an error outside of any test shows in the exit code only. */
function readResult(report: string, isGood: boolean): Result {
  const text = existsSync(report) ? readFileSync(report, "utf8") : "";
  const totals = /<testsuites [^>]*/.exec(text)?.[0] ?? "";
  const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(totals)?.[1] ?? 0);
  const failed = count("failures") + count("skipped");
  const passed = count("tests") - failed;
  return { passed, failed: failed === 0 && (!isGood || passed === 0) ? 1 : failed };
}

export function addUp(results: readonly Result[]): Result {
  const sum = (key: keyof Result) => results.reduce((total, result) => total + result[key], 0);
  return { passed: sum("passed"), failed: sum("failed") };
}

/** The test files of these directories, in the order of their names; there must be some in each. */
export function findFiles(directories: readonly string[]): string[] {
  return directories.flatMap((directory) => {
    const files = [...new Bun.Glob(`${directory}/*.test.ts`).scanSync(ROOT)];
    if (files.length === 0) throw new Error(`expected test files in ${directory}, got none`);
    return files.toSorted();
  });
}
