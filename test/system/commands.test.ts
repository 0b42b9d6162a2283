// The commands as processes: their exit codes and streams, a path of any bytes, a user without rights.
// What each prints is tested in test/commands/.
import { expect, test } from "bun:test";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { outcome } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { executableForAll, UNPRIVILEGED } from "../faults/launchers.ts";

// A path of other bytes would become the path of another file, to which a signal would save.
test("a path that is not UTF-8 ends the agent", async () => {
  const script = 'HAPGENT_STATE_FILE=$(printf "/srv/st\\377te.json") exec "$0"';
  expect(await outcome(["sh", "-c", script, EXECUTABLE], { isClean: true })).toEqual({
    stdout: "",
    stderr: 'hapgent: HAPGENT_STATE_FILE: expected a path in UTF-8, got "/srv/st\ufffdte.json"\n',
    exitCode: 2,
  });
});

test("ctl tells a user who may not open the socket what helps", async () => {
  using directory = temporaryDirectory();
  const HAPGENT_SOCKET = `${directory.path}/sock`;
  const command = [...UNPRIVILEGED, executableForAll(), "ctl", "reload"];
  expect(await outcome(command, { env: { HAPGENT_SOCKET }, isClean: true })).toEqual({
    stdout: "",
    stderr:
      `hapgent ctl: no answer from ${HAPGENT_SOCKET}: permission denied (EACCES); ` +
      "use sudo, or HAPGENT_SOCKET_MODE=0660 and the group of the socket's directory\n",
    exitCode: 1,
  });
});
