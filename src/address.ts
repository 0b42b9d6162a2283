/** An IPv4 or IPv6 address, or a name, and a TCP port. */
export interface Address {
  readonly ip: string;
  readonly port: number;
}

/** Where the agent listens: an address, or the socket that systemd has opened. */
export type ListenAddress = Address | { readonly fd: number };

/** An address as text: `127.0.0.1:9777`, `[::1]:9777`, or `fd:3` for a passed socket. */
export function formatAddress(address: ListenAddress): string {
  if ("fd" in address) return `fd:${address.fd}`;
  const { ip, port } = address;
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** Reads `HOST:PORT` or `[IPV6]:PORT`; undefined when the text is neither. */
export function parseAddress(text: string): Address | undefined {
  const [, bracketed, host, port] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const ip = bracketed ?? host;
  if (ip === undefined || Number(port) > 65535) return undefined;
  return { ip, port: Number(port) };
}
