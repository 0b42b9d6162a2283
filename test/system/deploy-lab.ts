import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { collectLines } from "../../scripts/lib/lines.ts";
import { until } from "../../scripts/lib/until.ts";
import { HOST } from "../contract/driver.ts";
import { startHaproxy } from "../haproxy.ts";
import { settled } from "./client.ts";
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
export type Host = Awaited<ReturnType<typeof startHost>>;

/** Starts two HAProxys, with HAProxy's own health checks, before hosts with an agent each. */
export async function startLab(options: LabOptions = {}) {
  await using stack = new AsyncDisposableStack();
  const { hosts: names = ["one"], backend = "", interval = "250ms" } = options;
  labs += 1;
  /** The addresses that they ask from. */
  const addresses = [`127.7.${labs}.1`, `127.7.${labs}.2`];
  const env = { HAPGENT_POLLERS: addresses.join(" "), ...options.env };
  const hosts = await Promise.all(names.map((name) => startHost(name, env, options, stack)));
  const [host] = hosts;
  if (!host) throw new Error("no host");
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
  // Both know, and none is taken for one that asks seldom.
  await Promise.all(hosts.map(({ agent }) => settled(agent, 2, 4)));
  const opened = stack.move();
  return { hosts, host, balancers, addresses, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** An agent, and a web server that somebody may restart with a command. */
async function startHost(
  name: string,
  env: Record<string, string>,
  { request = 10, restart = 1000 }: LabOptions,
  stack: AsyncDisposableStack,
) {
  const agent = stack.use(
    await startAgent({ state: { status: "UP" }, socket: true, hostname: HOST, env }),
  );
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
    name,
    agent,
    port,
    /** The command that restarts the web server, as `systemctl restart` would. */
    restart: ["curl", "-sf", `${manager.url}`],
    /** How often it was restarted. */
    restarts: () => count,
    /** Ends the web server, which completes what is under way. */
    stop: () => service.stop(),
  };
}

/** Deploys as a person would; returns how it ended. */
export async function deploy(host: Host, args: readonly string[]) {
  return await (await startDeploy(host, args)).end();
}

/** Starts a deploy and waits until a line of it matches, if one is to. */
export async function startDeploy(host: Host, args: readonly string[], pattern = /(?:)/) {
  const child = Bun.spawn([EXECUTABLE, "deploy", ...args, ...host.restart], {
    env: { PATH: Bun.env["PATH"], HAPGENT_SOCKET: host.agent.socket, HAPGENT_DEPLOY_SETTLE: "1" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const lines: string[] = [];
  let isOver = false;
  const ended = collectLines(child.stderr, lines).then(() => {
    isOver = true;
  });
  await until(`${pattern}`, () => {
    if (lines.some((line) => pattern.test(line))) return true;
    if (isOver) throw new Error(`not ${pattern}, but ${lines.join("\n")}`);
    return false;
  });
  return {
    async end() {
      const exitCode = await child.exited;
      await ended;
      return { exitCode, last: lines.at(-1) ?? "" };
    },
  };
}
