// What the kernel is told of a check, in which order, and who is a poller then: what no client on the
// same machine can see.
import { expect, test } from "bun:test";
import type { Socket } from "bun";
import { until } from "../../scripts/lib/until.ts";
import { type Check, Checks } from "../../src/agent/checks.ts";
import { Host } from "../../src/agent/host.ts";
import { Pollers } from "../../src/agent/pollers.ts";

/** What comes after the reply: the client's end, or a sweep after so many seconds. */
type Event = "end" | number;

/**
 * Plays a check where it matters who has got the reply; `room` is what the kernel takes of its reply.
 *
 * @returns what is done to its socket, and what each poller is known to have got once it is closed.
 */
async function play(remoteAddress: string | undefined, room: number, events: Event[]) {
  let seconds = 0;
  let left = room;
  const now = () => seconds * 1000;
  const host = new Host("exact", false, now());
  const pollers = new Pollers({ named: undefined, forget: undefined, now: now() });
  const handler = new Checks({ host, files: { look() {} }, pollers, now }).handler();
  const done: string[] = [];
  const note = (what: string) => [what, (value = "") => void done.push(`${what}(${value})`)];
  const write = (bytes: Uint8Array) => {
    done.push(`write(${JSON.stringify(new TextDecoder().decode(bytes))})`);
    const taken = Math.min(bytes.length, left);
    left -= taken;
    return taken;
  };
  const others = ["timeout", "shutdown", "end", "terminate"].map(note);
  const socket: Socket<Check> = { remoteAddress, write, ...Object.fromEntries(others) };
  handler.open?.(socket);
  await until("its reply", () => /shutdown|terminate/.test(done.join()));
  for (const event of events) {
    if (event === "end") handler.end?.(socket);
    else {
      seconds += event;
      handler.timeout?.(socket);
    }
  }
  handler.close?.(socket);
  return [done.join(" "), [...pollers.memory].map(({ told }) => told ?? "perhaps")];
}

const REPLY = 'timeout(1) write("FAIL\\n") shutdown()';
const LATE = `${REPLY} timeout(1) end()`;

test.each<[string, string | undefined, number, Event[], string, string[]]>([
  // HAProxy may take the beginning of a line for all of it.
  ["in one piece, with its end", "192.0.2.1", 9, ["end"], `${REPLY} end()`, ["FAIL"]],
  ["of which the kernel takes a part", "192.0.2.1", 3, [], `${REPLY} terminate()`, []],
  // It was reset before it was accepted.
  ["to a client that has gone", undefined, 9, ["end"], `${REPLY} end()`, []],
  // HAProxy closes cleanly at its timeout where its agent check was disabled meanwhile.
  ["to one that closes late", "192.0.2.1", 9, [0.7, "end"], LATE, ["perhaps"]],
  ["to one that does not close", "192.0.2.1", 9, [0.5, 1], `${REPLY} timeout(1) terminate()`, []],
])("a reply %s", async (_, address, room, events, done, told) => {
  expect(await play(address, room, events)).toEqual([done, told]);
});
