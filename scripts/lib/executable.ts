import { ROOT, run } from "./shell.ts";

/** The compiled executable, as scripts/build.ts makes it for this machine. */
export const EXECUTABLE = `${ROOT}dist/hapgent`;

/** What a release has an executable for: the architectures, with glibc and with musl. */
export const TARGETS = ["linux-x64", "linux-x64-musl", "linux-arm64", "linux-arm64-musl"] as const;

/**
 * Compiles a program to an executable: the agent, and what the benchmark compares it with, alike.
 */
export function compile(source: string, outfile: string, ...flags: string[]): void {
  run([
    ...["bun", "build", "--compile", "--production"],
    // Commands and the first save load their modules when they need them.
    ...["--splitting", "--format=esm", "--minify"],
    // 1.6 MB of file for 0.2 MB of memory and a fifth of the time to start.
    "--bytecode",
    // Without these the program would read .env and run bunfig.toml's preloads from its working
    // directory.
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    ...flags,
    source,
    `--outfile=${outfile}`,
  ]);
}
