// Every launcher sets the tuned variables and no other one of the runtime, and starts the agent
// in the same way.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { LAUNCH } from "../../scripts/lib/launchers.ts";
import { ROOT } from "../../scripts/lib/shell.ts";
import { TUNED } from "../../src/agent/tuning.ts";

/** Where each launcher sets variables: the lines that do, of which any may have several. */
const LAUNCHERS: Record<string, RegExp> = {
  "systemd/hapgent.service": /^Environment=(.*)$/gm,
  "systemd/hapgent@.service": /^Environment=(.*)$/gm,
  "sysv/hapgent.init": /^ *export (.*)$/gm,
  "container/Dockerfile": /^ENV ((?:.*\\\n)*.*)$/gm,
};

/** With these set, the runtime runs other code or opens a debugger. */
const HOSTILE = "BUN_OPTIONS BUN_BE_BUN BUN_INSPECT BUN_INSPECT_PRELOAD BUN_INSPECT_CONNECT_TO";

function read(file: string): string {
  return readFileSync(`${ROOT}deploy/${file}`, "utf8");
}

describe.each(Object.entries(LAUNCHERS))("%s", (file, lines) => {
  test("sets all tuned variables, and no other one of the runtime", () => {
    const set: Record<string, string> = {};
    for (const [, text = ""] of read(file).matchAll(lines)) {
      for (const [, name = "", value = ""] of text.matchAll(/(\w+)=(\S+)/g)) set[name] = value;
    }
    const { PATH: _, HAPGENT_STATE_FILE, HAPGENT_SOCKET = "none", ...tuned } = set;
    expect(tuned).toEqual({ ...TUNED });
    const sockets = file.startsWith("container")
      ? /^none$/
      : /^\/run\/hapgent(@%i)?\/hapgent\.sock$/;
    expect(HAPGENT_SOCKET).toMatch(sockets);
    expect(HAPGENT_STATE_FILE).toMatch(/^\/var\/lib\/hapgent\/(%i\/)?state\.json$/);
  });
});

test.each(["systemd/hapgent.service", "systemd/hapgent@.service", "sysv/hapgent.init"])(
  "%s starts it with the launcher, and without what would run other code",
  (file) => {
    const text = read(file).replaceAll(" \\\n", "\n").replaceAll("$$", "$");
    expect(text).toContain(LAUNCH.join("\n  "));
    expect(read(file)).toContain(HOSTILE);
  },
);
