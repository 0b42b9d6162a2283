import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { collectLines } from "../scripts/lib/lines.ts";
import { temporaryDirectory } from "../scripts/lib/temporary.ts";
import { until } from "../scripts/lib/until.ts";

/** After so long (ms) a signal that has no effect was lost. */
const SIGNAL_LOST_MS = 1000;

/** What HAProxy knows of a server: columns of `show stat` and `show servers state`. */
export interface ServerRow {
  status: string;
  /** Effective weight in the unit of the server line: `weight 100` at 50% is 50. */
  uweight: number;
  /** The server's maxconn; Infinity when there is no limit. */
  slim: number;
  /** How the last agent check went: L7OK, L7STS, CHECKED, L4CON ... */
  agent_status: string;
  /** 0 once an agent has said DOWN. */
  agent_health: number;
  /** What the agent said in the last check if that was a health word. */
  last_agt: string;
  /** Bits of who put the server out of rotation: 8 drain, 1 maintenance. */
  srv_admin_state: number;
}

/** A running HAProxy; `await using haproxy = await startHaproxy(...)` ends it with the test. */
export class HaproxyProcess implements AsyncDisposable {
  constructor(
    readonly process: Bun.Subprocess<"ignore", "ignore", "pipe">,
    readonly directory: Disposable & { path: string },
    readonly log: string[],
  ) {}

  /** Sends a command to the stats socket and returns its answer. */
  async command(line: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    let text = "";
    await Bun.connect({
      unix: join(this.directory.path, "admin.sock"),
      socket: {
        open: (socket) => void socket.write(`${line}\n`),
        data: (_, chunk) => {
          text += chunk.toString();
        },
        close: (_, error) => (error ? reject(error) : resolve(text)),
      },
    });
    return promise;
  }

  /** Sends a request through the frontend that is bound to `front.sock`; fails after 30 s. */
  get(headers: Record<string, string> = {}): Promise<Response> {
    const unix = join(this.directory.path, "front.sock");
    return fetch("http://service/", { unix, headers, signal: AbortSignal.timeout(30_000) });
  }

  /** What HAProxy knows of a server, `be/s` for instance. */
  async server(name = "be/s"): Promise<ServerRow> {
    const rows = parseCsv(await this.command("show stat -1 4 -1"));
    const row = rows.find(({ pxname, svname }) => `${pxname}/${svname}` === name);
    // Below a line with the format's version.
    const states = parseCsv((await this.command("show servers state")).slice(2), " ");
    const state = states.find(({ be_name, srv_name }) => `${be_name}/${srv_name}` === name);
    if (!row || !state) throw new Error(`no server ${name}`);
    return {
      status: row["status"] ?? "",
      uweight: Number(row["uweight"]),
      slim: row["slim"] === "" ? Infinity : Number(row["slim"]),
      // A star in front marks a check that is under way.
      agent_status: (row["agent_status"] ?? "").replace("* ", ""),
      agent_health: Number(row["agent_health"]),
      last_agt: row["last_agt"] ?? "",
      srv_admin_state: Number(state["srv_admin_state"]),
    };
  }

  /** Waits until the server's row has these values, and returns it. */
  async shows(expected: Partial<ServerRow>, name?: string): Promise<ServerRow> {
    let row: ServerRow | undefined;
    return until(
      () => `HAProxy shows ${JSON.stringify(expected)}, not ${JSON.stringify(row)}`,
      async () => {
        row = await this.server(name);
        return Bun.deepMatch(expected, row) ? row : undefined;
      },
    );
  }

  /**
   * Failed agent checks so far, each a line of the log. An agent's own DOWN is none, nor is a
   * connection that the kernel opened for the agent, but HAProxy had no time to see in its 10 ms
   * (agent-inter): for a reply it waits 10,000.
   */
  failedChecks(): string[] {
    return this.log.filter(
      (line) =>
        line.includes("Agent check for server") &&
        !/reason: (Layer7 (check|wrong)|.* timeout, check duration: \d{1,4}ms)/.test(line),
    );
  }

