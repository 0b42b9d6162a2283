import type { Socket, SocketHandler } from "bun";
import { nameIn, PROBE_MARK } from "../sent.ts";
import { CROWD_LIMIT, Crowd } from "./crowd.ts";
import { Delay } from "./delay.ts";
import type { Files } from "./files.ts";
import type { Host, Reply } from "./host.ts";
import type { Pollers } from "./pollers.ts";
import { Telling } from "./telling.ts";

/**
 * The most checks that are open, so that some files are left to read and save states. The kernel
 * hands over 512 at a time; as many again may come before those are read.
 */
const OPEN_LIMIT = 1536;

/**
 * While more are open, none may be held up. Those beyond CROWD_LIMIT give way within some turns, so
 * only a flood of thousands a second comes to this; in a slower one it is known who has heard what.
 */
const BUSY_LIMIT = 2 * CROWD_LIMIT;

/** A client that does not close is closed at a sweep, every 4 s, once it is this old. */
const LINGER_MS = 1000;

/** How much of what a client sends counts, in bytes: a service's name, and a mark before it. */
const SENT_LIMIT = 64 + PROBE_MARK.length;

/** How long a client has to name a service, in milliseconds. */
const NAMING_MS = 250;

/** Time to read what has come already, in milliseconds: one turn of the event loop is enough. */
const READ_MS = 1;

/**
 * How long after the rest of a reply its newline and the end of the connection follow (ms). HAProxy
 * then reads both at once and closes cleanly, which tells that it has got them; HAProxy 2.6 resets
 * a connection whose end comes later than the line (959 of 959 checks closed cleanly so, a tenth
 * otherwise).
 */
const FINISH_MS = 2;

/** How checks are answered. */
export interface ChecksOptions {
  readonly host: Host;
  /** The files to look at before a reply, if they are watched. */
  readonly watched: Files | undefined;
  /** Whether a check names a service: then it is read before the reply. */
  readonly areNamed: boolean;
  /** Who has been told what, if anybody wants to know. */
  readonly pollers: Pollers | undefined;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

/**
 * Where a check stands. It waits for a service's name (`naming`), for a look at the files
 * (`looking`) and for the end of its reply (`finishing`), each only where it must; then for its
 * client to close (`lingering`).
 */
type Phase = "naming" | "looking" | "finishing" | "lingering" | "closed";

/** A check: a connection from its opening to its close. */
export interface Check {
  phase: Phase;
  /** Since when it waits for its client (ms); Infinity: its client waits for the agent. */
  since: number;
  /** Undefined where nobody wants to know. */
  readonly address: string | undefined;
  /** What the client sent so far: up to the first CR or LF, at most 73 bytes. */
  sent: string;
  /** Whether that is all that counts. */
  isSent: boolean;
  /** Whether the client has closed its side: before its reply is whole, it is no load balancer. */
  hasEnded: boolean;
  /** Whether the agent has given it up. */
  isExpired: boolean;
  naming: Timer | undefined;
  reply: Reply | undefined;
  /** Whether the kernel took all of it that was written so far. */
  isWhole: boolean;
  /** Who may have heard it; undefined: nobody, or nobody wants to know. */
  telling: Telling | undefined;
}

type Client = Socket<Check>;

const NEWLINE = new TextEncoder().encode("\n");

/**
 * Answers every connection with the present reply. What the client sends is ignored, but for the
 * name of a service; with `pollers` it tells server lines apart.
 *
 * The connection is then only half closed, and what arrives is discarded until the client closes:
 * closing with unread bytes would make the kernel send a reset, which can destroy the reply on its
 * way. A client that never closes is closed after 1 to 5 s, and earlier where there are too many.
 */
export class Checks {
  readonly #options: ChecksOptions;
  /** How many are open. */
  #count = 0;
  /** Those that have not given way. */
  readonly #crowd = new Crowd<Client>((client) => this.#dismiss(client));
  /** Those whose reply lacks its end. */
  readonly #finishing: Delay<Client>;
  #resolveClosed: (() => void) | undefined;

