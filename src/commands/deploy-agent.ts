import type { Status } from "../state/state.ts";
import { printable } from "../text.ts";
import { NoAnswerError } from "./conversation.ts";
import type { Plan } from "./deploy-plan.ts";
import type { World } from "./deploy-world.ts";

/** Seconds that a restart of the agent may take. */
const RESTART = 30;

/** Milliseconds between two tries to reach it. */
const PAUSE_MS = 250;

/** What a deploy sets, compares and puts back. */
export interface Setting {
  readonly status: Status;
  readonly reason: string | undefined;
}

/** What `show state` says. */
export interface Shown extends Setting {
  readonly reply: string;
  /** Since when, as an ISO date, and by what it was set: `socket`, `SIGUSR2`. */
  readonly since: string | undefined;
  readonly by: string | undefined;
}

/** A step failed; the message says why. */
export class Problem extends Error {}

/** Somebody else has set the state, or holds the service: it is left to them. */
export class Taken extends Problem {}

/** The agent, as a deploy of one of its services sees it: it holds the service all the time. */
export class DeployAgent {
  /** What a command about the service begins with. */
  readonly #name: string;
  /** Resolves when the agent lets go of the service; undefined: it has, or never held it. */
  #held: Promise<void> | undefined;
  /** How long (ms) it has not been there since its last answer. */
  #absent = 0;
  /** When (ms) it was held again after its last restart; undefined: it has not restarted. */
  restartedAt: number | undefined;

  constructor(
    readonly plan: Plan,
    readonly world: World,
  ) {
    this.#name = plan.service === undefined ? "" : `@${plan.service} `;
  }

  /**
   * Holds the service, so that nobody else deploys it.
   *
   * @throws {Taken} when somebody else holds it.
   * @throws {Problem} when the agent refuses, or is too old to know how.
   */
  async hold(): Promise<void> {
    const who = `hapgent deploy (pid ${this.world.pid}, ${this.plan.reason})`;
    const command = `${this.#name}hold ${who}`;
    const { answer, closed } = await this.world.send(command);
    if (answer.startsWith("ok")) {
      this.#held = closed.then(() => {
        this.#held = undefined;
      });
      return;
    }
    const text = cut(answer);
    if (text.startsWith("held by ")) throw new Taken(`another deploy is under way: ${text}`);
    const isOld = /^(expected|no such command)/.test(text);
    throw new Problem(
      isOld ? `the agent does not know \`hold\`: upgrade it first (${text})` : text,
    );
  }

  /** Only an agent that has restarted has let go of it. @throws as `hold` does. */
  async #holdAgain(): Promise<void> {
    await this.hold();
    this.restartedAt = this.world.now();
  }

  /** Does something without the agent, and holds the service again when that has restarted. */
  async holdDuring<T>(work: Promise<T>): Promise<T> {
    const ended = Promise.allSettled([work]);
    while (!(await Promise.race([ended, this.#held]))) {
      await this.#holdAgain().catch(() => this.world.sleep(PAUSE_MS));
    }
    return await work;
  }

  /**
   * Sends a command about the service, or the host, and returns the answer. Where the agent has
   * restarted, it first takes hold of the service again; until it answers, it may be away for the
   * time of one restart.
   */
  async ask(command: string, isHost = false): Promise<string> {
    for (;;) {
      const from = this.world.now();
      let isThere = false;
      try {
        if (this.#held === undefined) await this.#holdAgain();
        isThere = true;
        const line = isHost ? command : this.#name + command;
        const { answer } = await this.world.send(line);
        this.#absent = 0;
        return answer;
      } catch (error) {
        if (!(error instanceof NoAnswerError)) throw error;
        // An agent that ends closes what it has held.
        await this.world.sleep(PAUSE_MS);
        if (this.#held !== undefined) throw error;
        this.#absent += isThere ? PAUSE_MS : this.world.now() - from;
        if (this.#absent > Math.max(this.plan.wait, RESTART) * 1000) throw error;
      }
    }
  }

  /** What the service is set to; with `isHost` what the host is. @throws {Problem} */
  async show(isHost = false): Promise<Shown> {
    const answer = await this.ask("show state", isHost);
    if (!answer.startsWith("{")) throw new Problem(cut(answer));
    const { state, reply, since, by } = JSON.parse(answer);
    // As `change` takes it: a file may hold a reason with blanks around it.
    return { status: state.status, reason: state.reason?.trim() || undefined, reply, since, by };
  }

  /**
   * Sets a state in place of another.
   *
   * @throws {Taken} when it is another by now: nothing is changed then.
   * @throws {Problem} when it could not be set, or could not be saved.
   */
  async change(from: Setting, to: Setting): Promise<void> {
    const answer = await this.ask(`change ${format(from)} to ${format(to)}`);
    if (answer.startsWith("ok")) return;
    const shown = await this.show();
    const isDone = isSame(shown, to);
    // The answer to the first try may have been lost.
    if (isDone && cut(answer).startsWith("not changed")) return;
    if (isDone || isSame(shown, from)) throw new Problem(cut(answer));
    throw new Taken(`it is ${describe(shown)}`);
  }
}

/** Whether two states are the same to `change`. */
export function isSame(one: Setting, other: Setting): boolean {
  return one.status === other.status && (one.reason ?? "") === (other.reason ?? "");
}

/** A state as the control socket takes it: `DRAIN deploying v42`. */
function format({ status, reason }: Setting): string {
  return reason ? `${status} ${reason}` : status;
}

/** A state for people: `MAINT "bad disk" since 2026-11-29 14:02:11 (socket)`, in local time. */
export function describe({ status, reason, since, by }: Shown): string {
  const words: string[] = [status];
  if (reason) words.push(`"${printable(reason)}"`);
  // Sweden writes a date as ISO 8601 does.
  if (since !== undefined) words.push(`since ${new Date(since).toLocaleString("sv")}`);
  if (by !== undefined) words.push(`(${by})`);
  return words.join(" ");
}

/** What comes after `ok ` or `error: `. */
export function cut(answer: string): string {
  return printable(answer.replace(/^(ok|error:) /, ""));
}
