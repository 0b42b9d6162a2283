// On a machine with an installed agent, root needs no environment: `status`, `check` and `ctl` find
// its settings, state and control socket, or those of an instance; an error says where they looked.
import { describe, expect, test } from "bun:test";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { freePort } from "../../scripts/lib/port.ts";
import { type Output, outcome } from "../../scripts/lib/shell.ts";

/** Runs a shell script on what looks like a machine of its own: `hapgent` there is the agent. */
async function onMachine(script: string): Promise<Output> {
  const setup = `
    for directory in /etc /run /var/lib; do mount -t tmpfs none $directory; done
    mkdir -p /etc/default /etc/hapgent /run/hapgent /run/hapgent@web /var/lib/hapgent/web
    hapgent() { "$0" "$@"; }
    start() { env "$@" "$0" 2>/dev/null & agent=$!; trap 'kill $agent' EXIT; }
    echo '{"status":"UP","weight":100}' >/var/lib/hapgent/state.json
    echo '{"status":"DRAIN"}' >/var/lib/hapgent/web/state.json`;
  const command = ["unshare", "--mount", "--propagation=private", "sh", "-c", setup + script];
  return await outcome([...command, EXECUTABLE], { isClean: true });
}

describe.concurrent("an installed agent", () => {
  test("is found with its settings file, state and control socket", async () => {
    const port = freePort();
    const { stdout, ...rest } = await onMachine(`
      echo 'HAPGENT_PORT="${port}"' >/etc/default/hapgent
      start HAPGENT_PORT=${port} HAPGENT_STATE_FILE=/var/lib/hapgent/state.json \\
        HAPGENT_SOCKET=/run/hapgent/hapgent.sock
      hapgent status --wait 20
      hapgent check
      hapgent check --config
      hapgent ctl show state
      hapgent ctl set status MAINT
      hapgent status --json`);
    expect({ ...rest, lines: stdout.split("\n") }).toEqual({
      lines: [
        "UP 100%",
        "UP 100%",
        "ok",
        expect.stringMatching(/^{"state":{"status":"UP","weight":100},"reply":"UP 100%",.*}$/),
        "ok saved: MAINT 100%",
        `{"ok":true,"address":"127.0.0.1:${port}","reply":"MAINT 100%","problems":[]}`,
        "",
      ],
      stderr: "",
      exitCode: 0,
    });
  });

  test("has instances, each with its own", async () => {
    const port = freePort();
    const run = await onMachine(`
      echo HAPGENT_PORT=1 >/etc/default/hapgent
      echo HAPGENT_PORT=${port} >/etc/hapgent/web.env
      export HAPGENT_SOCKET=/nowhere
      start HAPGENT_PORT=${port} HAPGENT_STATE_FILE=/var/lib/hapgent/web/state.json \\
        HAPGENT_SOCKET=/run/hapgent@web/hapgent.sock
      hapgent status --instance web --wait 20
      hapgent check --instance web
      hapgent ctl --instance web set weight 5
      hapgent ctl --instance api show state`);
    expect(run).toEqual({
      stdout: "DRAIN\nDRAIN\nok saved: DRAIN 5%\n",
      stderr:
        "hapgent: no instance api: there is neither /etc/hapgent/api.env nor /var/lib/hapgent/api\n",
      exitCode: 2,
    });
  });

  test("whose settings or things are wrong is named with the place", async () => {
    const run = await onMachine(`
      printf '\\nHAPGENT_PORT=0\\nHAPGENT_SOCKET=/run/no.sock\\n' >/etc/default/hapgent
      rm /var/lib/hapgent/state.json
      hapgent status
      hapgent check --config
      hapgent check
      hapgent ctl show state
      echo 'HAPGENT_PORT=9777 # web' >/etc/default/hapgent
      hapgent check
      hapgent check - <<X
{"status":"UP"}
X`);
    const wrong =
      'hapgent: /etc/default/hapgent:2: HAPGENT_PORT: expected an integer from 1 to 65535, got "0"';
    expect(run.stderr.trimEnd().split("\n")).toEqual([
      wrong,
      wrong,
      "/var/lib/hapgent/state.json (HAPGENT_STATE_FILE of the installed agent): " +
        "no such file or directory (ENOENT)",
      "hapgent ctl: no answer from /run/no.sock (HAPGENT_SOCKET of /etc/default/hapgent:3): " +
        "no such file or directory (ENOENT)",
      "hapgent: /etc/default/hapgent:1: expected NAME=value, quoted where it has blanks, " +
        'got "HAPGENT_PORT=9777 # web"',
      "hapgent: /etc/default/hapgent:1: expected NAME=value, quoted where it has blanks, " +
        'got "HAPGENT_PORT=9777 # web"',
    ]);
  });

  test("is not mixed into an environment that is an agent's", async () => {
    const run = await onMachine(`
      echo HAPGENT_REPLY=full >/etc/default/hapgent
      hapgent check
      HAPGENT_STATE_FILE=/var/lib/hapgent/state.json hapgent check`);
    expect(run).toEqual({ stdout: "ready up 100%\nUP 100%\n", stderr: "", exitCode: 0 });
  });
});