  constructor(options: ChecksOptions) {
    this.#options = options;
    const { areNamed, now } = options;
    const finish = (client: Client) => {
      if (client.data.phase === "finishing") this.#finish(client);
    };
    const late = new Delay(READ_MS, now, finish);
    this.#finishing = new Delay(FINISH_MS, now, (client) => {
      // What came while this process was busy is read first: the timer comes before it.
      if (client.data.sent === "" && !areNamed) late.add(client);
      else finish(client);
    });
  }

  /** Whether the agent has something to do between the opening of a check and its reply's end. */
  get isHalfOpen(): boolean {
    const { watched, areNamed, pollers } = this.#options;
    return areNamed || watched !== undefined || pollers !== undefined;
  }

  /** Whether there are so many that none may be held up. */
  get #isBusy(): boolean {
    return this.#count > BUSY_LIMIT;
  }

  /** What a listening socket calls. */
  handler(): SocketHandler<Check> {
    const { areNamed, pollers } = this.#options;
    return {
      open: (client) => this.#accept(client),
      end: (client) => this.#end(client),
      close: (client, error) => this.#close(client, error),
      timeout: (client) => this.#sweep(client),
      // Without `data` what arrives is discarded without a copy. One of the two must be there.
      ...(areNamed || pollers ? { data: (client, chunk) => this.#read(client, chunk) } : {}),
      drain() {},
      error() {},
    };
  }

  /** Resolves when all clients have closed or the time is over. */
  closed(milliseconds: number): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#resolveClosed = resolve;
      setTimeout(resolve, milliseconds);
    });
  }

  #accept(client: Client): void {
    const { areNamed, pollers } = this.#options;
    client.data = {
      phase: areNamed ? "naming" : "looking",
      since: Infinity,
      // Read now: a connection that is shut down has no address any more.
      address: pollers && unmap(client.remoteAddress),
      sent: "",
      isSent: false,
      hasEnded: false,
      isExpired: false,
      naming: undefined,
      reply: undefined,
      isWhole: true,
      telling: undefined,
    };
    this.#count += 1;
    if (this.#count > OPEN_LIMIT && !this.#crowd.dismissOldest()) {
      client.terminate();
      return;
    }
    client.timeout(1);
    if (!areNamed) {
      this.#look(client);
      return;
    }
    client.data.naming = setTimeout(() => this.#lookOnce(client), NAMING_MS);
    this.#await(client, "naming");
  }

  /** From now on it is the client's turn. */
  #await(client: Client, phase: "naming" | "lingering"): void {
    client.data.phase = phase;
    client.data.since = this.#options.now();
    this.#crowd.await(client);
  }

  /** Closes a client that has its reply; one that named no service yet gets none. */
  #dismiss(client: Client): void {
    client.data.isExpired = true;
    // No reply changes nothing at HAProxy.
    if (client.data.phase === "lingering") client.end();
    else client.terminate();
  }

  /**
   * The time to name a service is over. What came while this process stood still is not read yet:
   * the timer comes before it.
   */
  #lookOnce(client: Client): void {
    client.data.naming = setTimeout(() => this.#look(client), READ_MS);
  }

  #read(client: Client, chunk: Buffer): void {
    const check = client.data;
    if (check.isSent) return;
    const text = check.sent + chunk.toString("latin1", 0, SENT_LIMIT);
    const end = text.search(/[\r\n]/);
    check.sent = text.slice(0, end < 0 ? SENT_LIMIT : Math.min(end, SENT_LIMIT));
    check.isSent = end >= 0 || check.sent.length === SENT_LIMIT;
    if (check.phase !== "naming") return;
    if (check.isSent || this.#options.host.service(nameIn(check.sent))) this.#look(client);
  }

  /** Looks at the files, if they are watched, and replies. */
  #look(client: Client): void {
    const check = client.data;
    const { host, watched } = this.#options;
    check.phase = "looking";
    check.since = Infinity;
    clearTimeout(check.naming);
    this.#crowd.add(client);
    const name = host.nameIn(check.sent);
    const look = watched?.look(name);
    // While there are too many, a look holds none up: the next one sees what it found.
    const waits = !this.#isBusy || host.find(name) === undefined;
    if (look && waits) void look.then(() => this.#reply(client));
    else this.#reply(client);
  }

  #reply(client: Client): void {
    const check = client.data;
    if (check.phase === "closed") return;
    const { host, pollers } = this.#options;
    const reply = host.replyTo(check.sent);
    check.reply = reply;
    // While there are too many, it is not worth the time to know who has heard it.
    if (pollers === undefined || check.hasEnded || this.#isBusy) {
      this.#finish(client, reply.bytes);
      return;
    }
    check.phase = "finishing";
    // Where the round trip is longer, both parts leave as one segment.
    client.setNoDelay(false);
    check.isWhole = client.write(reply.body) === reply.body.length;
    this.#finishing.add(client);
  }

  /** Writes what is left of a reply: it may be heard from now on. */
  #finish(client: Client, rest: Uint8Array = NEWLINE): void {
    const check = client.data;
    this.#await(client, "lingering");
    const isWritten = client.write(rest) === rest.length;
    check.isWhole &&= isWritten;
    client.shutdown();
    // Who has closed before did not wait for the reply: HAProxy always does.
    if (check.hasEnded) client.end();
    else check.telling = this.#tell(check);
  }

  #tell({ address = "", sent, reply }: Check): Telling | undefined {
    const { pollers, areNamed, now } = this.#options;
    if (!pollers || !reply) return undefined;
    // Who had the time to name a service and did not has sent nothing.
    const known = sent === "" && !areNamed ? undefined : sent;
    return new Telling(pollers, address, known, reply.text, now());
  }

  /** Closes a connection whose client does not; one that waits for the agent has its time yet. */
  #sweep(client: Client): void {
    const { since } = client.data;
    // The first sweep may come at once; the next one is 4 s later.
    if (this.#options.now() - since < LINGER_MS) client.timeout(1);
    else {
      client.data.isExpired = true;
      client.terminate();
    }
  }

  /** The client has closed its side, perhaps before its reply is whole. */
  #end(client: Client): void {
    const check = client.data;
    check.hasEnded = true;
    if (check.phase === "naming") this.#look(client);
    else if (check.phase === "finishing") this.#finish(client);
    else if (check.phase === "lingering") client.end();
  }

  #close(client: Client, error: Error | undefined): void {
    const check = client.data;
    check.phase = "closed";
    clearTimeout(check.naming);
    this.#crowd.delete(client);
    // A reset says nothing: it may be that of a check that timed out.
    const isServed = check.isWhole && error === undefined;
    if (check.isExpired) check.telling?.giveUp();
    else check.telling?.end(check.sent, isServed, this.#options.now());
    this.#count -= 1;
    if (this.#count === 0) this.#resolveClosed?.();
  }
}

/** An IPv4 address as people write it, also on a socket for both IPv4 and IPv6. */
function unmap(address: string): string {
  return address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
}
