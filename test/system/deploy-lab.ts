import { type AgentProcess, startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { collectLines } from "../../scripts/lib/lines.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { HOST } from "../contract/driver.ts";
import { type HaproxyProcess, startHaproxy } from "../haproxy.ts";
import { listPollers, type PollerRow } from "./client.ts";
import { startService } from "./traffic.ts";

/** How many labs there were: each has addresses of its own, and with them ports. */
let labs = 0;

/** How a lab differs from the plainest one. */
export interface LabOptions {
  /** The hosts' names; each has an agent and a web server. */
  readonly hosts?: readonly string[];
  /** Further variables of the agents. */
  readonly env?: Readonly<Record<string, string>>;
  /** Further lines of the backend. */
  readonly backend?: string;
  /** Between two checks of HAProxy, its own and the agent's; `250ms` when not given. */
  readonly interval?: string;
  /** Milliseconds that a request takes, and that a restart keeps the web server away. */
  readonly request?: number;
  readonly restart?: number;
}

/** A machine: a web server, and an agent that speaks for it. */
export interface Host {
  readonly name: string;
  readonly agent: AgentProcess;
  readonly port: number;
  /** The command that restarts the web server, as `systemctl restart` would. */
  readonly restart: readonly string[];
  /** How often it was restarted. */
  readonly restarts: () => number;
  /** Ends the web server, which completes what is under way. */
  readonly stop: () => Promise<void>;
}

/** Two HAProxys before some hosts: `await using lab = await startLab()`. */
export interface Lab extends AsyncDisposable {
  readonly hosts: readonly Host[];
  /** The first one. */
  readonly host: Host;
  readonly balancers: readonly HaproxyProcess[];
  /** The addresses that they ask from. */
  readonly addresses: readonly string[];
}

/**
 * Starts two HAProxys, with HAProxy's own health checks, before hosts with an agent each. Where the
 * machine is so busy that HAProxy is kept from running while it starts, its clock may stand still,
 * and it checks nobody for seconds or for good: seen with 2.6.12. Then there is another lab.
 */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  for (let attempt = 1; ; attempt += 1) {
    const stack = new AsyncDisposableStack();
    try {
      return await openLab(options, stack);
    } catch (error) {
      await stack.disposeAsync();
      if (attempt === 3) throw error;
    }
  }
}

async function openLab(options: LabOptions, stack: AsyncDisposableStack): Promise<Lab> {
  const { hosts: names = ["one"], backend = "", interval = "250ms" } = options;
  labs += 1;
  const addresses = [`127.7.${labs}.1`, `127.7.${labs}.2`];
  const start = async (name: string): Promise<Host> => {
    const agent = stack.use(
      await startAgent({
        state: { status: "UP" },
        socket: true,
        hostname: HOST,
        env: { ...TUNED, HAPGENT_POLLERS: addresses.join(" "), ...options.env },
      }),
    );
    return { name, agent, ...startRestartable(name, options, stack) };
  };
  const hosts = await Promise.all(names.map(start));
  const lines = hosts.map(
    ({ name, port, agent }) =>
      `server ${name} 127.0.0.1:${port} cookie ${name} weight 100 check inter ${interval} ` +
      `agent-check agent-inter ${interval} agent-addr ${HOST} agent-port ${agent.port} agent-send "${name}\\n"`,
  );
  const configure = (source: string) => `
listen be
  bind unix@front.sock
  retries 0
  default-server source ${source}
  ${backend}
  ${lines.join("\n  ")}
`;
  const balancers = await Promise.all(
    addresses.map(async (source) => stack.use(await startHaproxy(configure(source)))),
  );
  await Promise.all(hosts.map((each) => settle(each, addresses.length)));
  const [host] = hosts;
  if (!host) throw new Error("no host");
  return { hosts, host, balancers, addresses, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Waits until so many load balancers know, and none is taken for one that asks seldom. */
async function settle({ agent }: Host, count: number): Promise<void> {
  const isSettled = ({ isServed, interval }: PollerRow) =>
    isServed && interval !== null && interval < 4;
  let rows: PollerRow[] = [];
  await until("all know, and ask often", async () => {
    rows = await listPollers(agent);
    return rows.length >= count && rows.every(isSettled);
  }).catch((error: Error) => {
    throw new Error(`${error.message}; the last were ${JSON.stringify(rows)}`);
  });
}

/** A web server that somebody may restart with a command. */
function startRestartable(
  name: string,
  { request = 10, restart = 1000 }: LabOptions,
  stack: AsyncDisposableStack,
) {
  let service = startService(name, 0, request);
  let count = 0;
  stack.defer(() => service[Symbol.asyncDispose]());
  const { port } = service;
  const manager = stack.use(
    Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 60,
      async fetch() {
        count += 1;
        // At once: whoever is served is cut off.
        await service[Symbol.asyncDispose]();
        await Bun.sleep(restart);
        service = startService(name, port, request);
        return new Response();
      },
    }),
  );
  return {
    port,
    restart: ["curl", "-sf", `${manager.url}`],
    restarts: () => count,
    stop: () => service.stop(),
  };
}

/** Deploys as a person would; returns how it ended. */
export async function deploy(host: Host, args: readonly string[]) {
  return await (await startDeploy(host, args)).end();
}

/** Starts a deploy and waits until a line of it matches, if one is to. */
export async function startDeploy(host: Host, args: readonly string[], pattern?: RegExp) {
  const child = Bun.spawn([EXECUTABLE, "deploy", ...args, ...host.restart], {
    env: { PATH: Bun.env["PATH"], HAPGENT_SOCKET: host.agent.socket, HAPGENT_DEPLOY_SETTLE: "1" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const lines: string[] = [];
  const ended = collectLines(child.stderr, lines);
  if (pattern) {
    await until(`${pattern}`, () => {
      if (lines.some((line) => pattern.test(line))) return true;
      if (child.exitCode !== null) throw new Error(`not ${pattern}, but ${lines.join("\n")}`);
      return false;
    });
  }
  return {
    async end() {
      const exitCode = await child.exited;
      await ended;
      return { exitCode, last: lines.at(-1) ?? "" };
    },
  };
}
