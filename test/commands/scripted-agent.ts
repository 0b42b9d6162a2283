import { Host } from "../../src/agent/host.ts";
import type { Conversation } from "../../src/commands/conversation.ts";
import type { ReplyMode } from "../../src/state/reply.ts";
import type { Status } from "../../src/state/state.ts";

/** What an agent says to a deploy, without an agent: its states, its hold, and waits that are ok. */
export class ScriptedAgent {
  readonly heard: string[] = [];
  /** What happens when a line is heard; it may answer in place of the agent. */
  onLine: (line: string) => string | undefined = () => undefined;
  #host!: Host;
  /** Closes the connection that holds the service. */
  #held: (() => void) | undefined;

  constructor() {
    this.start("exact");
  }

  /** Starts with replies of this form, and UP. */
  start(mode: ReplyMode): void {
    this.#host = new Host(mode, false, 0);
    this.set("UP", "start");
  }

  /** Sets a state, `DRAIN deploying v42`; without a name that of the host. */
  set(text: string, by: string, name?: string): void {
    const [status = "", ...words] = text.split(" ");
    const reason = words.join(" ");
    this.#host.put(name, { status: status as Status, ...(reason && { reason }) }, by, 0);
  }

  /** The state as a file has it: `DRAIN deploying v42`. */
  get(name?: string): string {
    const { status, reason } = this.#host.find(name)?.state ?? {};
    return reason ? `${status} ${reason}` : `${status}`;
  }

  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  /** Ends, and is there again at once. */
  restart(): void {
    this.#held?.();
  }

  /** Answers a line; `close` is for the client of a connection. */
  async send(line: string): Promise<Conversation & { close: () => void }> {
    this.heard.push(line);
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const close = () => {
      if (this.#held === close) this.#held = undefined;
      resolve();
    };
    return { answer: this.onLine(line) ?? this.#answer(line, close), closed, close };
  }

  #answer(line: string, close: () => void): string {
    const [, name, command = ""] = /^(?:@(\S+) )?(.*)$/.exec(line) ?? [];
    const entry = this.#host.find(name);
    if (!entry) return `error: no such service: "${name}"`;
    const { state, by } = entry;
    const say = () => this.#host.reply(name).text;
    const [word] = command.split(" ");
    if (command === "show pollers") return "[]";
    if (word === "show") {
      return JSON.stringify({ state, reply: say(), since: "2026-11-28T23:00:00.000Z", by });
    }
    if (word === "forget") return "ok forgotten: 0 pollers silent for 5 s";
    if (word === "wait") return `ok served to all of 2 pollers after 2.6 s: ${say()}`;
    if (word === "hold") {
      this.#held = close;
      return "ok held";
    }
    const [, from, to = ""] =
      /^change (.+?) to ((?:UP|READY|DRAIN|MAINT|DOWN).*)$/.exec(command) ?? [];
    // A line holds no blanks at its end.
    if (from !== `${state.status} ${state.reason?.trim() ?? ""}`.trim()) {
      return "error: not changed: it is something else";
    }
    this.set(to, "socket", name);
    return `ok saved: ${say()}`;
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
