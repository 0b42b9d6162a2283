// Agent and commands as processes: their exit codes and streams, a path of any bytes, what is no socket, a
// user without rights.
// What each prints is tested in test/commands/.
import { expect, test } from "bun:test";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { executableForAll, UNPRIVILEGED } from "../faults/launchers.ts";

const NO_SOCKET = "cannot listen on fd:3: invalid argument (EINVAL)";

test.each([
  // A path of other bytes would become the path of another file, to which a signal would save.
  [
    'HAPGENT_STATE_FILE=$(printf "/srv/st\\377te.json") exec "$0"',
    2,
    'HAPGENT_STATE_FILE: expected a path in UTF-8, got "/srv/st\ufffdte.json"',
  ],
  ['LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" 3<&-', 1, NO_SOCKET],
  ['LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" 3</dev/null', 1, NO_SOCKET],
])("the agent ends at once where it is started by %s", async (script, exitCode, problem) => {
  const env = { ...TUNED, HAPGENT_STATE_FILE: `${ROOT}deploy/state.json` };
  expect(await outcome(["sh", "-c", script, EXECUTABLE], { env, isClean: true })).toEqual({
    stdout: "",
    stderr: `hapgent: ${problem}\n`,
    exitCode,
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
