// Where no thread or process can be had, a start says why and ends, however it was launched.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { freePort } from "../../scripts/lib/port.ts";
import { outcome } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import { executableForAll } from "./launchers.ts";

/** Old container engines refuse a call that they do not know, and not in the way glibc expects. */
const REFUSED = "strace -D -f -qq -o /dev/null -e inject=clone3:error=EPERM".split(" ");

/** As `ulimit -u 1`, for a user with no other process. */
const ALONE = [
  ...["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"],
  ...["prlimit", "--nproc=1:1"],
];

describe.concurrent("a start", () => {
  test.each([
    ["tuned, clone3 refused", REFUSED, TUNED],
    ["bare, clone3 refused", REFUSED, {}],
    ["tuned, a limit of one process", ALONE, TUNED],
    ["bare, a limit of one process", ALONE, {}],
  ])("%s: says why and exits 1", async (_, launcher, env) => {
    using directory = temporaryDirectory();
    const file = `${directory.path}/state.json`;
    writeFileSync(file, '{"status":"UP"}');
    const address = { HAPGENT_IP: "127.0.0.1", HAPGENT_PORT: String(freePort()) };
    const { stderr, exitCode } = await outcome([...launcher, executableForAll()], {
      env: { ...env, ...address, HAPGENT_STATE_FILE: file },
      isClean: true,
    });
    expect({ stderr, exitCode }).toEqual({
      stderr:
        `hapgent: cannot start: ${file} was not read within 5 s: its disk hangs, ` +
        "or no thread may be started (pids limit, ulimit -u, seccomp)\n",
      exitCode: 1,
    });
  });
});
