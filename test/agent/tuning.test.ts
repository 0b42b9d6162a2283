// Launched bare, the agent is executed once more in its place, tuned. What keeps it from that, and what
// it says then, is test/system/tuning.test.ts.
import { expect, test } from "bun:test";
import { output } from "../../scripts/lib/shell.ts";
import { TUNED } from "../../src/agent/tuning.ts";

/** What becomes of an executable in these environments. */
async function tune(...environments: Readonly<Record<string, string>>[]): Promise<unknown> {
  const command = [process.execPath, "--define", "Bun.isStandaloneExecutable=true"];
  const fixture = `${import.meta.dir}/tuning-fixture.ts`;
  return JSON.parse(await output([...command, fixture, JSON.stringify(environments)]));
}

test("an executable executes itself once more, tuned; one that is tuned, or told not to, does not", async () => {
  const bare = [{ SOMETHING: "else" }, { BUN_JSC_useJIT: "0" }];
  const becomes = (env: object) => [
    process.execPath,
    [process.execPath],
    { ...env, ...TUNED, HAPGENT_TUNE: "off" },
  ];
  expect(await tune(...bare, TUNED, { HAPGENT_TUNE: "off" }, { HAPGENT_TUNE: "perhaps" })).toEqual([
    ...bare.map(becomes),
    [],
    [],
    [],
  ]);
});
