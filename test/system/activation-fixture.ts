// Holds listening sockets as systemd does for a unit with socket activation, one for each of the
// addresses that it is given, and runs the agent on them as fd 3 and up, again when it has ended.
// Prints the ports, then the process id of each agent. It accepts nothing itself: it never returns
// to its event loop.
import { EXECUTABLE } from "../../scripts/lib/executable.ts";

const [runs, ...hostnames] = process.argv.slice(2);
const sockets = hostnames.map((hostname) => {
  const socket = Bun.listen({ hostname, port: 0, socket: { data: () => undefined } });
  if (!("fd" in socket)) throw new Error("expected a descriptor");
  return socket;
});
console.log(sockets.map(({ port }) => port).join(" "));
// The shell becomes the agent, whose process id it knows; it dies with this process.
const launch = `echo $$; export LISTEN_FDS=${sockets.length} LISTEN_PID=$$; exec "$0"`;
for (let run = 0; run < Number(runs); run += 1) {
  Bun.spawnSync(["setpriv", "--pdeathsig", "KILL", "sh", "-c", launch, EXECUTABLE], {
    stdio: ["ignore", "inherit", "inherit", ...sockets.map(({ fd }) => Number(fd))],
  });
}
process.exit();
