// The TCP connections of this network namespace, as the kernel lists them (proc(5), tcp).

/** The states that count here, as the kernel numbers them. */
const ESTABLISHED = "01";
const LISTENING = "0A";

/** What is open at a port: whether somebody listens, and from where others are connected. */
export interface PortUse {
  readonly isListening: boolean;
  /** The other end of each established connection. */
  readonly peers: readonly string[];
}

/** Where the kernel lists them, for each family. */
const LISTS = ["/proc/net/tcp", "/proc/net/tcp6"];

/** Looks at what is open at a TCP port of this machine. */
export async function readPortUse(port: number, lists = LISTS): Promise<PortUse> {
  const texts = await Promise.all(lists.map(readList));
  return findPortUse(texts.join("\n"), port);
}

/**
 * What the text of these lists says about a port. A busy machine has tens of thousands of lines of
 * connections that are over: only those of this port, in these two states, are looked at.
 */
function findPortUse(text: string, port: number): PortUse {
  const local = port.toString(16).toUpperCase().padStart(4, "0");
  const line = new RegExp(
    `^ *\\d+: [\\dA-F]+:${local} ([\\dA-F]+):[\\dA-F]{4} (${ESTABLISHED}|${LISTENING}) `,
    "gm",
  );
  const found = [...text.matchAll(line)];
  return {
    isListening: found.some(([, , state]) => state === LISTENING),
    peers: found.flatMap(([, peer = "", state]) =>
      state === ESTABLISHED ? [readAddress(peer)] : [],
    ),
  };
}

/** A list; there is none of IPv6 where the kernel has none. */
async function readList(path: string): Promise<string> {
  return await Bun.file(path)
    .text()
    .catch(() => "");
}

/** An address of these lists: words of four bytes, each in the byte order of this machine. */
function readAddress(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const isLittle = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
  const bytes = words.flatMap((word) => {
    const pairs = (word.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
    return isLittle ? pairs.toReversed() : pairs;
  });
  if (bytes.length === 4) return bytes.join(".");
  const isMapped = bytes.slice(0, 12).every((byte, i) => byte === (i < 10 ? 0 : 255));
  if (isMapped) return bytes.slice(12).join(".");
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  return normalize(groups.join(":"));
}

/** An IPv6 address in its shortest form, as a URL has it. */
function normalize(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}
