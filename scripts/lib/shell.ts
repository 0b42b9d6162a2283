import { fileURLToPath } from "node:url";

/** Root of the repository, with a slash at its end. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What a finished command wrote and how it ended. */
export interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** How a command runs. */
export interface CommandOptions {
  readonly input?: string;
  /** The repository's root when not elsewhere. */
  readonly cwd?: string | undefined;
  readonly env?: Record<string, string>;
  /** Whether it gets nothing of this program's environment but PATH. */
  readonly isClean?: boolean;
  /** Seconds after which it is killed: enough, when not given, for a machine that is very busy. */
  readonly limit?: number;
}

/** Runs a command to its end, whatever its exit code. */
export async function outcome(command: string[], options: CommandOptions = {}): Promise<Output> {
  const { input, cwd = ROOT, isClean = false, limit = 300 } = options;
  const inherited = isClean ? { PATH: process.env["PATH"] } : process.env;
  const child = Bun.spawn(command, {
    cwd,
    env: { ...inherited, ...options.env },
    stdin: input === undefined ? "ignore" : Buffer.from(input),
    stdout: "pipe",
    stderr: "pipe",
    timeout: limit * 1000,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode };
}

/** Runs a command that must succeed and returns what it wrote, without the last newline. */
export async function output(command: string[], options: CommandOptions = {}): Promise<string> {
  const { stdout, stderr, exitCode } = await outcome(command, options);
  if (exitCode === 0) return stdout.trimEnd();
  throw new Error(`exit code ${exitCode}: ${command.join(" ")}\n${stdout}${stderr}`);
}

/**
 * Runs a command in the foreground, silently; when it fails, shows what it wrote and ends this
 * program with exit code 1.
 */
export function run(command: string[], cwd = ROOT): void {
  // One stream for both, or their lines would lose their order.
  const { exitCode, stdout } = Bun.spawnSync(["sh", "-c", 'exec "$@" 2>&1', "sh", ...command], {
    cwd,
    env: process.env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (exitCode === 0) return;
  console.error(`${stdout}failed: ${command.join(" ")}`);
  process.exit(1);
}

/**
 * What a command prints, without white space around it.
 *
 * @throws when it fails.
 */
export function capture(command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd: ROOT });
  if (exitCode === 0) return stdout.toString().trim();
  throw new Error(`exit code ${exitCode}: ${command.join(" ")}\n${stdout}${stderr}`);
}