  /** Reloads the configuration by SIGUSR2 and waits until a new worker has taken over. */
  async reload(): Promise<void> {
    const worker = () => this.command("show info").then((text) => /^Pid: \d+/m.exec(text)?.[0]);
    const old = await worker();
    const reloads = () => this.log.filter((line) => line.includes("Reloading HAProxy")).length;
    const before = reloads();
    let sentAt = Number.NEGATIVE_INFINITY;
    // The worker is there earlier than the master, to which a signal is lost until then.
    await until("HAProxy reloads", () => {
      if (reloads() > before) return true;
      if (performance.now() - sentAt > SIGNAL_LOST_MS) {
        this.process.kill("SIGUSR2");
        sentAt = performance.now();
      }
      return false;
    });
    // The socket of the old worker may close while it is being asked.
    await until("HAProxy has reloaded", async () => {
      const now = await worker().catch(() => undefined);
      return now !== undefined && now !== old;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The master takes its workers with it, those of before a reload too.
    this.process.kill("SIGTERM");
    const killer = setTimeout(() => this.process.kill("SIGKILL"), 3000);
    await this.process.exited;
    clearTimeout(killer);
    this.directory[Symbol.dispose]();
  }
}

/** Debian's haproxy is in /usr/sbin, which is not on every user's path. */
export const HAPROXY_ENVIRONMENT = { PATH: `${Bun.env["PATH"] ?? ""}:/usr/sbin` };

/** What every HAProxy of the tests has: a stats socket to read, and a service that answers. */
const COMMON = `
global
  stats socket unix@admin.sock level admin
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  # In place of agent-inter: a stall of this machine must not count as the agent's failure.
  timeout check 10s
  # To the log, when a check goes otherwise than the one before; an agent's too.
  option log-health-checks
frontend service
  bind unix@service.sock
  http-request return status 200
`;

/** A proxy `be` with a server `s` that is healthy and asks an agent every 10 ms. */
export function proxy(agentPort: number, serverOptions = ""): string {
  return `
listen be
  bind unix@front.sock
  server s unix@service.sock weight 100 maxconn 500 check inter 1s agent-check agent-inter 10ms \
    agent-addr 127.0.0.1 agent-port ${agentPort} ${serverOptions}
`;
}

/**
 * Starts HAProxy in the foreground and waits until it answers. Its working directory goes with it
 * and holds all of its files, so that a configuration names them by relative paths. It is a master
 * and its worker, and can be reloaded.
 */
export async function startHaproxy(configuration: string): Promise<HaproxyProcess> {
  const directory = temporaryDirectory();
  writeFileSync(join(directory.path, "common.cfg"), COMMON);
  writeFileSync(join(directory.path, "haproxy.cfg"), configuration);
  const process = Bun.spawn(["haproxy", "-W", "-f", "common.cfg", "-f", "haproxy.cfg"], {
    cwd: directory.path,
    env: HAPROXY_ENVIRONMENT,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const log: string[] = [];
  void collectLines(process.stderr, log);
  const haproxy = new HaproxyProcess(process, directory, log);
  try {
    await until("HAProxy answers", () => {
      if (process.exitCode !== null) throw new Error("HAProxy ended");
      return haproxy.command("show info").catch(() => "");
    });
    return haproxy;
  } catch (error) {
    await haproxy[Symbol.asyncDispose]();
    throw new Error(`${error}: ${log.join("\n")}`);
  }
}

/** Rows by the names in the first line, `# a,b`; a field with a comma or a quote is in quotes. */
function parseCsv(text: string, separator = ","): Record<string, string>[] {
  const field = new RegExp(`("(?:[^"]|"")*"|[^${separator}]*)(?:${separator}|$)`, "g");
  const [names = [], ...rows] = text
    .replace("# ", "")
    .trim()
    .split("\n")
    .map((line) =>
      [...line.matchAll(field)].map(([, value = ""]) => value.replaceAll(/^"|"$|"(?=")/g, "")),
    );
  return rows.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i] ?? ""])));
}
