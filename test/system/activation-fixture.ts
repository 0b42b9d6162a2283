// Holds a listening socket as systemd does for a unit with socket activation, and runs the agent on
// it as fd 3, again when it has ended. Prints the port, then the process id of each agent. It
// accepts nothing itself: it never returns to its event loop.
import { EXECUTABLE } from "../../scripts/lib/executable.ts";

const [hostname = "127.0.0.1", runs = "1"] = process.argv.slice(2);
const socket = Bun.listen({ hostname, port: 0, socket: { data: () => undefined } });
if (!("fd" in socket)) throw new Error("expected a descriptor");
console.log(socket.port);
// The shell becomes the agent, whose process id it knows; it dies with this process.
const launch = 'echo $$; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$0"';
for (let run = 0; run < Number(runs); run += 1) {
  Bun.spawnSync(["setpriv", "--pdeathsig", "KILL", "sh", "-c", launch, EXECUTABLE], {
    stdio: ["ignore", "inherit", "inherit", Number(socket.fd)],
  });
}
process.exit();
