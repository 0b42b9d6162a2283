import { quote } from "./text.ts";

/** The most addresses and networks that may be named: more pollers are not remembered either. */
const NAMED_LIMIT = 4096;

/** An entry of HAPGENT_POLLERS: one load balancer, or a network that load balancers come from. */
export interface Named {
  /** As it was written. */
  readonly text: string;
  /** The load balancer's addresses, as `formatIp` writes them; none for a network. */
  readonly addresses: readonly string[];
}

/** Who the load balancers are, as HAPGENT_POLLERS says. */
export interface NamedPollers {
  /** The load balancers that have an entry of their own, in the order that they were written. */
  readonly balancers: readonly Named[];
  readonly networks: readonly Named[];
  /** The entry that an address belongs to: its own one before a network. */
  find(address: string): Named | undefined;
}

/** An address as eight groups of 16 bits; IPv4 is mapped (RFC 4291, 2.5.5.2). */
type Groups = readonly number[];

const MAPPED: Groups = [0, 0, 0, 0, 0, 0xffff];

/** A network: the first `length` bits of these groups. */
interface Network extends Named {
  readonly groups: Groups;
  readonly length: number;
}

/**
 * Reads HAPGENT_POLLERS: `10.0.0.11 10.0.0.12=2001:db8::12 10.1.0.0/16`. Addresses, of which `=`
 * joins those of one load balancer, and networks; blanks or commas between them.
 *
 * @throws {Error} naming the entry that is neither, and what was expected.
 */
export function parseNamedPollers(text: string): NamedPollers {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== "");
  if (entries.length === 0) {
    throw new Error("expected addresses or networks, such as 10.0.0.11 10.1.0.0/16, got none");
  }
  const networks: Network[] = [];
  const owners = new Map<string, Named>();
  for (const entry of entries) {
    if (entry.includes("/")) networks.push(parseNetwork(entry));
    else addBalancer(owners, entry);
    if (owners.size + networks.length > NAMED_LIMIT) {
      throw new Error(`expected at most ${NAMED_LIMIT} addresses and networks, got more`);
    }
  }
  return {
    balancers: [...new Set(owners.values())],
    networks,
    find(address) {
      const groups = parseIp(address);
      if (groups === undefined) return undefined;
      return owners.get(formatIp(groups)) ?? networks.find((each) => contains(each, groups));
    },
  };
}

/** Whether a text is an IP address. */
export function isIp(text: string): boolean {
  return parseIp(text) !== undefined;
}

/** An address as it is written first of all (RFC 5952), IPv4 also where it is mapped. */
export function normalizeIp(text: string): string | undefined {
  const groups = parseIp(text);
  return groups && formatIp(groups);
}

function addBalancer(owners: Map<string, Named>, text: string): void {
  const addresses = text.split("=").map((address) => {
    const groups = parseIp(address);
    // A zone is a name of this machine for a link, and means nothing to a reader elsewhere.
    if (groups === undefined || address.includes("%")) {
      const got = address === text ? quote(text) : `${quote(address)} in ${quote(text)}`;
      throw new Error(`expected an IPv4 or IPv6 address or a network (10.1.0.0/16), got ${got}`);
    }
    return formatIp(groups);
  });
  const named = { text, addresses };
  for (const address of addresses) {
    if (owners.has(address))
      throw new Error(`expected ${address} once, got it in ${quote(text)} too`);
    owners.set(address, named);
  }
}

function parseNetwork(text: string): Network {
  const [, address = "", digits] = /^([^/%]+)\/(\d{1,3})$/.exec(text) ?? [];
  const groups = parseIp(address);
  const offset = groups && !address.includes(":") ? 96 : 0;
  const length = offset + Number(digits);
  if (groups === undefined || length > 128) {
    throw new Error(`expected a network such as 10.1.0.0/16 or 2001:db8::/32, got ${quote(text)}`);
  }
  const first = groups.map((group, i) => group & maskOf(length, i));
  if (first.some((group, i) => group !== groups[i])) {
    const meant = `${formatIp(first)}/${digits}`;
    throw new Error(`expected the network ${meant} or an address, got ${quote(text)}`);
  }
  return { text, addresses: [], groups, length };
}

/** Whether an address is in a network; `::/0` is all of IPv6, and nothing of IPv4. */
function contains({ groups, length }: Network, address: Groups): boolean {
  if (length < 96 && isMapped(address)) return false;
  return groups.every((group, i) => group === ((address[i] ?? 0) & maskOf(length, i)));
}

/** The bits of the group at this index that belong to a network of this length. */
function maskOf(length: number, index: number): number {
  const bits = Math.min(16, Math.max(0, length - index * 16));
  return (0xffff << (16 - bits)) & 0xffff;
}

function isMapped(groups: Groups): boolean {
  return MAPPED.every((group, i) => group === groups[i]);
}

/** Reads an IPv4 or IPv6 address, in any of its forms (RFC 4291, 2.2), perhaps with a zone. */
function parseIp(text: string): Groups | undefined {
  if (!text.includes(":")) {
    const parsed = parseIpv4(text);
    return parsed && [...MAPPED, ...parsed];
  }
  const [, address = ""] = /^([^%]+)(?:%.+)?$/.exec(text) ?? [];
  // IPv4 stands at the end only.
  const hasIpv4 = /:[\d.]+\.[\d.]+$/.test(address);
  const end = hasIpv4 ? parseIpv4(address.slice(address.lastIndexOf(":") + 1)) : [];
  const start = hasIpv4 ? address.replace(/[\d.]+$/, "0:0") : address;
  if (end === undefined || !/^[\da-f:]+$/i.test(start)) return undefined;
  const halves = start.split("::").map((half) => (half === "" ? [] : half.split(":")));
  const [head = [], tail = []] = halves;
  if (halves.length > 2 || [...head, ...tail].some(({ length }) => length < 1 || length > 4)) {
    return undefined;
  }
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const digits = [...head, ...Array<string>(missing).fill("0"), ...tail];
  const groups = digits.map((group) => Number.parseInt(group, 16));
  return [...groups.slice(0, 8 - end.length), ...end];
}

/** Reads four decimal bytes, without leading zeros: some programs take those for octal. */
function parseIpv4(text: string): [number, number] | undefined {
  const bytes = text.split(".");
  // Without a regular expression: each that runs costs memory, and this one would at every start.
  const isByte = (byte: string) => String(Number(byte) & 255) === byte;
  if (bytes.length !== 4 || !bytes.every(isByte)) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = bytes.map(Number);
  return [a * 256 + b, c * 256 + d];
}

function formatIp(groups: Groups): string {
  if (isMapped(groups)) {
    return groups
      .slice(6)
      .flatMap((group) => [group >> 8, group & 0xff])
      .join(".");
  }
  const text = groups.map((group) => group.toString(16)).join(":");
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}
