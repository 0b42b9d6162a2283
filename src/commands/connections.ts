// The TCP connections of this network namespace, as the kernel lists them (proc(5), tcp).
import { normalizeIp } from "../named-pollers.ts";

/**
 * The states that count here, as the kernel numbers them. What the other end alone has closed
 * (CLOSE_WAIT) may still be answered: in mode tcp HAProxy passes on that a client sends no more.
 */
const ESTABLISHED = "01";
const HALF_CLOSED = "08";
const LISTENING = "0A";

/** What is open at a port: whether somebody listens, and from where others are connected. */
export interface PortUse {
  readonly isListening: boolean;
  /** The other end of each connection that is open. */
  readonly peers: readonly string[];
}

/** Where the kernel lists them, for each family. */
const LISTS = ["/proc/net/tcp", "/proc/net/tcp6"];

/**
 * Looks at what is open at a TCP port of this machine. A busy one has tens of thousands of lines of
 * connections that are over: only those of this port, in these states, are looked at.
 */
export async function readPortUse(port: number, lists = LISTS): Promise<PortUse> {
  // There is no list of IPv6 where the kernel has none.
  const texts = await Promise.all(
    lists.map((path) =>
      Bun.file(path)
        .text()
        .catch(() => ""),
    ),
  );
  const local = port.toString(16).toUpperCase().padStart(4, "0");
  const line = new RegExp(
    `^ *\\d+: [\\dA-F]+:${local} ([\\dA-F]+):[\\dA-F]{4} (${ESTABLISHED}|${HALF_CLOSED}|${LISTENING}) `,
    "gm",
  );
  const found = [...texts.join("\n").matchAll(line)];
  return {
    isListening: found.some(([, , state]) => state === LISTENING),
    peers: found.flatMap(([, peer = "", state]) =>
      state === LISTENING ? [] : [readAddress(peer)],
    ),
  };
}

/** An address of these lists: words of four bytes, each in the byte order of this machine. */
function readAddress(hex: string): string {
  const bytes = Buffer.from(hex, "hex").swap32();
  if (bytes.length === 4) return bytes.join(".");
  const groups = bytes.toString("hex").match(/.{4}/g) ?? [];
  return normalizeIp(groups.join(":")) ?? hex;
}
