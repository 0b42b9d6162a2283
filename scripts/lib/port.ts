/** A TCP port of 127.0.0.1 that the kernel just gave out and that is free again. */
export function freePort(hostname = "127.0.0.1"): number {
  const server = Bun.listen({ hostname, port: 0, socket: { data() {} } });
  server.stop(true);
  return server.port;
}
