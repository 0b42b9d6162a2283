// Launched bare, the agent is executed once more in its place, tuned. What keeps it from that, and what
// it says then, is test/system/tuning.test.ts.
import { expect, test } from "bun:test";
import { output } from "../../scripts/lib/shell.ts";
import { TUNED } from "../../src/agent/tuning.ts";

/** What an executable would execute in an environment. */
const PROGRAM = `
  import { becomeTuned } from "${import.meta.dir}/../../src/agent/tuning.ts";
  process.execve = (...given) => console.log(JSON.stringify(given));
  becomeTuned(JSON.parse(process.argv[1]));
`;

test.each([
  [{ SOMETHING: "else" }, true],
  [{ BUN_JSC_useJIT: "0" }, true],
  [TUNED, false],
  [{ HAPGENT_TUNE: "off" }, false],
  [{ HAPGENT_TUNE: "perhaps" }, false],
])("an executable in %j executes itself once more, tuned: %p", async (env, isTuned) => {
  const command = [process.execPath, "--define", "Bun.isStandaloneExecutable=true", "-e", PROGRAM];
  const given = [process.execPath, [process.execPath], { ...env, ...TUNED, HAPGENT_TUNE: "off" }];
  const printed = isTuned ? `${JSON.stringify(given)}` : "";
  expect((await output([...command, JSON.stringify(env)])).trim()).toBe(printed);
});
