import type { TCPSocketListener } from "bun";
import { formatAddress, type ListenAddress } from "../address.ts";
import { codeOf, describeError } from "../errors.ts";
import type { Check, Checks } from "./checks.ts";

/** Errors of bind(2), in words that fit an address. */
const BIND_ERRORS: Readonly<Record<string, string>> = {
  EACCES: "no permission to bind this port (EACCES)",
  EADDRINUSE: "the port is in use (EADDRINUSE): HAPGENT_PORT sets another",
};

/** The port is in use, or the address is not on this machine, or may not be bound. */
export class ListenError extends Error {}

/**
 * Listens on an address, or on a socket that systemd has passed.
 *
 * @throws {ListenError} naming the address and what is wrong with it.
 */
export function listen(address: ListenAddress, checks: Checks): TCPSocketListener<Check> {
  // The runtime takes a descriptor in place of the address; its types do not say so yet.
  const { fd, ip, port } = { fd: undefined, ip: "0.0.0.0", port: 0, ...address };
  const place = { ...(fd !== undefined && { fd }), hostname: ip, port };
  try {
    return Bun.listen<Check>({ ...place, allowHalfOpen: true, socket: checks.handler() });
  } catch (error) {
    const why = BIND_ERRORS[codeOf(error) ?? ""] ?? describeError(error);
    throw new ListenError(`cannot listen on ${formatAddress(address)}: ${why}`);
  }
}
