// hapgent-follow sets what a command says, once it has said so often enough in a row; it refuses
// nonsense, leaves the state when the command fails, and gives way to people.
import { beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { Follower, useFollower } from "./follow.ts";

const world = useFollower("web");
const state = () => world.state("@web");
const set = (to: object) => world.set("@web", to);

beforeEach(async () => {
  await set({ status: "UP" });
});

/** Runs it so that the first time counts. */
function once(...command: string[]) {
  return world.follower.run("--rise", "1", "--fall", "1", "@web", ...command);
}

test("shellcheck finds nothing in the script and its examples", async () => {
  const examples = readdirSync(`${ROOT}deploy/scripts/follow`).filter(
    (name) => name !== "README.md",
  );
  const files = ["hapgent-follow", "hapgent-deploy", ...examples.map((name) => `follow/${name}`)];
  const { stdout, exitCode } = await outcome(
    ["shellcheck", "--shell=sh", "--exclude=SC2016", ...files],
    {
      cwd: `${ROOT}deploy/scripts`,
    },
  );
  expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 0 });
});

describe("the first line that a command prints", () => {
  test.each([
    ["up 75%", { status: "UP", weight: 75 }],
    ["DOWN #lag 40 s", { status: "DOWN", reason: "follow: lag 40 s" }],
    ['drain #a "b" \\ $(c) * #d', { status: "DRAIN", reason: 'follow: a "b" \\ $(c) * #d' }],
    ["maxconn:7,50%\tMaint\r", { status: "MAINT", weight: 50, maxconn: 7, reason: "follow:" }],
    ["up drain 100%", { status: "DRAIN", weight: 100, reason: "follow:" }],
    ["ready up", { status: "UP" }],
    ["drain stopped #old", { status: "STOPPED", reason: "follow: old" }],
    ["\n \nfail #späte Antwort\nup", { status: "FAIL", reason: "follow: sp??te Antwort" }],
    [`stopped #${"x".repeat(300)}`, { status: "STOPPED", reason: `follow: ${"x".repeat(92)}` }],
  ])("is a state: %j", async (text, expected) => {
    expect((await once("printf", "%s", text)).exitCode).toBe(0);
    expect(await state()).toEqual(expected);
  });

  test.each(["50%", "up down", "drain maint", "upp", "# up", "up 5.5%", "up -5%", "*", "down#lag"])(
    "is refused, and the state stays: %j",
    async (text) => {
      const { exitCode, stderr } = await once("echo", text);
      expect(exitCode).toBe(1);
      expect(stderr).toStartWith("hapgent-follow @web: the state stays: expected a state such as ");
      expect(await state()).toEqual({ status: "UP" });
    },
  );

  test("is cut off where it does not end", async () => {
    const { stderr } = await once("sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' x");
    expect(stderr).toEndWith(`, got '${"x".repeat(300)}'\n`);
  });

  test("is refused by the agent, too", async () => {
    const { exitCode, stderr } = await once("echo", "up 300%");
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr:
        "hapgent-follow @web: the state stays: error: " +
        "weight: expected an integer from 0 to 255, got 300\n",
    });
  });
});

describe("the exit code of a command", () => {
  test.each([
    ["exit 0", "UP"],
    ["exit 1", "DOWN"],
    ["echo drain; exit 1", "DRAIN"],
  ])("counts where it prints nothing: %s", async (script, status) => {
    await set({ status: "READY" });
    await once("sh", "-c", script);
    // UP is what a person's READY is already.
    expect((await state()).status).toBe(status === "UP" ? "READY" : status);
  });

  test.each([
    ["exit 2", "the command ended with exit code 2"],
    ["echo down; exit 3", "the command ended with exit code 3: down"],
    ["no-such-command", "the command ended with exit code 127"],
    ["sleep 60", "the command took more than 1 s, or was killed"],
    ["yes", "the command took more than 1 s, or was killed"],
    [
      "echo down; sleep 6 2>/dev/null &",
      "the command left something running that keeps its output open",
    ],
  ])("leaves the state when it is another, or none comes: %s", async (script, message) => {
    const options = ["--fall", "1", "--timeout", "1", "@web"];
    const { exitCode, stderr } = await world.follower.run(...options, "sh", "-c", script);
    expect(exitCode).toBe(1);
    expect(stderr).toEndWith(`hapgent-follow @web: the state stays: ${message}\n`);
    expect(await state()).toEqual({ status: "UP" });
  });
});

