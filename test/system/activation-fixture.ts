// Listens as systemd does for a unit with socket activation, on each address (`127.0.0.1 8080`) that it
// is given, and runs the command after them with the sockets as fd 3 and up. It accepts nothing itself:
// it never returns to its event loop.
const [addresses = "", ...command] = process.argv.slice(2);
const sockets = addresses.split(",").map((address) => {
  const [hostname = "", port] = address.split(" ");
  const socket = Bun.listen({ hostname, port: Number(port), socket: { data: () => undefined } });
  if (!("fd" in socket)) throw new Error("expected a descriptor");
  return Number(socket.fd);
});
// The shell becomes the command, whose process id it knows; it dies with this process.
const launch = `export LISTEN_FDS=${sockets.length} LISTEN_PID=$$; exec "$0" "$@"`;
Bun.spawnSync(["setpriv", "--pdeathsig", "KILL", "sh", "-c", launch, ...command], {
  stdio: ["ignore", "inherit", "inherit", ...sockets],
});
process.exit();
