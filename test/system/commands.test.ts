// The commands as processes: their exit codes, standard input and output, and a real agent to ask.
// What each prints is tested in test/commands/.
import { describe, expect, test } from "bun:test";
import { runAgent, startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { freePort } from "../../scripts/lib/port.ts";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { executableForAll, UNPRIVILEGED } from "../faults/launchers.ts";

const STATE = `${ROOT}deploy/state.json`;

test.each<[string, number, "stdout" | "stderr", string]>([
  ["check deploy/state.json", 0, "stdout", "UP\n"],
  ["check /nowhere", 1, "stderr", "/nowhere: no such file or directory (ENOENT)\n"],
  ["check --config", 0, "stdout", "ok\n"],
  ["check --nope", 2, "stderr", "hapgent: check: Unknown option '--nope'\nusage: "],
  ["status --expect NONE", 3, "stdout", "UNKNOWN: status: --expect: "],
  ["help wait", 0, "stdout", "hapgent ctl [@SERVICE] wait "],
])("hapgent %s ends with %d, and says on %s why", async (line, code, stream, start) => {
  const { exitCode, ...printed } = await runAgent(line.split(" "), {}, ROOT);
  const { [stream]: said, ...other } = printed;
  expect(said).toStartWith(start);
  expect({ exitCode, other: Object.values(other) }).toEqual({ exitCode: code, other: [""] });
});

// A path of other bytes would become the path of another file, to which a signal would save.
test.each([[[]], [["check", "--config"]]])(
  "a path that is not UTF-8 ends hapgent %p",
  async (args) => {
    const script = 'HAPGENT_STATE_FILE=$(printf "/srv/st\\377te.json") exec "$@"';
    const command = ["sh", "-c", script, "sh", EXECUTABLE, ...args];
    expect(await outcome(command, { isClean: true })).toEqual({
      stdout: "",
      stderr:
        "hapgent: HAPGENT_STATE_FILE: expected a path in UTF-8, " + 'got "/srv/st\ufffdte.json"\n',
      exitCode: 2,
    });
  },
);

test("check reads files and standard input in one run", async () => {
  const run = await outcome([EXECUTABLE, "check", STATE, "-"], {
    input: '\ufeff{"status":"DOWN","weight":0}',
    isClean: true,
  });
  expect(run).toEqual({
    stdout: `${STATE}: UP\n-: DOWN 0%\n-: warning: weight 0 takes the server out of rotation\n`,
    stderr: "",
    exitCode: 0,
  });
});

describe("status", () => {
  test.each([
    ["127.0.0.1", "0.0.0.0"],
    ["::1", "::"],
    ["::1", "::1"],
  ])("asks the agent of its environment on %s, which listens on %s", async (hostname, ip) => {
    const env = { HAPGENT_IP: ip };
    await using agent = await startAgent({ state: { status: "DRAIN" }, hostname, env });
    const printed = { stdout: "DRAIN\n", stderr: "", exitCode: 0 };
    const HAPGENT_PORT = String(agent.port);
    expect(await runAgent(["status"], { ...env, HAPGENT_PORT })).toEqual(printed);
    const address = hostname === "::1" ? `[::1]:${agent.port}` : `localhost:${agent.port}`;
    expect(await runAgent(["status", address])).toEqual(printed);
  });

  test("with --wait tries until an agent answers", async () => {
    const port = freePort();
    const waiting = runAgent(["status", `127.0.0.1:${port}`, "--wait", "20"]);
    await Bun.sleep(200);
    await using agent = await startAgent({
      state: { status: "MAINT" },
      env: { HAPGENT_PORT: String(port) },
    });
    expect(await waiting).toEqual({ stdout: "MAINT\n", stderr: "", exitCode: 0 });
    expect(agent.process.exitCode).toBeNull();
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
