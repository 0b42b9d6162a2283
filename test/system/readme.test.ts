// What the READMEs show runs as it stands there: the session of the first one, and the deploy by hand,
// which loses no request.
import { expect, test } from "bun:test";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { freePort } from "../../scripts/lib/port.ts";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { startLab } from "./deploy-lab.ts";
import { Traffic } from "./traffic.ts";

/** The first block of a language below a heading of a README. */
function readBlock(file: string, heading: string, language: string): string {
  const [, section = ""] = readFileSync(ROOT + file, "utf8").split(`\n## ${heading}\n`);
  return new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "ms").exec(section)?.[1] ?? "";
}

test("a deploy by hand fails no request", async () => {
  await using lab = await startLab({ hosts: ["one", "two"], restart: 300 });
  await using traffic = new Traffic(lab.balancers);
  for (const host of lab.hosts) await traffic.served(host);
  using directory = temporaryDirectory();
  const { path } = directory;
  const write = (name: string, script: string) =>
    writeFileSync(`${path}/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  write("deploy.sh", readBlock("deploy/scripts/README.md", "By hand", "sh"));
  write("systemctl", `test "$*" = "restart web" && ${lab.host.restart.join(" ")}`);
  symlinkSync(EXECUTABLE, `${path}/hapgent`);
  const script = [`${path}/deploy.sh`, "web", `http://127.0.0.1:${lab.host.port}/`];
  const ended = await outcome(script, {
    env: { PATH: `${path}:${Bun.env["PATH"]}`, HAPGENT_SOCKET: lab.host.agent.socket },
  });
  await traffic.served(lab.host);
  expect({ ...ended, restarts: lab.host.restarts() }).toEqual({
    stdout: expect.stringMatching(/^ok saved: DRAIN .*\nok served .*\nok saved: UP\n$/s),
    stderr: "",
    exitCode: 0,
    restarts: 1,
  });
  expect((await traffic.stop()).failed).toEqual({});
});

test("the README's session shows what it says", async () => {
  using directory = temporaryDirectory();
  const lines = readBlock("README.md", "Try it", "console").trimEnd().split("\n");
  const commands = lines.flatMap((line) => (line.startsWith("$ ") ? [line.slice(2)] : []));
  expect(commands).toHaveLength(6);
  symlinkSync(`${ROOT}dist`, `${directory.path}/dist`);
  // A person is slower than a signal, and more patient than 5 s on a busy machine.
  const script = [...commands, "wait"]
    .join("\n")
    .replace(/^kill -USR2.*/m, "$&; until grep -q DOWN state.json; do sleep 0.05; done")
    .replace("--wait 5", "--wait 50");
  const { stdout, exitCode } = await outcome(["bash", "-m", "-c", script], {
    cwd: directory.path,
    env: { HAPGENT_IP: "127.0.0.1", HAPGENT_PORT: String(freePort()) },
    isClean: true,
  });
  const printed = lines.filter((line) => !line.startsWith("$ "));
  expect({ stdout: stdout.trim().split("\n"), exitCode }).toEqual({ stdout: printed, exitCode: 0 });
});
