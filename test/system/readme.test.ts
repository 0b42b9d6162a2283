// What the READMEs show runs as it stands there: the session of the first one, and the deploy by hand,
// which loses no request and stops where a load balancer cannot be told.
import { describe, expect, test } from "bun:test";
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

describe.concurrent("a deploy by hand", () => {
  test.each([
    [
      "fails no request",
      EXECUTABLE,
      0,
      "restart web\n",
      /^ok saved: DRAIN .*\nok served .*\nok saved: UP\n$/s,
    ],
    ["ends where it stands when nobody can be told", "error", 1, "", /^$/],
  ])("%s", async (_, hapgent, exitCode, calls, said) => {
    await using lab = await startLab({ hosts: ["one", "two"], restart: 300 });
    await using traffic = new Traffic(lab.balancers);
    for (const host of lab.hosts) await traffic.served(host);
    using directory = temporaryDirectory();
    const { path } = directory;
    const write = (name: string, script: string) =>
      writeFileSync(`${path}/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    write("deploy.sh", readBlock("deploy/scripts/README.md", "By hand", "sh"));
    write("systemctl", `echo "$@" >>${path}/calls; ${lab.host.restart.join(" ")}`);
    write("error", 'test "$2" != wait');
    writeFileSync(`${path}/calls`, "");
    symlinkSync(hapgent, `${path}/hapgent`);
    const script = [`${path}/deploy.sh`, "web", `http://127.0.0.1:${lab.host.port}/`];
    const ended = await outcome(script, {
      env: { PATH: `${path}:${Bun.env["PATH"]}`, HAPGENT_SOCKET: lab.host.agent.socket },
    });
    await traffic.served(lab.host);
    expect({ ...ended, calls: readFileSync(`${path}/calls`, "utf8") }).toEqual({
      stdout: expect.stringMatching(said),
      stderr: "",
      exitCode,
      calls,
    });
    expect((await traffic.stop()).failed).toEqual({});
  });
});

test("the README's session shows what it says", async () => {
  using directory = temporaryDirectory();
  const lines = readBlock("README.md", "Try it", "console").trimEnd().split("\n");
  const commands = lines.flatMap((line) => (line.startsWith("$ ") ? [line.slice(2)] : []));
  expect(commands).toHaveLength(5);
  symlinkSync(`${ROOT}dist`, `${directory.path}/dist`);
  // The shell that is left takes its agent with it.
  const script = [...commands, "kill -TERM %1", "wait"].join("\n");
  const { stdout, exitCode } = await outcome(["bash", "-m", "-c", script], {
    cwd: directory.path,
    env: { HAPGENT_IP: "127.0.0.1", HAPGENT_PORT: String(freePort()) },
    isClean: true,
  });
  const printed = lines.filter((line) => !line.startsWith("$ "));
  expect({ stdout: stdout.trim().split("\n"), exitCode }).toEqual({ stdout: printed, exitCode: 0 });
});
