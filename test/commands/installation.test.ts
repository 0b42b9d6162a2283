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
    ["the command has its own", settings, { HAPGENT_PORT: "1" }, [1, stateFile, socket]],
    [
      "the environment is an agent's",
      settings,
      { HAPGENT_STATE_FILE: "a.json" },
      [9777, "a.json", undefined],
    ],
  ])("where %s", async (_, files, env, expected) => {
    using root = makeRoot(files);
    const found = await findSettings(env, undefined, root.path);
    expect(NAMES.map((name) => found.read(name))).toEqual(expected);
  });

  test("of an instance are its own, whatever the environment says", async () => {
    using root = makeRoot({ ...settings, "/etc/hapgent/web.env": "HAPGENT_REPLY='full'\n" });
    const env = { HAPGENT_PORT: "1", HAPGENT_STATE_FILE: "a.json" };
    const found = await findSettings(env, "web", root.path);
    expect([...NAMES, "HAPGENT_REPLY" as const].map((name) => found.read(name))).toEqual([
      9777,
      "/var/lib/hapgent/web/state.json",
      "/run/hapgent@web/hapgent.sock",
      "full",
    ]);
  });

  test.each([
    ["api", "no instance api: there is neither /etc/hapgent/api.env nor /var/lib/hapgent/api"],
    ["../etc", '--instance: expected the name of an instance, got "../etc"'],
    ["..", '--instance: expected the name of an instance, got ".."'],
    ["", '--instance: expected the name of an instance, got ""'],
  ])("refuse the instance %j", async (instance, message) => {
    using root = makeRoot(settings);
    await expect(findSettings({}, instance, root.path)).rejects.toThrow(message);
  });

  test("name where a value comes from, in errors too", async () => {
    using root = makeRoot({ "/etc/default/hapgent": "\nHAPGENT_PORT=0\n" });
    const found = await findSettings({ HAPGENT_SOCKET: "/a" }, undefined, root.path);
    expect(() => found.read("HAPGENT_PORT")).toThrow(
      '/etc/default/hapgent:2: HAPGENT_PORT: expected an integer from 1 to 65535, got "0"',
    );
    expect(found.explain("HAPGENT_PORT")).toBe(" (HAPGENT_PORT of /etc/default/hapgent:2)");
    expect(found.explain("HAPGENT_STATE_FILE")).toBe(
      " (HAPGENT_STATE_FILE of the installed agent)",
    );
    expect(found.explain("HAPGENT_SOCKET")).toBe("");
    expect(found.explain("HAPGENT_IP")).toBe(" (the default: HAPGENT_IP is not set)");
  });

  test("that cannot be read are an error, not as if there were none", async () => {
    using root = makeRoot({ "/etc/default/hapgent/": "" });
    await expect(findSettings({}, undefined, root.path)).rejects.toThrow(
      "illegal operation on a directory (EISDIR)",
    );
  });
});

describe("parseSettings", () => {
  test("takes what systemd and a shell read alike; the last of a name is the last", () => {
    const text = [
      "# HAPGENT_IP=::1",
      "; HAPGENT_IP=::1",
      "HAPGENT_IP=127.0.0.1  ",
      "  HAPGENT_PORT='80'",
      'HAPGENT_STATE_FILE="/var/lib/my state#1.json"',
      "HAPGENT_SOCKET=",
      "PATH=$PATH:/opt/bin",
      ". /etc/other",
      "HAPGENT_IP=10.0.0.1",
    ].join("\n");
    expect(parseSettings(text, "f").map(({ name, value, line }) => [line, name, value])).toEqual([
      [3, "HAPGENT_IP", "127.0.0.1"],
      [4, "HAPGENT_PORT", "80"],
      [5, "HAPGENT_STATE_FILE", "/var/lib/my state#1.json"],
      [6, "HAPGENT_SOCKET", ""],
      [9, "HAPGENT_IP", "10.0.0.1"],
    ]);
  });

  test("ends a line at a carriage return, too, as systemd does", () => {
    const text = "# mine\r\nHAPGENT_PORT=80\r\nHAPGENT_IP='::1'\rHAPGENT_WATCH=on\r\n";
    expect(parseSettings(text, "f").map(({ name, value, line }) => [line, name, value])).toEqual([
      [2, "HAPGENT_PORT", "80"],
      [3, "HAPGENT_IP", "::1"],
      [4, "HAPGENT_WATCH", "on"],
    ]);
  });

  test.each([
    "HAPGENT_PORT=80 # web",
    "HAPGENT_PORT = 80",
    "export HAPGENT_PORT=80",
    "HAPGENT_STATE_FILE=$HOME/state.json",
    'HAPGENT_STATE_FILE="`id`"',
    "HAPGENT_STATE_FILE='a",
    'HAPGENT_STATE_FILE="a"b',
    "HAPGENT_STATE_FILE=a\\",
    "HAPGENT_PORT=80; rm a",
  ])("refuses %j, which they do not", (line) => {
    expect(() => parseSettings(`\n${line}\n`, "/etc/default/hapgent")).toThrow(
      `/etc/default/hapgent:2: expected NAME=value, quoted where it has blanks, got ${JSON.stringify(line.trim())}`,
    );
  });
});

describe("findUnitLimit", () => {
  const systemd = { "/run/systemd/system/": "" };
  const dropIn = (unit: string) => `/etc/systemd/system/${unit}.service.d/override.conf`;
  const opened = "[Service]\nReadWritePaths=-/var/lib/other /srv/web/\n";
  const hint = "the unit cannot save it: add ReadWritePaths=/srv/web (systemctl edit hapgent)";
  const hidden = "the unit does not see /home: use another directory";

  test.each<[string, Record<string, string>, string, string | undefined]>([
    ["there is no systemd", {}, "/srv/web/state.json", undefined],
    ["it is in the agent's own directory", systemd, "/var/lib/hapgent/services/a.json", undefined],
    ["it is elsewhere", systemd, "/srv/web/state.json", hint],
    [
      "it is in a directory of a like name",
      systemd,
      "/var/lib/hapgent2/a",
      hint.replace("/srv/web", "/var/lib/hapgent2"),
    ],
    ["it is in a home", systemd, "/home/me/state.json", hidden],
    [
      "a drop-in opens it",
      { ...systemd, [dropIn("hapgent")]: opened },
      "/srv/web/a.json",
      undefined,
    ],
    [
      "a drop-in opens another",
      { ...systemd, [dropIn("hapgent")]: opened },
      "/srv/web2/a",
      hint.replace("/srv/web", "/srv/web2"),
    ],
    [
      "the drop-in is of another unit",
      { ...systemd, [dropIn("other")]: opened },
      "/srv/web/a",
      hint,
    ],
  ])("where %s", async (_, files, file, limit) => {
    using root = makeRoot(files);
    expect(await findUnitLimit(findInstallation(), file, root.path)).toBe(limit);
  });

  test.each(["hapgent@web", "hapgent@"])("of an instance reads drop-ins of %s", async (unit) => {
    using root = makeRoot({ ...systemd, [dropIn(unit)]: opened });
    const installation = findInstallation("web");
    expect(await findUnitLimit(installation, "/srv/web/a", root.path)).toBeUndefined();
    expect(await findUnitLimit(installation, "/srv/a", root.path)).toBe(
      "the unit cannot save it: add ReadWritePaths=/srv (systemctl edit hapgent@web)",
    );
  });
});
