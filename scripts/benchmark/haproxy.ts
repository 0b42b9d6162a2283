import { readFileSync, writeFileSync } from "node:fs";
import { readCpu } from "../lib/proc.ts";
import { until } from "../lib/until.ts";
import { type Measurements, SERVER_LINES } from "./figures.ts";
import { launch, type Program, pin } from "./launch.ts";
import { progress } from "./progress.ts";
import { type Subject, WORK } from "./subjects.ts";

type ServerLines = (typeof SERVER_LINES)[number];

/**
 * Time between two checks of a server line, in milliseconds: 100, 2000 and 5000 checks a second.
 */
const INTERVAL: Record<ServerLines, number> = { 1: 10, 50: 25, 500: 100 };

/** For how long is measured, in milliseconds. */
const WINDOW = 500;

/**
 * Measures the CPU time that a check of a real HAProxy costs, and counts the checks that failed. It
 * must run in a network namespace of its own: the checks are counted as connections that the kernel
 * accepted.
 */
export async function measureHaproxy(
  measurements: Measurements,
  subjects: readonly Subject[],
  rounds: number,
): Promise<void> {
  await using programs = new AsyncDisposableStack();
  const running: { subject: Subject; program: Program; checks: number; failed: number }[] = [];
  for (const subject of subjects) {
    running.push({ subject, program: programs.use(await launch(subject)), checks: 0, failed: 0 });
  }
  for (let round = 1; round <= rounds; round += 1) {
    progress(`HAProxy, round ${round} of ${rounds}`);
    for (const lines of SERVER_LINES) {
      for (const entry of running) {
        const { cpuMicros, checks, failed } = await checkWithHaproxy(entry.program, lines);
        measurements.add(entry.subject.name, `haproxyCpuMicros${lines}`, cpuMicros);
        entry.checks += checks;
        entry.failed += failed;
      }
    }
  }
  for (const { subject, checks, failed } of running) {
    measurements.add(subject.name, "haproxyChecks", checks);
    measurements.add(subject.name, "haproxyFailed", failed);
  }
}

async function checkWithHaproxy(program: Program, lines: ServerLines) {
  const file = `${WORK}haproxy.cfg`;
  writeFileSync(file, formatConfig(program.port, lines));
  const before = countAccepted();
  const haproxy = Bun.spawn(["haproxy", "-q", "-db", "-f", file], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const log = haproxy.stdout.text();
  pin(haproxy.pid, 1);
  // Every server line once: from then on it is the rhythm of a HAProxy that has been running for
  // long.
  await until("HAProxy has checked", () => countAccepted() - before >= lines);
  const [accepted, cpu] = [countAccepted(), readCpu(program.pid)];
  await Bun.sleep(WINDOW);
  const cpuMicros = ((readCpu(program.pid) - cpu) / (countAccepted() - accepted)) * 1e6;
  haproxy.kill();
  await haproxy.exited;
  const failed = (await log).match(/Agent check for server \S+ failed/g)?.length ?? 0;
  return { cpuMicros, checks: countAccepted() - before, failed };
}

/** HAProxy does not start without a frontend; nobody uses this one. */
function formatConfig(port: number, lines: ServerLines): string {
  const agent = `agent-check agent-addr 127.0.0.1 agent-port ${port} agent-inter ${INTERVAL[lines]}ms`;
  const servers = Array.from(
    { length: lines },
    (_, i) => `  server s${i} 127.0.0.1:1 weight 100 ${agent}`,
  );
  return `global
  nbthread 1
  log stdout format raw local0
defaults
  log global
  mode tcp
  option log-health-checks
  timeout connect 1s
  timeout client 1s
  timeout server 1s
frontend unused
  bind abns@hapgent-benchmark
backend be
${servers.join("\n")}
`;
}

/** Connections that the kernel has accepted in this network namespace. */
function countAccepted(): number {
  const [names, values] = readFileSync("/proc/self/net/snmp", "utf8").match(/^Tcp: .*$/gm) ?? [];
  const column = names?.split(" ").indexOf("PassiveOpens") ?? -1;
  return Number(values?.split(" ")[column]);
}
