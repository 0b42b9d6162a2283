// What the READMEs show runs as it stands there: the session, the state file and HAProxy's lines of the
// first one, and the deploys, which lose no request; the one by hand stops where a load balancer cannot
// be told. SECURITY.md's commands verify a release.
import { describe, expect, test } from "bun:test";
import { appendFileSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { freePort } from "../../scripts/lib/port.ts";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { startHaproxy } from "../haproxy.ts";
import { startLab } from "./deploy-lab.ts";
import { startService, Traffic } from "./traffic.ts";

/** The first shell script below a heading of a README. */
function readScript(file: string, heading: string): string {
  const [, section = ""] = readFileSync(ROOT + file, "utf8").split(`\n## ${heading}\n`);
  const [, script] = /^```sh\n(.*?)^```$/ms.exec(section.split("\n## ")[0] ?? "") ?? [];
  if (script === undefined) throw new Error(`no script below ${heading}`);
  return script;
}

const BY_HAND = readScript("deploy/scripts/README.md", "By hand");

/** The README's line, for the service that it is given. */
const BY_SCRIPT = readScript("README.md", "A deploy without a failed request").replace(
  "http://127.0.0.1:8080/health",
  '"$2"',
);

/** Runs a README's deploy script as it stands there, under 100 requests a second. */
async function deploy(env: Record<string, string>, { hapgent = "", text = BY_HAND } = {}) {
  const state = { status: "READY" };
  await using lab = await startLab({
    hosts: ["one", "two"],
    balancers: 1,
    restart: 300,
    state,
    env,
  });
  await using traffic = new Traffic(lab.balancers);
  for (const host of lab.hosts) await traffic.served(host);
  using directory = temporaryDirectory();
  const write = (name: string, script: string) =>
    writeFileSync(`${directory.path}/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  write("deploy.sh", text);
  symlinkSync(`${ROOT}deploy/scripts/hapgent-deploy`, `${directory.path}/hapgent-deploy`);
  write("systemctl", `echo "$@" >> '${directory.path}/calls'\n${lab.host.restart.join(" ")}`);
  if (hapgent === "") symlinkSync(EXECUTABLE, `${directory.path}/hapgent`);
  else write("hapgent", hapgent);
  const url = `http://127.0.0.1:${lab.host.port}/`;
  const script = await outcome([`${directory.path}/deploy.sh`, "web", url], {
    env: { PATH: `${directory.path}:${Bun.env["PATH"]}`, HAPGENT_SOCKET: lab.host.agent.socket },
    isClean: true,
  });
  await traffic.served(lab.host);
  const file = Bun.file(`${directory.path}/calls`);
  const calls = (await file.exists()) ? await file.text() : "";
  return { ...script, calls, failed: (await traffic.stop()).failed };
}

describe.concurrent("a deploy as the READMEs show it", () => {
  test.each([
    ["exact", "DRAIN", "READY", "UP"],
    ["full", "up drain 100% #deploying v42", "ready up 100%", "ready up 100%"],
  ])("by hand fails no request, with HAPGENT_REPLY=%s", async (mode, drain, ready, up) => {
    const { stdout, ...script } = await deploy({ HAPGENT_REPLY: mode });
    expect(script).toEqual({ stderr: "", exitCode: 0, calls: "restart web\n", failed: {} });
    expect(stdout.split("\n").map((line) => line.replace(/ (after|\(HAProxy) .*/, ""))).toEqual([
      `ok saved: ${drain}`,
      "ok served to 1 poller",
      `ok saved: ${ready}`,
      "ok served to 1 poller",
      `ok saved: ${up}`,
      "",
    ]);
  });

  test("by hapgent-deploy fails no request either", async () => {
    const { stderr, ...script } = await deploy({}, { text: BY_SCRIPT });
    expect(script).toEqual({ stdout: "", exitCode: 0, calls: "restart web\n", failed: {} });
    expect(stderr.trimEnd().split("\n").at(-1)).toStartWith("hapgent deploy: done in ");
  });

  test("by hand would fail some if it told nobody", async () => {
    const { failed, exitCode } = await deploy({}, { hapgent: "true" });
    expect({ failed, exitCode }).toMatchObject({
      failed: { "HTTP 503": expect.any(Number) },
      exitCode: 0,
    });
  });

  test("by hand ends where it stands when nobody can be told", async () => {
    const refused = 'echo "error: not served" >&2\ntest "$2" != wait';
    expect(await deploy({}, { hapgent: refused })).toMatchObject({ exitCode: 1, calls: "" });
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

test("the README's state file gives the reply that it says", async () => {
  const text = readFileSync(`${ROOT}README.md`, "utf8");
  const [, state = "", reply = ""] =
    /^`(\{ "status".*\})`$.*?^(?:- )?The reply is `(.*?)`/ms.exec(text) ?? [];
  using directory = temporaryDirectory();
  writeFileSync(`${directory.path}/state.json`, state);
  const { stdout, exitCode } = await outcome(
    [EXECUTABLE, "check", `${directory.path}/state.json`],
    {
      isClean: true,
    },
  );
  expect({ reply: stdout.split("\n")[0], exitCode }).toEqual({ reply, exitCode: 0 });
});

test("the README's lines for HAProxy make a server follow its agent", async () => {
  const [, lines = ""] =
    /^```haproxy\n(.*?)^```$/ms.exec(readFileSync(`${ROOT}README.md`, "utf8")) ?? [];
  await using agent = await startAgent({ state: { status: "UP", weight: 75 } });
  await using service = startService("web1");
  const local = lines
    .replace("192.0.2.10:80 ", `127.0.0.1:${service.port} `)
    .replace("agent-port 9777", `agent-port ${agent.port}`);
  expect(local).not.toBe(lines);
  await using haproxy = await startHaproxy(local);
  await haproxy.shows({ status: "UP", uweight: 75, agent_status: "L7OK" }, "web/web1");
  agent.signal("SIGUSR2");
  await haproxy.shows({ status: "DOWN (agent)", uweight: 75 }, "web/web1");
});

test("SECURITY.md's commands verify a release, and notice a changed file", async () => {
  using directory = temporaryDirectory();
  const run = (script: string) => outcome(["sh", "-ec", script], { cwd: directory.path });
  await run(`echo 1 >hapgent-1; sha256sum hapgent-1 >SHA256SUMS
    ssh-keygen -q -t ed25519 -N '' -f key; echo "hapgent namespaces=\\"file\\" $(cat key.pub)" >allowed_signers
    ssh-keygen -q -Y sign -n file -f key SHA256SUMS`);
  const script = readScript("SECURITY.md", "Verify a download");
  expect(await run(script)).toMatchObject({ exitCode: 0 });
  appendFileSync(`${directory.path}/hapgent-1`, "2");
  expect(await run(script)).toMatchObject({ exitCode: 1 });
  appendFileSync(`${directory.path}/SHA256SUMS`, "\n");
  expect(await run(script)).toMatchObject({ exitCode: 255 });
});
