import { writeSync } from "node:fs";
import { resolve } from "node:path";
import { codeOf } from "../errors.ts";
import { EXIT } from "../exit.ts";
import type { Environment } from "../settings.ts";
import type { Arguments } from "./arguments.ts";
import { NO_SOCKET } from "./conversation.ts";
import { readPlan } from "./deploy-plan.ts";
import { deploy } from "./deploy-steps.ts";
import { RealWorld } from "./deploy-world.ts";
import { findSettings } from "./installation.ts";
import { handle } from "./signals.ts";

/** The hosts of this machine: its own proxy knows nothing of them. */
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/**
 * `hapgent deploy [@SERVICE] REASON COMMAND...`: takes the service out of rotation, runs the
 * command and puts it back; each step waits until every load balancer knows.
 *
 * @returns the exit code: 0, 1 when it has failed or was interrupted, 2 for a wrong argument and 3
 * when it was refused; nothing was changed with 2 and 3.
 */
export async function runDeploy(args: Arguments, env: Environment): Promise<number> {
  const plan = readPlan(args, env);
  const settings = await findSettings(env, plan.instance);
  const path = settings.read("HAPGENT_SOCKET");
  if (path === undefined) {
    print(`hapgent deploy: nothing was changed: ${NO_SOCKET}`);
    return EXIT.refused;
  }
  const { HAPGENT_TUNE: _, ...inherited } = env;
  const named = settings.read("HAPGENT_POLLERS");
  const socket = { path: resolve(path), origin: settings.explain("HAPGENT_SOCKET") };
  const options = { plan, socket, named, env: inherited, print };
  const world = new RealWorld(options);
  if (plan.url !== undefined && LOOPBACK.test(new URL(plan.url).hostname)) {
    // The runtime reads it before each request; the command has the caller's.
    process.env["no_proxy"] = "*";
  }
  for (const name of ["INT", "QUIT", "TERM"] as const) handle(name, () => world.interrupt());
  // The command may remove the directory that it was called in.
  process.chdir("/");
  const { code, line } = await deploy(plan, world);
  print(`hapgent deploy: ${line}`);
  return code;
}

/**
 * Prints a line. Not by the runtime's own writer, which ends the process when the terminal is gone:
 * then nobody reads, and the deploy goes on to its end.
 */
function print(line: string): void {
  for (let attempt = 1; attempt <= 100; attempt += 1) {
    try {
      writeSync(2, `${line}\n`);
      return;
    } catch (error) {
      if (codeOf(error) !== "EAGAIN") return;
      // A pipe that is full: whoever reads it may be slow.
      Bun.sleepSync(20);
    }
  }
}
