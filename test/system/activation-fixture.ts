// Listens as systemd does for a unit with socket activation, at a free port of each address that it is
// given (`127.0.0.1,::1`), prints the ports, and runs the command after them with the sockets as fd 3 and
// up. It accepts nothing itself: it never returns to its event loop.
const [addresses = "", ...command] = process.argv.slice(2);
const sockets = addresses
  .split(",")
  .map((hostname) => Bun.listen({ hostname, port: 0, socket: { data: () => undefined } }));
console.error(sockets.map(({ port }) => port).join(" "));
const descriptors = sockets.map((socket) => ("fd" in socket ? Number(socket.fd) : "ignore"));
// The shell becomes the command, whose process id it knows; it dies with this process.
const launch = `export LISTEN_FDS=${sockets.length} LISTEN_PID=$$; exec "$0" "$@"`;
Bun.spawnSync(["setpriv", "--pdeathsig", "KILL", "sh", "-c", launch, ...command], {
  stdio: ["ignore", "inherit", "inherit", ...descriptors],
});
process.exit();
