import type { Conversation } from "../../src/commands/conversation.ts";
import { NoAnswerError } from "../../src/commands/conversation.ts";
import type { Setting } from "../../src/commands/deploy-agent.ts";
import { formatReply } from "../../src/state/reply.ts";

/** The state of a host or a service, and by what it was set. */
interface Entry extends Setting {
  since: string;
  by: string;
}

/**
 * What an agent says to a deploy, without an agent: its states, its hold, and waits that end as a
 * test says.
 */
export class ScriptedAgent {
  readonly heard: string[] = [];
  /** Answers to the next waits; after them every load balancer knows. */
  readonly waits: string[] = [];
  /** What happens when a line is heard, before it is answered. */
  onLine: (line: string) => void = () => undefined;
  reply: "exact" | "full" = "exact";
  pollers: object[] = [];
  /** The answer to `forget silent`. */
  silent = "ok forgotten: 0 pollers silent for 5 s";
  /** Who holds the service, apart from the deploy. */
  holder: string | undefined;
  /** Answers by line, of an agent that differs from this one. */
  readonly odd = new Map<RegExp, string>();
  readonly #entries = new Map<string, Entry>();
  #held: { isClosed: boolean } | undefined;
  /** Why it does not answer at all. */
  silence: string | undefined;

  constructor(state: Setting = { status: "UP", reason: undefined }) {
    this.set(state, "start");
  }

  /** Sets a state; without a name that of the host. */
  set(state: Setting, by: string, name = ""): void {
    this.#entries.set(name, { ...state, by, since: "2026-11-28T23:00:00.000Z" });
  }

  get(name = ""): Setting {
    const { status, reason } = this.#find(name);
    return reason ? { status, reason } : { status, reason: undefined };
  }

  get isHeld(): boolean {
    return this.#held !== undefined && !this.#held.isClosed;
  }

  /** Ends, and is there again at once. */
  restart(): void {
    if (this.#held) this.#held.isClosed = true;
    this.#held = undefined;
  }

  send(line: string): Promise<Conversation> {
    this.heard.push(line);
    this.onLine(line);
    const silence = this.silence ?? "";
    if (silence !== "") return Promise.reject(new NoAnswerError(silence));
    const connection = { isClosed: false };
    const answer = this.#answer(line, connection);
    return Promise.resolve({
      answer,
      isClosed: () => connection.isClosed,
      close: () => {
        connection.isClosed = true;
      },
    });
  }

  #answer(line: string, connection: { isClosed: boolean }): string {
    for (const [pattern, answer] of this.odd) if (pattern.test(line)) return answer;
    const [, name = "", command = ""] = /^(?:@(\S+) )?(.*)$/.exec(line) ?? [];
    if (!this.#entries.has(name)) return `error: no such service: "${name}"`;
    const entry = this.#find(name);
    if (command === "show state") {
      const { by, since, ...state } = entry;
      return JSON.stringify({ state, reply: this.#format(entry), since, by });
    }
    if (command === "show pollers") return JSON.stringify(this.pollers);
    if (command.startsWith("forget silent ")) return this.silent;
    if (command.startsWith("wait ")) {
      return (
        this.waits.shift() ?? `ok served to all of 2 pollers after 2.6 s: ${this.#format(entry)}`
      );
    }
    if (command.startsWith("hold ")) {
      if (this.holder !== undefined) return `error: held by ${this.holder} since 14:02:11`;
      this.#held = connection;
      return "ok held";
    }
    return this.#change(command, name);
  }

  #change(command: string, name: string): string {
    const [, before, after = ""] = /^change (.+?) to ((?:UP|READY|DRAIN|MAINT|DOWN).*)$/.exec(
      command,
    ) ?? ["", ""];
    const write = ({ status, reason }: Setting) => (reason ? `${status} ${reason}` : status);
    if (before !== write(this.#find(name))) return "error: not changed: it is something else";
    const [status = "", ...words] = after.split(" ");
    this.set({ status, reason: words.join(" ") || undefined } as Setting, "socket", name);
    return `ok saved: ${this.#format(this.#find(name))}`;
  }

  #format({ status, reason }: Setting): string {
    const state = reason === undefined ? { status } : { status, reason };
    return formatReply([state], this.reply).trim();
  }

  #find(name: string): Entry {
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
