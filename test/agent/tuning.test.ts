// Launched bare, the agent becomes the tuned process: executed once more in its place. Where it must
// not or cannot, it stays as it is and says so.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { outcome, output } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { TUNED } from "../../src/agent/tuning.ts";

const directory = temporaryDirectory();
const executable = `${directory.path}/executable`;

/** Stands for the agent: prints its process id and its environment. */
const PROGRAM = `#!/usr/bin/awk -f
BEGIN {
  while ((getline < "/proc/self/status") > 0) if (/^Pid:/) print $1 "=" $2
  for (name in ENVIRON) print name "=" ENVIRON[name]
}
`;

beforeAll(async () => {
  const fixture = `${import.meta.dir}/tuning-fixture.ts`;
  // Only an executable becomes tuned.
  const build = ["build", "--compile", fixture, `--outfile=${executable}`];
  await output([process.execPath, ...build], { cwd: directory.path });
});

afterAll(() => directory[Symbol.dispose]());

/** Puts the program at a path. */
function install(name: string): string {
  const folder = `${directory.path}/${name}`;
  mkdirSync(folder);
  writeFileSync(`${folder}/program`, PROGRAM);
  chmodSync(`${folder}/program`, 0o755);
  return `${folder}/program`;
}

/** Runs the executable by a shell's words, `"$@"` for instance, and returns what it printed. */
async function run(program: string, env: Record<string, string> = {}, words = 'exec "$@"') {
  const command = ["sh", "-c", `echo "SHELL=$$"; ${words}`, "sh", executable, program];
  const { stdout } = await outcome(command, { env, isClean: true });
  const entries = stdout.split("\n").map((line) => line.split("=", 2));
  return { values: Object.fromEntries(entries), last: stdout.trimEnd().split("\n").at(-1) };
}

describe.concurrent("an executable", () => {
  test.each(["plain", "a=b"])("becomes tuned in its place, by a path such as %s", async (name) => {
    const { values } = await run(install(name), { SOMETHING: "else" });
    expect(values).toMatchObject({ ...TUNED, SOMETHING: "else", HAPGENT_TUNE: "off" });
    expect(values["Pid:"]).toBe(values["SHELL"]);
  });

  test.each([
    ["it is tuned already", TUNED],
    ["it is told not to", { HAPGENT_TUNE: "off" }],
    ["that is not known", { HAPGENT_TUNE: "perhaps" }],
  ])("stays as it is where %s", async (_, env) => {
    expect((await run(executable, env)).last).toBe('"stays"');
  });

  test("keeps a socket that was passed to it, and none that is another's", async () => {
    const env = { LISTEN_FDS: "1" };
    const { last } = await run(executable, env, 'LISTEN_PID=$$ exec "$@"');
    const obstacle = "the passed socket would be lost; set the variables in the unit";
    expect(last).toBe(JSON.stringify(obstacle));
    const program = install("other");
    expect((await run(program, { ...env, LISTEN_PID: "1" })).values).toMatchObject(TUNED);
    const { values } = await run(program, {}, 'LISTEN_PID=$$ exec "$@"');
    expect(values).toMatchObject(TUNED);
  });

  test.each([
    ["/lib64/ld-linux-x86-64.so.2", "started through /lib64/ld-linux-x86-64.so.2"],
    ["/lib/ld-musl-aarch64.so.1", "started through /lib/ld-musl-aarch64.so.1"],
    ["/nowhere/hapgent (deleted)", "cannot execute /nowhere/hapgent (deleted)"],
  ])("that is %s says why it is not tuned", async (program, obstacle) => {
    expect((await run(program)).last).toBe(JSON.stringify(obstacle));
  });
});
