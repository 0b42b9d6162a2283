// The first save loads a part of the runtime, and holds up no check: not even that of a HAProxy that
// waits no longer than 10 ms.
import { expect, test } from "bun:test";
import { startAgent } from "../../scripts/lib/agent.ts";
import { startHaproxy } from "../../scripts/lib/haproxy.ts";
import { freePort } from "../../scripts/lib/port.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { times } from "./scale.ts";

const SAVES = times(1000, 20);

/** Checks that may be late because the machine stood still. */
const STALLS = Math.ceil(SAVES / 100);

test(`${SAVES} first saves hold up no check of a HAProxy that waits 10 ms`, async () => {
  const port = freePort();
  // These defaults have no `timeout check`: the interval is the time-out.
  await using haproxy = await startHaproxy(`
defaults
  mode http
  timeout connect 1s
  timeout client 1s
  timeout server 1s
  option log-health-checks
backend be
  server s 127.0.0.1:1 weight 100 agent-check agent-inter 10ms agent-addr 127.0.0.1 \
    agent-port ${port} agent-send "web\\n"
`);
  const heard = (reply: string) =>
    haproxy.log.filter((line) => line.includes(`via agent : ${reply}`)).length;
  const late = () => haproxy.failedChecks().filter((line) => line.includes("timeout")).length;
  let held = 0;
  for (let save = 1; save <= SAVES; save += 1) {
    await using agent = await startAgent({
      state: { status: "UP" },
      env: { ...TUNED, HAPGENT_PORT: String(port) },
    });
    await until("HAProxy has heard UP", () => heard("UP") >= save);
    const before = late();
    agent.signal("SIGUSR2");
    await until("HAProxy has heard DOWN", () => heard("DOWN") >= save);
    await until("saved", () => agent.file().includes("DOWN"));
    held += late() - before;
  }
  console.log(
    `${SAVES} first saves: ${held} checks timed out after 10 ms, and ${late() - held} at starts and ends`,
  );
  expect(held).toBeLessThanOrEqual(STALLS);
});
