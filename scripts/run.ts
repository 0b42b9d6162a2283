import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Root of the repository, with a slash at its end. */
export const ROOT = new URL("..", import.meta.url).pathname;

/** Runs a command, in the repository's root when not elsewhere, and tells whether it succeeded. */
export function succeeds(
  command: string[],
  environment: Record<string, string> = {},
  cwd = ROOT,
): boolean {
  const { exitCode } = Bun.spawnSync(command, {
    cwd,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "inherit", "inherit"],
  });
  return exitCode === 0;
}

/** Runs a command like `succeeds`; its failure ends the program with exit code 1. */
export function run(command: string[], cwd = ROOT): void {
  if (succeeds(command, {}, cwd)) return;
  console.error(`failed: ${command.join(" ")}`);
  process.exit(1);
}

/** What a command prints, without white space around it; empty when it fails. */
export function capture(command: string[]): string {
  const { exitCode, stdout } = Bun.spawnSync(command, { cwd: ROOT, stderr: "ignore" });
  return exitCode === 0 ? stdout.toString().trim() : "";
}

/**
 * A new directory among the temporary ones, which is removed when the program ends, also when a
 * `run` fails.
 */
export function scratchDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "hapgent-scratch-"));
  process.on("exit", () => rmSync(path, { recursive: true, force: true }));
  return path;
}
