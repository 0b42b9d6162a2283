// Opens checks, each with a descriptor, and prints the numbers of those that were closed, how many
// checks and clients of the control socket there may be in the end, and how many descriptors others
// have. The scene is the first argument:
//   many  one check comes and goes, then twenty come at once
//   none  five checks take the last descriptors there are; later some are free again
import { closeSync, openSync, readdirSync } from "node:fs";
import { until } from "../../scripts/lib/until.ts";
import { Descriptors } from "../../src/agent/descriptors.ts";

const [, , scene] = process.argv;
const descriptors = new Descriptors();
const closed: number[] = [];

/** Opens a check, if it may stay; returns it. */
function openCheck(number: number): { terminate(): void } {
  const descriptor = openSync("/dev/null", "r");
  const check = {
    terminate() {
      closed.push(number);
      closeSync(descriptor);
      descriptors.leave(check);
    },
  };
  if (!descriptors.admit(check)) closeSync(descriptor);
  return check;
}

// One of them is that of the listing itself.
const others = readdirSync("/proc/self/fd").length - 1;
descriptors.reserveClients(16);
const provisional = descriptors.waitingCaps;
if (scene === "none") {
  const taken = takeAll();
  for (const descriptor of taken.splice(0, 5)) closeSync(descriptor);
  for (let number = 0; number < 5; number += 1) openCheck(number);
  await until("all are closed", () => closed.length === 5);
  for (const descriptor of taken) closeSync(descriptor);
  await until("there is room", () => descriptors.waitingCaps.naming > 1);
} else {
  openCheck(-1).terminate();
  closed.pop();
  for (let number = 0; number < 20; number += 1) openCheck(number);
  await until("known", () => descriptors.waitingCaps !== provisional);
}
const { waitingCaps, clientCap } = descriptors;
console.log(JSON.stringify({ closed, checks: waitingCaps.naming, clients: clientCap, others }));

/** Opens files until no descriptor is left. */
function takeAll(): number[] {
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync("/dev/null", "r"));
  } catch {
    return taken;
  }
}
