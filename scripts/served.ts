// Counts the checks of a real HAProxy that close cleanly after the whole reply, on which all that
// `hapgent ctl wait` says rests: bun scripts/served.ts [HAPROXY...]
//
// Each HAProxy asks with and without an agent-send, on this machine and over round trips of
// 30 and 80 ms, and again
// beside busy loops. Needs root, for network namespaces.
import { availableParallelism } from "node:os";
import { Checks } from "../src/agent/checks.ts";
import { Host } from "../src/agent/host.ts";
import { listen } from "../src/agent/listen.ts";
import { Pollers, type Written } from "../src/agent/pollers.ts";
import { TUNED } from "../src/agent/tuning.ts";
import { startHaproxy } from "./lib/haproxy.ts";
import { collectLines } from "./lib/lines.ts";
import { LINK_AGENT, startLink } from "./lib/link.ts";
import { output } from "./lib/shell.ts";
import { until } from "./lib/until.ts";

const LINES = 10;
const CHECKS = 500;

/** Counts checks by how they ended. */
class Counter extends Pollers {
  readonly ends = { clean: 0, all: 0 };

  override closed(written: Written, isServed: boolean, now: number): void {
    super.closed(written, isServed, now);
    if (!written?.isCertain) return;
    this.ends.all += 1;
    if (isServed) this.ends.clean += 1;
  }
}

if (process.argv[2] === "--answer") answer();
else await measure(process.argv.length > 2 ? process.argv.slice(2) : ["haproxy"]);

/** Answers checks, and prints how they ended, again and again. */
function answer(): void {
  const now = () => performance.now();
  const pollers = new Counter({ named: undefined, forget: undefined, now: now() });
  const host = new Host("full", false, now());
  host.put(undefined, { status: "UP" }, "start", now());
  const checks = new Checks({ host, watched: undefined, areNamed: false, pollers, now });
  const { port } = listen({ ip: "0.0.0.0", port: 0 }, checks);
  const { ends } = pollers;
  setInterval(() => process.stdout.write(`${ends.clean} ${ends.all} ${port}\n`), 100);
}

async function measure(programs: readonly string[]): Promise<void> {
  for (const program of programs) {
    console.log((await output([program, "-v"])).split("\n")[0]);
    for (const loops of [0, 2 * availableParallelism()]) {
      const busy = Array.from({ length: loops }, () =>
        Bun.spawn(["setpriv", "--pdeathsig", "KILL", "sh", "-c", "while :; do :; done"]),
      );
      for (const send of ["", 'agent-send "web%\\n"']) {
        const cells: string[] = [];
        for (const trip of [0, 30, 80])
          cells.push(`${trip} ms: ${await count(program, send, trip)}`);
        console.log(
          `  ${loops} loops, ${send ? "agent-send" : "no agent-send"}: ${cells.join("; ")}`,
        );
      }
      for (const each of busy) each.kill("SIGKILL");
    }
  }
}

/** How many of how many checks ended cleanly. */
async function count(program: string, send: string, trip: number): Promise<string> {
  await using link = trip === 0 ? undefined : await startLink(trip / 2);
  const { agent: launcher, haproxy: before } = link ?? { agent: [], haproxy: [] };
  await using agent = Bun.spawn([...launcher, process.execPath, import.meta.path, "--answer"], {
    env: { ...process.env, ...TUNED },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: string[] = [];
  void collectLines(agent.stdout, lines);
  await until("it listens", () => lines.length > 0);
  const last = () => (lines.at(-1) ?? "").split(" ").map(Number);
  const [, , port] = last();
  const servers = Array.from(
    { length: LINES },
    (_, i) =>
      `server s${i} unix@service.sock agent-check agent-inter ${100 + 7 * i}ms ` +
      `agent-addr ${link ? LINK_AGENT : "127.0.0.1"} agent-port ${port} ${send.replace("%", String(i))}`,
  );
  const configuration = `backend be\n  timeout check 1s\n  ${servers.join("\n  ")}\n`;
  await using _haproxy = await startHaproxy(configuration, [...before, program, "-W"]);
  await until(`${CHECKS} checks`, () => (last()[1] ?? 0) >= CHECKS, 60_000);
  const [clean = 0, all = 0] = last();
  return `${clean} of ${all} (${((100 * clean) / all).toFixed(1)}%)`;
}
