// What the kernel is told of a check, in which order: what no client on the same machine can see.
import { expect, test } from "bun:test";
import type { Socket } from "bun";
import { until } from "../../scripts/lib/until.ts";
import { type Check, Checks } from "../../src/agent/checks.ts";
import { Host } from "../../src/agent/host.ts";
import { Pollers } from "../../src/agent/pollers.ts";

const now = () => performance.now();

/** Opens a check where it matters who has got the reply, and returns what is done to its socket. */
async function open(remoteAddress: string | undefined, room = 100): Promise<string[]> {
  const host = new Host("exact", false, now());
  const pollers = new Pollers({ named: undefined, forget: undefined, now: now() });
  const checks = new Checks({ host, watched: undefined, pollers, now });
  const done: string[] = [];
  const note = (what: string) => (value?: unknown) => void done.push(`${what} ${value ?? ""}`);
  const write = (bytes: Uint8Array) => {
    done.push(`write ${JSON.stringify(new TextDecoder().decode(bytes))}`);
    return Math.min(bytes.length, room);
  };
  const others = ["setNoDelay", "timeout", "shutdown", "terminate"].map((of) => [of, note(of)]);
  const socket = { remoteAddress, write, ...Object.fromEntries(others) };
  checks.handler().open?.(socket as Socket<Check>);
  await until("its end", () => done.some((what) => /shutdown|terminate/.test(what)));
  return done;
}

const TWO_PARTS = ["setNoDelay false", 'write "FAIL"'];
const END = ["timeout 1", "shutdown "];

test.each<[string, string | undefined, number, string[]]>([
  [
    "leaves in two parts, as one segment over a long way (Nagle's algorithm)",
    "192.0.2.1",
    100,
    [...TWO_PARTS, 'write "\\n"', ...END],
  ],
  // Its client was reset before it was accepted.
  ["leaves whole where nobody is told", undefined, 100, ['write "FAIL\\n"', ...END]],
  ["of which the kernel takes a part is no line", "192.0.2.1", 3, [...TWO_PARTS, "terminate "]],
])("a reply %s", async (_, address, room, expected) => {
  expect(await open(address, room)).toEqual(expected);
});
