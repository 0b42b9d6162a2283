import type { Socket, SocketHandler } from "bun";
import { nameIn, Sent } from "../sent.ts";
import { Crowd } from "./crowd.ts";
import type { Files } from "./files.ts";
import type { Host } from "./host.ts";
import type { Pollers } from "./pollers.ts";
import { Telling } from "./telling.ts";

/** A client that does not close is closed at a sweep, every 4 s, once it is this old. */
const LINGER_MS = 1000;

/** How long a client has to name a service, in milliseconds. */
const NAMING_MS = 250;

/**
 * Time to read what came while this process was busy, in milliseconds: a timer comes before it. One
 * turn of the event loop is enough.
 */
const READ_MS = 1;

/**
 * How long a reply waits where it matters who gets it (ms). HAProxy closes cleanly, which tells that
 * it has got the reply, only if the end of the connection is there when it reads the line: it has
 * gone to sleep by then, and mostly takes longer to wake up than that end to follow. The line itself
 * comes in one piece: HAProxy looks for its end also in what lies in its buffer behind it, from some
 * check before, and may take the beginning of a line for all of it.
 */
const PAUSE_MS = 2;

/** How checks are answered. */
export interface ChecksOptions {
  readonly host: Host;
  readonly files: Pick<Files, "look">;
  /** Who has been told what, if anybody wants to know. */
  readonly pollers: Pollers | undefined;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

/**
 * Where a check stands. It waits for a service's name (`naming`), for a look at the files
 * (`looking`) and for HAProxy to sleep (`pausing`), each only where it must; then for its client to
 * close (`lingering`).
 */
type Phase = "naming" | "looking" | "pausing" | "lingering" | "closed";

/**
 * A check: a connection from its opening to its close. Once it has its reply it is only half
 * closed, and what arrives is discarded until the client closes: closing with unread bytes would
 * make the kernel send a reset, which can destroy the reply on its way.
 */
export class Check {
  #phase: Phase = "naming";
  readonly #socket: Socket<Check>;
  readonly #checks: Checks;
  /** Undefined where nobody wants to know it, or the client has gone already. */
  readonly #address: string | undefined;
  readonly #sent = new Sent();
  /** Whether the client has closed its side: before it has a reply, it is no load balancer. */
  #hasEnded: boolean = false;
  #timer: Timer | undefined;
  #repliedAt = 0;
  /** Who may have heard it; undefined: nobody, or nobody wants to know. */
  #telling: Telling | undefined;

  constructor(socket: Socket<Check>, checks: Checks) {
    this.#socket = socket;
    this.#checks = checks;
    // Read now: a connection that is shut down has no address any more.
    this.#address = checks.options.pollers && unmap(socket.remoteAddress);
  }

  /** Waits for the name of a service where there are some, or replies. */
  open(): void {
    const { options, crowd } = this.#checks;
    if (!options.host.hasServices) {
      this.#look();
      return;
    }
    this.#proceedIn(NAMING_MS);
    crowd.await(this);
  }

  /** Takes what the client sends. */
  read(chunk: Buffer): void {
    const { text, isWhole } = this.#sent.add(chunk);
    if (this.#phase !== "naming") return;
    if (isWhole || this.#checks.options.host.find(nameIn(text))) this.#look();
  }

  /** The client has closed its side, perhaps before it has a reply. */
  end(): void {
    this.#hasEnded = true;
    if (this.#phase === "lingering") this.#socket.end();
    else this.#proceed();
  }

  /** Closes the connection of a client that has its reply; one that named no service gets none. */
  giveWay(): void {
    // No reply changes nothing at HAProxy.
    this.#giveUp(this.#phase === "lingering" ? "end" : "terminate");
  }

  /** Closes the connection of a client that does not. */
  sweep(): void {
    const isRecent = this.#checks.options.now() - this.#repliedAt < LINGER_MS;
    if (isRecent) this.#socket.timeout(1);
    else this.#giveUp("terminate");
  }

  /** The connection is closed. */
  close(error: Error | undefined): void {
    this.#phase = "closed";
    clearTimeout(this.#timer);
    this.#checks.crowd.delete(this);
    // A reset says nothing: it may be that of a check that timed out.
    this.#telling?.end(this.#sent.text, error === undefined, this.#checks.options.now());
  }

  /** Whether it has sent nothing, not even an empty line: that may still come. */
  get #isSilent(): boolean {
    return this.#sent.text === "" && !this.#sent.isWhole;
  }

  /** Proceeds after a time, whatever the client may still send. */
  #proceedIn(milliseconds: number): void {
    this.#timer = setTimeout(() => {
      const readsFirst = this.#phase === "naming" || this.#isSilent;
      if (readsFirst) this.#timer = setTimeout(() => this.#proceed(), READ_MS);
      else this.#proceed();
    }, milliseconds);
  }

