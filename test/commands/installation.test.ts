// A command knows the installed agent: its own environment comes first, then the settings file,
// then where an installed agent has its things. Settings are read, never executed.
import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import {
  findInstallation,
  findSettings,
  findUnitLimit,
  parseSettings,
} from "../../src/commands/installation.ts";
import type { Environment, SettingName } from "../../src/settings.ts";

/** A root directory in which these files are, and directories where a path ends with a slash. */
function makeRoot(files: Record<string, string>) {
  const directory = temporaryDirectory();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(directory.path + dirname(`${path}.`), { recursive: true });
    if (!path.endsWith("/")) writeFileSync(directory.path + path, text);
  }
  return directory;
}

const NAMES: readonly SettingName[] = ["HAPGENT_PORT", "HAPGENT_STATE_FILE", "HAPGENT_SOCKET"];

describe("findSettings", () => {
  const settings = { "/etc/default/hapgent": "# settings\nHAPGENT_PORT=9800\n" };
  const stateFile = "/var/lib/hapgent/state.json";
  const socket = "/run/hapgent/hapgent.sock";

  test.each<[string, Record<string, string>, Environment, (string | number | undefined)[]]>([
    ["nothing is installed", {}, {}, [9777, "/etc/hapgent/state.json", undefined]],
    ["there are settings", settings, {}, [9800, stateFile, socket]],
    ["there is a directory", { "/var/lib/hapgent/": "" }, {}, [9777, stateFile, socket]],
    ["the environment has its own", settings, { HAPGENT_PORT: "1" }, [1, stateFile, socket]],
    ["it is an agent's", settings, { HAPGENT_STATE_FILE: "a" }, [9777, "a", undefined]],
  ])("where %s", async (_, files, env, expected) => {
    using root = makeRoot(files);
    const found = await findSettings(env, undefined, root.path);
    expect(NAMES.map((name) => found.read(name))).toEqual(expected);
  });

  test("of an instance are its own, whatever the environment says", async () => {
    using root = makeRoot({ ...settings, "/etc/hapgent/web.env": "HAPGENT_PORT='9801'\n" });
    const env = { HAPGENT_PORT: "1", HAPGENT_STATE_FILE: "a.json" };
    const found = await findSettings(env, "web", root.path);
    const files = ["/var/lib/hapgent/web/state.json", "/run/hapgent@web/hapgent.sock"];
    expect(NAMES.map((name) => found.read(name))).toEqual([9801, ...files]);
  });

  test.each([
    ["api", "no instance api: there is neither /etc/hapgent/api.env nor /var/lib/hapgent/api"],
    ["../etc", '--instance: expected the name of an instance, got "../etc"'],
  ])("refuse the instance %j", async (instance, message) => {
    using root = makeRoot(settings);
    await expect(findSettings({}, instance, root.path)).rejects.toThrow(message);
  });

  test("name where a value comes from, in errors too", async () => {
    using root = makeRoot({ "/etc/default/hapgent": "\nHAPGENT_PORT=0\n" });
    const found = await findSettings({ HAPGENT_SOCKET: "/a" }, undefined, root.path);
    expect(() => found.read("HAPGENT_PORT")).toThrow("/etc/default/hapgent:2: HAPGENT_PORT: exp");
    const names = [...NAMES, "HAPGENT_IP"] as const;
    expect(names.map((name) => found.explain(name))).toEqual([
      " (HAPGENT_PORT of /etc/default/hapgent:2)",
      " (HAPGENT_STATE_FILE of the installed agent)",
      "",
      " (the default: HAPGENT_IP is not set)",
    ]);
  });
});

test.each([
  ["HAPGENT_IP=127.0.0.1  \r", "127.0.0.1"],
  ["  HAPGENT_IP='80'", "80"],
  ['HAPGENT_IP="/var/lib/my state#1.json"', "/var/lib/my state#1.json"],
  ["HAPGENT_IP=", ""],
  ["HAPGENT_IP=1\nHAPGENT_IP=2", "2"],
  ["# HAPGENT_IP=1\n; HAPGENT_IP=2\nPATH=$PATH:/opt/bin\n. /etc/other", undefined],
])("a line of the settings file is read as systemd and a shell do: %j", (text, value) => {
  expect(parseSettings(text, "f").at(-1)?.value).toBe(value as string);
});

test.each([
  "HAPGENT_PORT=80 # web",
  "export HAPGENT_PORT=80",
  "HAPGENT_PORT =80",
  "HAPGENT_STATE_FILE=$HOME/state.json",
  "HAPGENT_STATE_FILE=a\\",
  "HAPGENT_PORT=80; rm a",
])("it is refused where they differ: %j", (line) => {
  const expected = "expected NAME=value, quoted where it has blanks";
  expect(() => parseSettings(`\n${line}\n`, "f")).toThrow(
    `f:2: ${expected}, got ${JSON.stringify(line)}`,
  );
});

const HOME = "the unit does not see /home: use another directory";
const addPath = (path: string, unit = "hapgent") =>
  `the unit cannot save it: add ReadWritePaths=${path} (systemctl edit ${unit})`;

test.each<[instance: string | undefined, dropIn: string, file: string, limit: string | undefined]>([
  [undefined, "", "/var/lib/hapgent/web/a", undefined],
  [undefined, "", "/var/lib/hapgent2/a", addPath("/var/lib/hapgent2")],
  [undefined, "", "/home/me/state.json", HOME],
  [undefined, "hapgent", "/srv/web/a", undefined],
  [undefined, "hapgent", "/srv/web2/a", addPath("/srv/web2")],
  [undefined, "other", "/srv/web/a", addPath("/srv/web")],
  ["web", "hapgent@web", "/srv/web/a", undefined],
  ["web", "hapgent@", "/srv/web/a", undefined],
  ["web", "", "/srv/a", addPath("/srv", "hapgent@web")],
])("the unit of instance %s, with a drop-in for %j, to save %s: %j", async (...row) => {
  const [instance, dropIn, file, limit] = row;
  using root = makeRoot({
    "/run/systemd/system/": "",
    [`/etc/systemd/system/${dropIn}.service.d/override.conf`]:
      "[Service]\nReadWritePaths=/var/lib/other -/srv/web/\n",
  });
  const installation = findInstallation(instance);
  expect(await findUnitLimit(installation, file, root.path)).toBe(limit);
  // Where there is no systemd, nothing limits it.
  expect(await findUnitLimit(installation, file, `${root.path}/nowhere`)).toBeUndefined();
});
