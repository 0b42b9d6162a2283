// hapgent-follow sets what a command says, once it has said so often enough in a row; it refuses
// nonsense, leaves the state when the command fails, and gives way to people. What the agent makes of
// `follow` is in test/contract/give-way.test.ts.
import { beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { SCRIPTS, useFollower } from "./follow.ts";

const world = useFollower("web");
const state = () => world.state("@web");
const set = (to: object) => world.set("@web", to);

beforeEach(async () => {
  await set({ status: "UP" });
});

/** Runs it so that the first time counts. */
function once(...command: string[]) {
  return world.run(["--rise", "1", "--fall", "1", "@web", ...command]);
}

describe("the first line that a command prints", () => {
  test.each([
    ["up 75%", { status: "UP", weight: 75 }],
    ['drain #a "b" \\ $(c) * #d', { status: "DRAIN", reason: 'follow: a "b" \\ $(c) * #d' }],
    ["maxconn:7,50%\tMaint\r", { status: "MAINT", weight: 50, maxconn: 7, reason: "follow:" }],
    ["up drain 100%", { status: "DRAIN", weight: 100, reason: "follow:" }],
    ["ready up", { status: "UP" }],
    ["\n \nfail #späte Antwort\nup", { status: "FAIL", reason: "follow: sp??te Antwort" }],
    [`stopped #${"x".repeat(300)}`, { status: "STOPPED", reason: `follow: ${"x".repeat(92)}` }],
  ])("is a state: %j", async (text, expected) => {
    expect((await once("printf", "%s", text)).exitCode).toBe(0);
    expect(await state()).toEqual(expected);
  });

  test.each([
    ...["50%", "up down", "drain maint", "upp", "# up", "up 5.5%", "*", "down#lag"],
    ...["up 300%", "x".repeat(5000)],
  ])("is refused, and the state stays: %j", async (text) => {
    const { stderr, exitCode } = await once("echo", text);
    const got = text === "up 300%" ? "got 300" : `got '${text.slice(0, 300)}'`;
    expect(stderr).toStartWith("hapgent-follow @web: the state stays: ");
    expect(stderr).toEndWith(`${got}\n`);
    expect(exitCode).toBe(1);
    expect(await state()).toEqual({ status: "UP" });
  });
});

describe("the exit code of a command", () => {
  test.each([
    ["exit 0", "READY"],
    ["exit 1", "DOWN"],
    ["echo drain; exit 1", "DRAIN"],
  ])("counts where it prints nothing: %s", async (script, status) => {
    // UP is what a person's READY is already.
    await set({ status: "READY" });
    await once("sh", "-c", script);
    expect((await state()).status).toBe(status);
  });

  test.each([
    [10, "exit 2", "the command ended with exit code 2"],
    [10, "echo down; exit 3", "the command ended with exit code 3: down"],
    [1, "yes", "the command took more than 1 s, or was killed"],
    [1, "echo down; sleep 20 2>/dev/null &", "the command left something running"],
  ])("leaves the state when it is another, or none in %i s: %s", async (limit, script, message) => {
    const args = ["--fall", "1", "--timeout", `${limit}`, "@web", "sh", "-c", script];
    const { exitCode, stderr } = await world.run(args);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`hapgent-follow @web: the state stays: ${message}`);
    expect(await state()).toEqual({ status: "UP" });
  });
});

test("--rise and --fall count how often in a row, in all runs; a failure begins a new row", async () => {
  const run = async (...words: string[]) => {
    const seen: string[] = [];
    for (const word of words) {
      writeFileSync(`${world.path}/says`, word);
      await world.run(["--rise", "2", "--fall", "3", "@web", "cat", "says"]);
      const { status, weight } = await state();
      seen.push(`${status}${weight ?? ""}`);
    }
    return seen;
  };
  expect(await run("down", "down", "up", "down", "drain")).toEqual(Array(5).fill("UP"));
  expect(await run("down", "up 50%", "up 60%")).toEqual(["DOWN", "DOWN", "UP60"]);
  expect(await run("down", "down", "nonsense", "down", "down")).toEqual(Array(5).fill("UP60"));
  // Another command counts for itself.
  await world.run(["--fall", "3", "@web", "echo", "down"]);
  expect((await state()).status).toBe("UP");
  expect(await run("down")).toEqual(["DOWN60"]);
});

test.each([
  ["what a person has set stays", ["it is MAINT", "it is MAINT"]],
  ["a deploy is under way", ["held by deploy (pid 7) for 3 s", "held by deploy (pid 7) for 13 s"]],
])("that %s is said once", async (_, reasons) => {
  const PATH = `${world.path}/stub:${world.path}:${process.env["PATH"]}`;
  mkdirSync(`${world.path}/stub`, { recursive: true });
  const said: string[] = [];
  for (const reason of reasons) {
    world.stub("stub/hapgent", `echo 'error: not followed: ${reason}'; exit 1`);
    const args = ["--fall", "1", "@web", "echo", `drain #${reasons[0]}`];
    said.push((await world.run(args, { PATH })).stdout);
  }
  expect(said).toEqual([`hapgent-follow @web: error: not followed: ${reasons[0]}\n`, ""]);
});

test("it says what it has set, and nothing when nothing changes; and it leaves no file behind", async () => {
  const run = async () => (await once("echo", "down #power")).stdout;
  expect(await run()).toBe("hapgent-follow @web: ok saved: ready down 100% #follow: power\n");
  const before = readdirSync(world.directory());
  expect(await run()).toBe("");
  expect(readdirSync(world.directory())).toEqual(before);
  await set({ status: "UP" });
  expect(await run()).toStartWith("hapgent-follow @web: ok saved: ");
});

test("busybox is enough", async () => {
  const PATH = `${world.path}/busybox`;
  mkdirSync(PATH);
  for (const applet of "sh timeout tr awk sed sha256sum cut mktemp mv rm printf echo".split(" ")) {
    symlinkSync(Bun.which("busybox") ?? "", `${PATH}/${applet}`);
  }
  symlinkSync(`${world.path}/hapgent`, `${PATH}/hapgent`);
  symlinkSync(`${SCRIPTS}/hapgent-follow`, `${PATH}/hapgent-follow`);
  const run = (...words: string[]) => world.run(words, { PATH });
  // Twice, when nothing is said of it.
  for (let i = 1; i <= 2; i += 1) {
    expect(await state()).toEqual({ status: "UP" });
    expect(await run("@web", "echo", 'drain 50% #a "b" \\ c')).toMatchObject({
      stderr: "",
      exitCode: 0,
    });
  }
  expect(await state()).toEqual({ status: "DRAIN", weight: 50, reason: 'follow: a "b" \\ c' });
  const { stderr } = await run("--timeout", "1", "sh", "-c", "while :; do :; done");
  expect(stderr).toContain("the state stays: the command took more than 1 s, or was killed\n");
});

test("without an agent it fails, and says why", async () => {
  const env = { HAPGENT_SOCKET: `${world.path}/none.sock` };
  const { exitCode, stderr } = await world.run(["--rise", "1", "true"], env);
  expect(exitCode).toBe(1);
  expect(stderr).toStartWith("hapgent-follow: the state stays: hapgent ctl: no answer from ");
});

test.each(["@web", "--rise two true", "--timeout 0 true"])("%j shows the usage", async (line) => {
  const { exitCode, stderr } = await world.run(line.split(" "));
  expect({ exitCode, usage: stderr.slice(0, 23) }).toEqual({
    exitCode: 2,
    usage: "usage: hapgent-follow [",
  });
});