  #proceed(): void {
    if (this.#phase === "naming") this.#look();
    else if (this.#phase === "pausing") this.#reply();
  }

  /** Looks at the files, if they are watched, and replies. */
  #look(): void {
    const { options, crowd } = this.#checks;
    const { host, files } = options;
    this.#phase = "looking";
    clearTimeout(this.#timer);
    crowd.add(this);
    const name = host.nameIn(this.#sent.text);
    const look = files.look(name);
    // While there are too many, a look holds none up: the next one sees what it found.
    const waits = !crowd.isBusy || host.find(name) === undefined;
    if (look && waits) void look.then(() => this.#answer());
    else this.#answer();
  }

  #answer(): void {
    if (this.#phase === "closed") return;
    // While there are too many, it is not worth the time to know who has heard it.
    if (this.#address === undefined || this.#hasEnded || this.#checks.crowd.isBusy) {
      this.#reply();
      return;
    }
    this.#phase = "pausing";
    this.#proceedIn(PAUSE_MS);
  }

  /** Writes the reply and the end of the connection: it may be heard from now on. */
  #reply(): void {
    const { options, crowd } = this.#checks;
    const { host, pollers, now } = options;
    const { bytes, text } = host.replyTo(this.#sent.text);
    this.#phase = "lingering";
    this.#repliedAt = now();
    crowd.await(this);
    this.#socket.timeout(1);
    const length = this.#socket.write(bytes);
    this.#socket.shutdown();
    // Who has closed before did not wait for the reply: HAProxy always does.
    if (this.#hasEnded) this.#socket.end();
    else if (pollers && this.#address !== undefined) {
      const sent = this.#isSilent ? undefined : this.#sent.text;
      this.#telling = new Telling(pollers, this.#address, sent, text, this.#repliedAt);
    }
    // A part of it may have been heard.
    if (length < bytes.length) this.#giveUp("terminate");
  }

  /** Closes the connection: that says nothing of what its client has heard. */
  #giveUp(how: "end" | "terminate"): void {
    this.#telling?.giveUp();
    this.#telling = undefined;
    this.#socket[how]();
  }
}

/**
 * Answers every connection with the present reply. What the client sends is ignored, but for the
 * name of a service; with `pollers` it tells server lines apart. A client that never closes is
 * closed after 1 to 5 s, and earlier where there are too many.
 */
export class Checks {
  /** Those that are open. */
  readonly crowd = new Crowd();

  constructor(readonly options: ChecksOptions) {}

  /** What a listening socket calls. */
  handler(): SocketHandler<Check> {
    const { host, pollers } = this.options;
    return {
      open: (socket) => {
        socket.data = new Check(socket, this);
        if (this.crowd.makeRoom()) socket.data.open();
        else socket.terminate();
      },
      end: ({ data: check }) => check.end(),
      close: ({ data: check }, error) => check.close(error),
      timeout: ({ data: check }) => check.sweep(),
      // Without `data` what arrives is discarded without a copy. One of the two must be there.
      ...((host.hasServices || pollers) && { data: ({ data: check }, chunk) => check.read(chunk) }),
      drain() {},
      error() {},
    };
  }

  /** Resolves when no check is open. */
  async closed(): Promise<void> {
    while (this.crowd.size > 0) await Bun.sleep(READ_MS);
  }
}

/** An IPv4 address as people write it, also on a socket for both IPv4 and IPv6. */
function unmap(address: string | undefined): string | undefined {
  return address?.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
}
