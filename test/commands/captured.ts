import { spyOn } from "bun:test";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { parseArguments } from "../../src/commands/arguments.ts";
import { type Plan, readPlan } from "../../src/commands/deploy-plan.ts";
import { runCommand } from "../../src/commands/run.ts";
import { COMMANDS } from "../../src/spec.ts";

/** Where no agent is installed, nor any other found: the environment is an agent's own. */
const NOWHERE = { HAPGENT_STATE_FILE: "/nowhere" };

/** Runs a command line in this process, and returns what it printed where and its exit code. */
export async function run(line: string | string[], env: Record<string, string> = {}) {
  using out = spyOn(console, "log").mockImplementation(() => undefined);
  using err = spyOn(console, "error").mockImplementation(() => undefined);
  const args = typeof line === "string" ? line.split(" ") : line;
  const code = await runCommand(args, { ...NOWHERE, ...env });
  return { code, out: out.mock.calls.flat().join("\n"), err: err.mock.calls.flat().join("\n") };
}

/** What `hapgent deploy` is to do with these arguments. */
export function plan(args: readonly string[], env: Record<string, string> = {}): Plan {
  const command = COMMANDS.find(({ name }) => name === "deploy");
  if (!command) throw new Error("no command deploy");
  return readPlan(parseArguments(command, args), env);
}

/**
 * An agent's port and control socket: whoever sends something gets these pieces. Tells what was sent,
 * and how many have connected and closed.
 */
export function serve(
  pieces: readonly (string | Uint8Array)[],
  { hostname = "127.0.0.1", isClosing = true } = {},
) {
  const directory = temporaryDirectory();
  const HAPGENT_SOCKET = `${directory.path}/sock`;
  const seen = { got: [] as string[], opened: 0, ended: 0 };
  const socket: Bun.SocketHandler<undefined> = {
    open() {
      seen.opened += 1;
    },
    async data(client, chunk) {
      seen.got.push(chunk.toString());
      for (const piece of pieces) {
        client.write(piece);
        await Bun.sleep(pieces.length > 1 ? 20 : 0);
      }
      if (isClosing) client.end();
    },
    end(client) {
      seen.ended += 1;
      if (isClosing) client.end();
    },
  };
  // Whoever connects has to close, too.
  const port = Bun.listen({ hostname, port: 0, allowHalfOpen: true, socket });
  const control = Bun.listen({ unix: HAPGENT_SOCKET, allowHalfOpen: true, socket });
  return {
    seen,
    env: { HAPGENT_SOCKET, HAPGENT_PORT: String(port.port) },
    address: `${hostname}:${port.port}`,
    [Symbol.dispose]() {
      port.stop(true);
      control.stop(true);
      directory[Symbol.dispose]();
    },
  };
}
