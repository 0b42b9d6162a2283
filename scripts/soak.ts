// Checks, signals, edits and commands for minutes, at an agent with everything on:
// bun scripts/soak.ts [CHECKS]. First a million worlds of load balancers are played against the rules
// about pollers, or a fifth of CHECKS. It must hold at the end what it held after the first of its rounds;
// the last line is the verdict.
import { writeFileSync } from "node:fs";
import { formatState } from "../src/state/state.ts";
import { type AgentProcess, startAgent } from "./lib/agent.ts";
import { Load } from "./lib/load.ts";
import { readUsage, type Usage } from "./lib/proc.ts";
import { type Output, run } from "./lib/shell.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
import { until } from "./lib/until.ts";

/** Checks of a round, after which what the agent holds is read. */
const ROUND = 100_000;

/** Checks between two signals. */
const SIGNAL_EVERY = 100;
const SIGNALS = ["SIGHUP", "SIGUSR2", "SIGHUP", "SIGUSR1"] as const;

/** Checks between two edits of a service's file, and between two control commands. */
const EDIT_EVERY = 1000;
const COMMAND_EVERY = 10_000;

const SERVICES = ["web", "api", "db", "mail", "search"];

/** What checks send: of the host, and of each service. */
const PAYLOADS = ["\n", ...SERVICES.map((name) => `${name}\n`)];

/** What RssAnon may grow by, in kB. */
const GROWTH_LIMIT = 300;

const total = Number(process.argv[2] ?? 5_000_000);
if (!Number.isInteger(total / ROUND) || total < 2 * ROUND) {
  console.error(`expected a number of checks that is a multiple of ${ROUND}, at least two of them`);
  process.exit(2);
}
run(["bun", "test/simulator/main.ts", String(total / 5)]);
run(["bun", "scripts/build.ts"]);

const state = { status: "UP", weight: 42 } as const;
const services = temporaryDirectory().path;
const edit = (name: string) => writeFileSync(`${services}/${name}.json`, formatState(state));
for (const name of SERVICES) edit(name);
await using agent = await startAgent({
  state,
  socket: true,
  env: {
    HAPGENT_SERVICES: services,
    HAPGENT_WATCH: "on",
    HAPGENT_STOP_STATUS: "DOWN",
  },
});
const atRest = readUsage(agent.pid).descriptors;
const start = performance.now();
const rounds: Usage[] = [];
let failed = 0;
for (let checks = ROUND; checks <= total; checks += ROUND) {
  const { usage, load } = await runRound(agent);
  rounds.push(usage);
  failed += load.failed;
  const rate = Math.round(checks / ((performance.now() - start) / 1000));
  console.log(`${checks} checks, ${rate}/s, failed=${failed}`, JSON.stringify(usage));
  for (const failure of load.failures) console.log(`  ${failure}`);
}

agent.signal("SIGUSR2");
await agent.answers("ready down 42%\n");
await until("saved", () => agent.file() === formatState({ ...state, status: "DOWN" }));
const [first, last] = [rounds[0], rounds.at(-1)] as [Usage, Usage];
const isGood =
  failed === 0 &&
  last.memory - first.memory <= GROWTH_LIMIT &&
  last.descriptors === first.descriptors &&
  last.threads === first.threads;
console.log(
  `${isGood ? "held" : "NOT HELD"}: ${total} checks, ${total / SIGNAL_EVERY} signals, ` +
    `failed=${failed}, ${JSON.stringify(first)} -> ${JSON.stringify(last)}`,
);
process.exitCode = isGood ? 0 : 1;

/** One round of checks with its signals; returns what the agent holds at rest. */
async function runRound(agent: AgentProcess): Promise<{ usage: Usage; load: Load }> {
  const commands: Promise<Output>[] = [];
  const load = new Load(agent.port, {
    checks: ROUND,
    payloads: PAYLOADS,
    reply: /^ready (up|down) 42%\n$/,
    onCheck(checks) {
      if (checks % SIGNAL_EVERY === 0) {
        agent.signal(SIGNALS[(checks / SIGNAL_EVERY) % SIGNALS.length] ?? "SIGHUP");
      }
      if (checks % EDIT_EVERY === 0) edit("web");
      if (checks % COMMAND_EVERY === 0) commands.push(agent.ctl("@api", "set", "weight", "42"));
    },
  });
  await load.finish();
  for (const { exitCode, stderr } of await Promise.all(commands)) {
    if (exitCode !== 0) throw new Error(stderr);
  }
  agent.log.length = 0;
  let usage = readUsage(agent.pid);
  // Garbage comes and goes: what stays is the least of some readings.
  for (let reading = 0; reading < 5; reading += 1) {
    await new Load(agent.port, { checks: 500, payloads: PAYLOADS }).finish();
    // The last clients and saves may still be there; a descriptor that stays is in the verdict.
    await until("at rest", () => readUsage(agent.pid).descriptors === atRest, 5000).catch(() => 0);
    const now = readUsage(agent.pid);
    usage = { ...now, memory: Math.min(usage.memory, now.memory) };
  }
  return { usage, load };
}