describe("--rise and --fall", () => {
  test("count how often in a row, in all runs; a failure begins a new row", async () => {
    writeFileSync(`${world.follower.path}/says`, "");
    const run = async (...words: string[]) => {
      const seen: string[] = [];
      for (const word of words) {
        writeFileSync(`${world.follower.path}/says`, word);
        await world.follower.run("--rise", "2", "--fall", "3", "@web", "cat", "says");
        const { status, weight } = await state();
        seen.push(`${status}${weight ?? ""}`);
      }
      return seen;
    };
    expect(await run("down", "down", "up", "down", "drain")).toEqual(Array(5).fill("UP"));
    expect(await run("down", "drain", "up 50%", "down", "up 60%", "up 70%", "up 80%")).toEqual([
      ...["DOWN", "DRAIN", "DRAIN", "DRAIN", "DRAIN", "UP70", "UP80"],
    ]);
    expect(await run("down", "down", "nonsense", "down", "down")).toEqual(Array(5).fill("UP80"));
    expect(await run("down")).toEqual(["DOWN80"]);
  });

  test("are 2 when not given, and each command counts for itself", async () => {
    for (const [file, status] of [
      ["/nowhere", "UP"],
      ["/never", "UP"],
      ["/nowhere", "DOWN"],
    ] as const) {
      await world.follower.run("@web", "test", "-e", file);
      expect((await state()).status).toBe(status);
    }
  });
});

test("what a person has set stays for ten runs, and it says so once", async () => {
  const maint = { status: "MAINT", reason: "bad disk" };
  await set(maint);
  const said: string[] = [];
  for (let i = 1; i <= 10; i += 1) {
    const { stdout, stderr, exitCode } = await once("echo", "up 50%");
    said.push(stdout + stderr);
    expect(exitCode).toBe(0);
  }
  expect(await state()).toEqual(maint);
  expect(said).toEqual([
    expect.stringMatching(
      /^hapgent-follow @web: error: not followed: it is MAINT "bad disk" since .* \(socket\)\n$/,
    ),
    ...Array(9).fill(""),
  ]);
});

test("a deploy under way is said once, too", async () => {
  using other = new Follower(world.agent);
  rmSync(`${other.path}/hapgent`);
  const said: string[] = [];
  for (const seconds of [3, 13, 23]) {
    const answer = `error: not followed: held by hapgent deploy (pid 7, v42) for ${seconds} s`;
    other.stub("hapgent", `echo '${answer}'; exit 1`);
    said.push((await other.run("--fall", "1", "@web", "echo", "down")).stdout);
  }
  expect(said).toEqual([expect.stringContaining("v42) for 3 s\n"), "", ""]);
});

test("it says what it has set, and nothing when nothing changes", async () => {
  const run = async () => (await once("echo", "down #power")).stdout;
  expect([await run(), await run()]).toEqual([
    "hapgent-follow @web: ok saved: ready down 100% #follow: power\n",
    "",
  ]);
  await set({ status: "UP" });
  expect(await run()).toStartWith("hapgent-follow @web: ok saved: ");
});

test("busybox is enough", async () => {
  const applets = "sh timeout tr awk sed sha256sum cut mktemp mv rm printf echo";
  using other = new Follower(world.agent);
  for (const applet of applets.split(" ")) {
    symlinkSync(Bun.which("busybox") ?? "", `${other.path}/${applet}`);
  }
  const options = { env: { PATH: other.path, HAPGENT_SOCKET: world.agent.socket }, isClean: true };
  const script = ["sh", `${ROOT}deploy/scripts/hapgent-follow`, "--timeout", "1", "@web"];
  for (let run = 1; run <= 2; run += 1) {
    const ended = await outcome([...script, "echo", 'drain 50% #a "b" \\ c'], options);
    expect({ stderr: ended.stderr, exitCode: ended.exitCode }).toEqual({ stderr: "", exitCode: 0 });
  }
  expect(await state()).toEqual({ status: "DRAIN", weight: 50, reason: 'follow: a "b" \\ c' });
  const { stderr } = await outcome([...script, "sh", "-c", "while :; do :; done"], options);
  expect(stderr).toContain("the state stays: the command took more than 1 s, or was killed\n");
});

test("without an agent it fails, and says why", async () => {
  using lonely = new Follower({ socket: `${world.follower.path}/none.sock` });
  const { exitCode, stderr } = await lonely.run("--rise", "1", "true");
  expect(exitCode).toBe(1);
  expect(stderr).toStartWith("hapgent-follow: the state stays: hapgent ctl: no answer from ");
});

test.each([
  [],
  ["@web"],
  ["--rise", "two", "true"],
  ["--timeout", "0", "true"],
  ["--nope", "true"],
  ["--help"],
])("with %j it tells how it is used", async (...args) => {
  const { exitCode, stderr } = await world.follower.run(...args);
  expect(exitCode).toBe(2);
  expect(stderr).toStartWith("usage: hapgent-follow [--rise N] [--fall N] [--timeout S] ");
});

test("nothing is left beside the control socket but one file for each command", async () => {
  await once("echo", "up");
  const before = readdirSync(dirname(world.agent.socket));
  await once("echo", "up");
  expect(readdirSync(dirname(world.agent.socket))).toEqual(before);
});
