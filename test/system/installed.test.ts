// On a machine with an installed agent, root needs no environment: `status`, `check` and `ctl` find its
// settings, state and control socket, or those of an instance. What wins over what, and what an error
// says, is in test/commands/installation.test.ts.
import { expect, test } from "bun:test";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { freePort } from "../../scripts/lib/port.ts";
import { outcome } from "../../scripts/lib/shell.ts";

test.concurrent.each([
  ["agent", "", "/etc/default/hapgent", "/var/lib/hapgent", "/run/hapgent"],
  [
    "instance",
    "--instance web",
    "/etc/hapgent/web.env",
    "/var/lib/hapgent/web",
    "/run/hapgent@web",
  ],
])("an installed %s is found by its files", async (_, option, settings, state, run) => {
  const port = freePort();
  // What looks like a machine of its own.
  const script = `
    for directory in /etc /run /var/lib; do mount -t tmpfs none $directory; done
    mkdir -p /etc/default /etc/hapgent ${state} ${run}
    echo 'HAPGENT_PORT="${port}"' >${settings}
    echo '{"status":"UP","weight":100}' >${state}/state.json
    export HAPGENT_PORT=${port}
    HAPGENT_STATE_FILE=${state}/state.json HAPGENT_SOCKET=${run}/hapgent.sock "$0" 2>/dev/null &
    trap "kill $!" EXIT
    unset HAPGENT_PORT
    "$0" status ${option} --wait 20
    "$0" check ${option}
    "$0" check --config ${option}
    "$0" ctl ${option} set status MAINT
    "$0" status ${option} --json`;
  const command = ["unshare", "--mount", "--propagation=private", "sh", "-c", script, EXECUTABLE];
  const { stdout, ...rest } = await outcome(command, { isClean: true });
  expect({ ...rest, lines: stdout.trimEnd().split("\n") }).toEqual({
    lines: [
      ...["UP 100%", "UP 100%", "ok", "ok saved: MAINT 100%"],
      `{"ok":true,"address":"127.0.0.1:${port}","reply":"MAINT 100%","problems":[]}`,
    ],
    stderr: "",
    exitCode: 0,
  });
});
