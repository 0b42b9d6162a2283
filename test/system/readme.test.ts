// What the READMEs show runs as it stands there: the session of the first one, and the deploy by hand,
// which loses no request and stops where a load balancer cannot be told.
import { describe, expect, test } from "bun:test";
import { chmodSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { startHaproxy } from "../../scripts/lib/haproxy.ts";
import { freePort } from "../../scripts/lib/port.ts";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { startService, Traffic, twoServers } from "./traffic.ts";

/** The first shell script below a heading of a README. */
function readScript(file: string, heading: string): string {
  const [, section = ""] = readFileSync(ROOT + file, "utf8").split(`\n## ${heading}\n`);
  const [, script] = /^```sh\n(.*?)^```$/ms.exec(section.split("\n## ")[0] ?? "") ?? [];
  if (script === undefined) throw new Error(`no script below ${heading}`);
  return script;
}

/** Runs the README's deploy script as it stands there, under 100 requests a second. */
async function deploy(env: Record<string, string>, hapgent?: string) {
  await using agent = await startAgent({
    state: { status: "READY" },
    socket: true,
    env: { ...TUNED, ...env },
  });
  await using services = new AsyncDisposableStack();
  const service = startService("s");
  const other = services.use(startService("other"));
  let running = service;
  services.defer(() => running[Symbol.asyncDispose]());
  // What `systemctl restart` does to a unit: the service is away for a moment.
  await using manager = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch() {
      await running.stop();
      await Bun.sleep(300);
      running = startService("s", service.port);
      return new Response();
    },
  });
  await using haproxy = await startHaproxy(twoServers(agent.port, service.port, other.port));
  await until("a check", async () => (await haproxy.server()).agent_status !== "");
  await using traffic = new Traffic(haproxy);
  await until("both serve", () => traffic.by("s") > 20 && traffic.by("other") > 20);

  using directory = temporaryDirectory();
  const write = (name: string, text: string) => {
    writeFileSync(`${directory.path}/${name}`, text);
    chmodSync(`${directory.path}/${name}`, 0o755);
  };
  write("deploy.sh", readScript("deploy/scripts/README.md", "By hand"));
  write("calls", "");
  write("systemctl", `#!/bin/sh\necho "$@" >> ${directory.path}/calls\ncurl -sf ${manager.url}\n`);
  if (hapgent === undefined) symlinkSync(EXECUTABLE, `${directory.path}/hapgent`);
  else write("hapgent", hapgent);
  const url = `http://127.0.0.1:${service.port}/`;
  const script = await outcome([`${directory.path}/deploy.sh`, "web", url], {
    env: { PATH: `${directory.path}:${Bun.env["PATH"]}`, HAPGENT_SOCKET: agent.socket },
    isClean: true,
  });
  const before = traffic.by("s");
  await until("it serves again", () => traffic.by("s") > before + 20);
  const calls = readFileSync(`${directory.path}/calls`, "utf8");
  return { ...script, calls, answers: (await traffic.stop()).answers };
}

describe.concurrent("the deploy by hand of deploy/scripts", () => {
  test.each([
    ["exact", "DRAIN", "READY", "UP"],
    ["full", "up drain 100% #deploying v42", "ready up 100%", "ready up 100%"],
  ])("fails no request, with HAPGENT_REPLY=%s", async (mode, drain, ready, up) => {
    const { answers, ...script } = await deploy({ HAPGENT_REPLY: mode });
    const { stdout, ...rest } = script;
    expect(rest).toEqual({ stderr: "", exitCode: 0, calls: "restart web\n" });
    expect(stdout.split("\n").map((line) => line.replace(/ (after|\(HAProxy) .*/, ""))).toEqual([
      `ok saved: ${drain}`,
      "ok served to 1 poller",
      `ok saved: ${ready}`,
      "ok served to 1 poller",
      `ok saved: ${up}`,
      "",
    ]);
    expect(new Set(Object.keys(answers))).toEqual(new Set(["s", "other"]));
  });

  test("would fail some if it told nobody", async () => {
    const { answers, exitCode } = await deploy({}, "#!/bin/sh\n");
    expect(exitCode).toBe(0);
    expect(answers).toHaveProperty("HTTP 503");
  });

  test("ends where it stands when nobody can be told", async () => {
    const refused = '#!/bin/sh\necho "error: not served" >&2\ntest "$2" != wait\n';
    expect(await deploy({}, refused)).toMatchObject({ exitCode: 1, calls: "" });
  });
});

test("the README's session shows what it says", async () => {
  using directory = temporaryDirectory();
  const [, session = ""] =
    /^```console\n(.*?)^```$/ms.exec(readFileSync(`${ROOT}README.md`, "utf8")) ?? [];
  const lines = session.trimEnd().split("\n");
  const commands = lines.flatMap((line) => (line.startsWith("$ ") ? [line.slice(2)] : []));
  expect(commands).toHaveLength(5);
  symlinkSync(`${ROOT}dist`, `${directory.path}/dist`);
  // The shell that is left takes its agent with it.
  const script = [...commands, "kill -TERM %1", "wait"].join("\n");
  const { stdout, exitCode } = await outcome(["bash", "-m", "-c", script], {
    cwd: directory.path,
    env: { PATH: Bun.env["PATH"] ?? "", HAPGENT_IP: "127.0.0.1", HAPGENT_PORT: String(freePort()) },
    isClean: true,
  });
  const printed = lines.filter((line) => !line.startsWith("$ "));
  expect({ stdout: stdout.trim().split("\n"), exitCode }).toEqual({ stdout: printed, exitCode: 0 });
});
