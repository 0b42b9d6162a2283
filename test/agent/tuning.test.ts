// Launched bare, the agent becomes the tuned process: executed once more in its place. Where it must
// not or cannot, it stays as it is and says so. test/system/ shows it on the executable.
import { expect, test } from "bun:test";
import { output } from "../../scripts/lib/shell.ts";
import { TUNED } from "../../src/agent/tuning.ts";

type Environment = Readonly<Record<string, string>>;

const BUN = process.execPath;

/** What becomes of an executable in these environments, perhaps at a path of its own. */
async function tune(...cases: [env: Environment, program?: string][]): Promise<unknown> {
  const command = [BUN, "--define", "Bun.isStandaloneExecutable=true"];
  const fixture = `${import.meta.dir}/tuning-fixture.ts`;
  return JSON.parse(await output([...command, fixture, JSON.stringify(cases)]));
}

test("an executable executes itself once more, tuned, and never again", async () => {
  const environments = [
    { SOMETHING: "else" },
    { BUN_JSC_useJIT: "0" },
    { LISTEN_FDS: "1", LISTEN_PID: "1" },
  ];
  expect(await tune(...environments.map((env): [Environment] => [env]))).toEqual(
    environments.map((env) => ({
      obstacle: null,
      executed: [BUN, [BUN], { ...env, ...TUNED, HAPGENT_TUNE: "off" }],
    })),
  );
});

test("one that is tuned, or told something else than to be, stays as it is", async () => {
  expect(await tune([TUNED], [{ HAPGENT_TUNE: "off" }], [{ HAPGENT_TUNE: "perhaps" }])).toEqual(
    Array(3).fill({ obstacle: null, executed: [] }),
  );
});

test.each<[Environment, string | undefined, string]>([
  [
    { LISTEN_FDS: "1", LISTEN_PID: "OWN_PID" },
    undefined,
    "the passed socket would be lost; set the variables in the unit",
  ],
  [{}, "/lib64/ld-linux-x86-64.so.2", "started through /lib64/ld-linux-x86-64.so.2"],
  [{}, "/lib/ld-musl-aarch64.so.1", "started through /lib/ld-musl-aarch64.so.1"],
  [{}, "/nowhere/hapgent (deleted)", "cannot execute /nowhere/hapgent (deleted)"],
])("with %j at %s it says why it is not tuned", async (env, program, obstacle) => {
  expect(await tune(program === undefined ? [env] : [env, program])).toEqual([
    { obstacle, executed: [] },
  ]);
});
