import type { Conversation } from "../../src/commands/conversation.ts";
import type { Setting } from "../../src/commands/deploy-agent.ts";
import { formatReply } from "../../src/state/reply.ts";

/** What an agent says to a deploy, without an agent: its states, its hold, and waits that are ok. */
export class ScriptedAgent {
  readonly heard: string[] = [];
  /** What happens when a line is heard; it may answer in place of the agent. */
  onLine: (line: string) => string | undefined = () => undefined;
  reply: "exact" | "full" = "exact";
  /** The states of the host, whose name is empty, and of services; by what each was set. */
  readonly #entries = new Map<string, Setting & { by: string }>();
  #held: { isClosed: boolean; end: () => void } | undefined;

  constructor() {
    this.set("UP", "start");
  }

  /** Sets a state, `DRAIN deploying v42`; without a name that of the host. */
  set(text: string, by: string, name = ""): void {
    const [status, ...words] = text.split(" ");
    this.#entries.set(name, { status, reason: words.join(" ") || undefined, by } as Setting & {
      by: string;
    });
  }

  /** The state as a command takes it: `DRAIN deploying v42`. */
  get(name = ""): string {
    const { status, reason } = this.#find(name);
    return reason ? `${status} ${reason}` : status;
  }

  get isHeld(): boolean {
    return this.#held?.isClosed === false;
  }

  /** Ends, and is there again at once. */
  restart(): void {
    this.#held?.end();
  }

  async send(line: string): Promise<Conversation> {
    this.heard.push(line);
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const connection = {
      isClosed: false,
      end() {
        connection.isClosed = true;
        resolve();
      },
    };
    return {
      answer: this.onLine(line) ?? this.#answer(line, connection),
      closed,
      close: connection.end,
    };
  }

  #answer(line: string, connection: { isClosed: boolean; end: () => void }): string {
    const [, name = "", command = ""] = /^(?:@(\S+) )?(.*)$/.exec(line) ?? [];
    if (!this.#entries.has(name)) return `error: no such service: "${name}"`;
    const [word] = command.split(" ");
    if (command === "show pollers") return "[]";
    if (word === "show") {
      const { by, ...state } = this.#find(name);
      const since = "2026-11-28T23:00:00.000Z";
      return JSON.stringify({ state, reply: this.#format(name), since, by });
    }
    if (word === "forget") return "ok forgotten: 0 pollers silent for 5 s";
    if (word === "wait") return `ok served to all of 2 pollers after 2.6 s: ${this.#format(name)}`;
    if (word === "hold") {
      this.#held = connection;
      return "ok held";
    }
    const change = /^change (.+?) to ((?:UP|READY|DRAIN|MAINT|DOWN).*)$/.exec(command);
    const { status, reason = "" } = this.#find(name);
    if (change?.[1] !== `${status} ${reason.trim()}`.trim())
      return "error: not changed: it is something else";
    this.set(change[2] ?? "", "socket", name);
    return `ok saved: ${this.#format(name)}`;
  }

  #format(name: string): string {
    const { status, reason } = this.#find(name);
    return formatReply([reason ? { status, reason } : { status }], this.reply).trim();
  }

  #find(name: string) {
    const entry = this.#entries.get(name);
    if (!entry) throw new Error(`no ${name}`);
    return entry;
  }
}

/** Serves what a new one says at a path, as an agent does: one command a connection. */
export function serveScripted(path: string): { agent: ScriptedAgent; stop: () => void } {
  const agent = new ScriptedAgent();
  const server = Bun.listen<{ close?: () => void }>({
    unix: path,
    socket: {
      open(client) {
        client.data = {};
      },
      async data(client, chunk) {
        const { answer, close } = await agent.send(chunk.toString().trim());
        client.data.close = close;
        client.write(`${answer}\n`);
        if (answer !== "ok held") client.end();
      },
      close(client) {
        client.data.close?.();
      },
    },
  });
  return { agent, stop: () => server.stop(true) };
}
