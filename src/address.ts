/** Where something listens: the agent on an IP address, what a command asks perhaps by a name. */
export interface Address {
  readonly ip: string;
  readonly port: number;
}

/** Where the agent listens: an address, or a socket that systemd has opened. */
export type ListenAddress = Address | { readonly fd: number };

/** An address as text: `127.0.0.1:9777`, `[::1]:9777`, or `fd:3` for a passed socket. */
export function formatAddress(address: ListenAddress): string {
  if ("fd" in address) return `fd:${address.fd}`;
  const { ip, port } = address;
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/**
 * Reads `HOST:PORT` or `[IPV6]:PORT`, with a default port also `HOST` or `[IPV6]`; undefined when
 * the text is none of them.
 */
export function parseAddress(text: string, defaultPort?: number): Address | undefined {
  const [, bracketed, host, digits] = /^(?:\[(.+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const ip = bracketed ?? host;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (ip === undefined || port === undefined || port > 65535) return undefined;
  return { ip, port };
}
