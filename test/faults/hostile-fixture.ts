// Hostile clients of an agent on this machine: PORT KIND AMOUNT. Of mixed kinds so many, 400 at a
// time; else for so many seconds, as many a second as their rate says and this process can make.
// Prints how many there were.
import {
  type Client,
  dripping,
  flooding,
  halfClosing,
  halfClosingNamed,
  resetting,
  runClients,
  silent,
} from "./clients.ts";

const AT_ONCE = 400;

/** The most that are begun in one turn: what the kernel lets wait for an agent is some 500. */
const TURN_LIMIT = 200;

const [port, kind, amount] = [Number(Bun.argv[2]), Bun.argv[3], Number(Bun.argv[4])];
if (kind === "mixed") {
  const kinds = [resetting, silent, flooding, dripping, halfClosing, halfClosingNamed];
  await runClients(port, kinds, amount, AT_ONCE);
  console.log(amount);
} else if (kind === "silent") {
  console.log(await flood(silent, 4000));
} else {
  console.log(await flood(halfClosingNamed, 16_000));
}
process.exit();

async function flood(client: Client, rate: number): Promise<number> {
  const start = performance.now();
  let made = 0;
  for (let now = start; now - start < amount * 1000; now = performance.now()) {
    const due = Math.min(((now - start) / 1000) * rate, made + TURN_LIMIT);
    for (; made < due; made += 1) void client(port);
    await Bun.sleep(1);
  }
  return made;
}
