// Whatever a client sends with its check, and when, it reads the whole reply and is never reset.
import { expect, test } from "bun:test";
import { startAgent } from "../../scripts/lib/agent.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { times } from "./scale.ts";

const CHECKS = times(2000, 200);
const CONNECTIONS = 32;
const SIZES = [0, 5, 100, 5000, 100_000];
const REPLY = "READY 75% maxconn:1000\n";

/** When a client sends its payload. */
type Moment = "at once" | "after the reply";

test.each(
  SIZES.flatMap((size): [number, Moment][] => [
    [size, "at once"],
    [size, "after the reply"],
  ]),
)("%d bytes sent %s: the reply comes whole, the connection is never reset", async (...sent) => {
  const state = { status: "READY", weight: 75, maxconn: 1000 };
  await using agent = await startAgent({ state, env: TUNED });
  const [size, moment] = sent;
  const payload = Buffer.alloc(size, "x");
  let left = CHECKS;
  const work = async () => {
    for (; left > 0; left -= 1) expect(await exchange(agent.port, payload, moment)).toBe(REPLY);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
});

test("a server that resets after its reply is noticed by the test above", async () => {
  const payload = Buffer.alloc(100_000, "x");
  using server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        socket.write(REPLY);
        socket.terminate();
      },
      drain() {},
    },
  });
  const exchanges = Array.from({ length: 50 }, () => exchange(server.port, payload, "at once"));
  const results = await Promise.allSettled(exchanges);
  expect(results.some(({ status }) => status === "rejected")).toBeTrue();
});

/** Connects, sends all of the payload, reads to the end, then closes; fails on a reset. */
function exchange(port: number, payload: Buffer, moment: Moment): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = "";
  let unsent = payload;
  let isAnswered = false;
  Bun.connect({
    hostname: "127.0.0.1",
    port,
    allowHalfOpen: true,
    socket: {
      open(socket) {
        if (moment === "at once") send(socket);
      },
      drain: send,
      data(_, chunk) {
        text += chunk.toString("latin1");
      },
      end(socket) {
        isAnswered = true;
        if (moment === "after the reply") send(socket);
        else closeWhenSent(socket);
      },
      close(_, error) {
        if (error || unsent.length > 0 || !isAnswered) reject(error ?? new Error("cut off"));
        else resolve(text);
      },
      error(_, error) {
        reject(error);
      },
      connectError(_, error) {
        reject(error);
      },
    },
  }).catch(reject);
  return promise;

  function send(socket: Bun.Socket): void {
    if (unsent.length > 0) unsent = unsent.subarray(Math.max(0, socket.write(unsent)));
    closeWhenSent(socket);
  }

  function closeWhenSent(socket: Bun.Socket): void {
    if (isAnswered && unsent.length === 0) socket.end();
  }
}
