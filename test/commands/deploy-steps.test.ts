// A deploy fails before it changes anything, or it finishes, or its last line says what state the
// server is in and what goes on from there. It never undoes what somebody else has set.
import { expect, test } from "bun:test";
import { NoAnswerError } from "../../src/commands/conversation.ts";
import { deploy } from "../../src/commands/deploy-steps.ts";
import { Interruption, type World } from "../../src/commands/deploy-world.ts";
import { plan } from "./captured.ts";
import { ScriptedAgent } from "./scripted-agent.ts";

/**
 * What happens, by its moment: `start`, `run`, `probe`, `port`, or the first word of what the agent
 * hears. Each item of a list is for one of them, and the last for all that follow. An item is a
 * state that somebody sets, a word of `HAPPENINGS`, `interrupt`, or what is answered.
 */
type Happens = Readonly<Record<string, string | readonly string[]>>;

const HAPPENINGS: Record<string, (agent: ScriptedAgent, line: string) => unknown> = {
  "-": () => undefined,
  full: (agent) => agent.start("full"),
  // With what it has, as after a start with other settings.
  exact(agent) {
    const state = agent.get();
    agent.start("exact");
    agent.set(state, "start");
  },
  fails(agent) {
    agent.set("UP", "SIGUSR");
    return "exit code 3";
  },
  web: (agent) => agent.set("UP", "file", "web"),
  restart: (agent) => agent.restart(),
  end(agent) {
    agent.restart();
    agent.onLine = () => silent();
  },
  // It is there again after 25 s.
  away(agent) {
    const { onLine } = agent;
    let tries = 100;
    agent.onLine = (line) => {
      tries -= 1;
      if (tries > 0) silent();
      agent.onLine = onLine;
      return onLine(line);
    };
    lose(agent);
  },
  late: lose,
  mute: silent,
  // It is there again each time, only to take hold of.
  flap(agent) {
    agent.onLine = (line) => {
      if (line.startsWith("hold")) return undefined;
      agent.restart();
      return silent();
    };
  },
  unsaved,
  lost(agent, line) {
    unsaved(agent, line);
    lose(agent);
  },
};

function unsaved(agent: ScriptedAgent, line: string): string {
  agent.set(line.replace(/^change .* to /, ""), "socket");
  return UNSAVED;
}

function lose(agent: ScriptedAgent): never {
  agent.restart();
  return silent();
}

function silent(): never {
  throw new NoAnswerError("no answer");
}

/**
 * Plays `hapgent deploy OPTIONS v42 restart web` to its end, in a world in which time passes only
 * while somebody waits.
 */
async function play(options: string, happens: Happens = {}) {
  const agent = new ScriptedAgent();
  const said: string[] = [];
  let time = 0;
  let isInterrupted = false;
  let isHeld: boolean | undefined;
  const left = new Map(Object.entries(happens).map(([word, items]) => [word, [items].flat()]));
  const act = (moment: string): string | undefined => {
    const [word = ""] = moment.replace(/^@\S+ /, "").split(" ");
    const items = left.get(word) ?? ["-"];
    const [item = "-"] = items.length > 1 ? items.splice(0, 1) : items;
    isInterrupted ||= item === "interrupt";
    // It was there for so long.
    if (item === "late") time += 20_000;
    const happen = HAPPENINGS[isInterrupted ? "-" : item];
    const isState = /^[A-Z]+\b/.test(item) && !item.startsWith("HTTP");
    if (isState) agent.set(item, "SIGUSR");
    else if (!happen) return item;
    const answer = happen?.(agent, moment);
    return typeof answer === "string" ? answer : undefined;
  };
  const look = <T>(value: T): T => {
    if (isInterrupted) throw new Interruption("interrupted");
    return value;
  };
  const world: World = {
    pid: 77,
    now: () => time,
    send: async (line) => look(await agent.send(line)),
    async sleep(ms) {
      time += ms;
      // The command, which may run meanwhile, has its turn.
      await Bun.sleep(0);
      look(undefined);
    },
    findObstacle: () => act("obstacle"),
    async run() {
      said.push("runs");
      const failed = act("run");
      await Bun.sleep(0);
      isHeld = agent.isHeld;
      return look(failed);
    },
    probe: async () => act("probe"),
    whose: " from HAPGENT_POLLERS",
    async usePort() {
      const peers = (act("port") ?? "").split(" ").filter(Boolean);
      return { isListening: peers[0] !== "none", peers };
    },
    say: (text) => void said.push(text),
    resume() {
      isInterrupted = false;
    },
  };
  agent.onLine = act;
  for (const _ of [happens["start"] ?? []].flat()) act("start");
  const args = `${options} v42 restart web`.trim().split(" ");
  const { code, line } = await deploy(plan(args), world);
  // What the agent was told to do, without what only asks.
  const changes = agent.heard.filter((each) => /^(@\S+ )?(change|wait|hold) /.test(each));
  const ending = `${code} ${agent.get()}`;
  return { agent, changes, said, line, ending, isHeld, seconds: time / 1000 };
}

type Row = [options: string, happens: Happens, ending: string, line: RegExp];

/** Plays a row, and looks at exit code, state and last line, and whether the command has run. */
function endsSo(hasRun: boolean) {
  return async (...[options, happens, ending, text]: Row) => {
    const played = await play(options, happens);
    expect(played.line).toMatch(text);
    const wasRun = played.said.includes("runs");
    expect({ ending: played.ending, hasRun: wasRun }).toEqual({ ending, hasRun });
  };
}

const LOST = "error: after 30 s: 10.0.0.12 does not know";
const YOUNG = "ok served; lines slower than 10 s may not be known yet";
/** What a stranger has sent reads like the agent's own words. */
const FORGED =
  'ok served to 1 poller after 2.6 s: UP; 10.0.0.1 "; no load balancer has asked"; not counted: 10.0.0.9 "may not be known yet", asks every 2 s';
const UNSAVED = "error: not saved: no space left";
const OUT = "DRAIN v42 [77]";
const FAILED = "DRAIN failed: v41 [66]";
/** A stranger, one that has asked once, and a person who has asked twice. */
const OTHERS = JSON.stringify([
  { address: "a", counts: false, interval: 600 },
  { address: "b", counts: true, interval: null },
  { address: "c", counts: true, interval: 600, why: "new" },
]);
const SLOW = JSON.stringify([
  { address: "10.0.0.1", counts: true, interval: 2 },
  { address: "10.0.0.2", counts: true, interval: 120 },
]);
const FORMS = "error: `wait SECONDS 0`, `wait SECONDS COUNT`, `wait 270`. If";
const GONE = "ok forgotten: 1 poller silent for 5 s: 10.0.0.12";

test("a deploy takes the server out, runs the command and puts it back, step by step", async () => {
  const { agent, said, ending, line } = await play("");
  const known = "every load balancer knows that the server is back";
  expect([ending, line]).toEqual(["0 UP", `done in 5.0 s; the agent says UP; ${known}`]);
  const waits = "waiting for every load balancer, for up to 30 s";
  const served = "served to all of 2 pollers after 2.6 s";
  expect(said).toEqual([
    `${served}: UP`,
    'set DRAIN "v42 [77]"',
    waits,
    `${served}: DRAIN`,
    "running restart web",
    "runs",
    "it has ended after 0.0 s",
    "settling for 5 s",
    'set READY "v42 [77]"',
    waits,
    `${served}: READY`,
    "set UP",
    waits,
    `${served}: UP`,
  ]);
  expect(agent.heard).toContain("hold hapgent deploy (pid 77, v42)");
  expect(agent.isHeld).toBeTrue();
});

test.each<[string, Happens, string[]]>([
  // READY takes back a drain, and UP a down; HAProxy may keep either of earlier replies.
  ["", { start: "READY all well" }, ["READY all well", OUT, "UP v42 [77]", "READY all well"]],
  // A file may hold a reason with blanks around it, a line of the socket holds none.
  ["", { start: ["full", "UP  all  well "] }, ["UP all  well", OUT, "UP all  well"]],
  // The server never gets more traffic.
  ["--from-any", { start: "DRAIN bad" }, ["DRAIN bad", OUT, "DRAIN bad"]],
  ["--from-any --status MAINT", { start: "DRAIN" }, ["DRAIN", "MAINT v42 [77]", "DRAIN"]],
  ["--from-any --up", { start: "DOWN" }, ["DOWN", "DOWN v42 [77]", "READY v42 [77]", "UP"]],
  ["", { start: "full", run: "exact" }, ["UP", OUT, "READY v42 [77]", "UP"]],
])("with %j and %j it goes by %j", async (options, happens, states) => {
  const { changes, ending, line } = await play(options, happens);
  const set = changes.flatMap((each) => /^change (.*) to (.*)$/.exec(each)?.slice(1) ?? []);
  expect(set.filter((each, i) => each !== set[i - 1])).toEqual(states);
  expect(changes.at(-1)).toBe("wait 30");
  expect(ending).toBe(`0 ${states.at(-1)}`);
  const isBack = ["UP", "READY"].some((word) => states.at(-1)?.startsWith(word));
  expect(line).toEndWith(`knows that the server is ${isBack ? "back" : "out"}`);
});

// Else a second deploy would not be refused, while the first one's command runs.
test("it takes hold again at once when the agent restarts while its command runs", async () => {
  const { isHeld, ending } = await play("", { run: "restart" });
  expect({ isHeld, ending }).toEqual({ isHeld: true, ending: "0 UP" });
});

test("of one service nothing else is set", async () => {
  const { changes, ending, agent } = await play("@web", { start: "web" });
  expect([ending, agent.get("web")]).toEqual(["0 UP", "UP"]);
  expect(changes.filter((each) => !each.startsWith("@web "))).toEqual([]);
});

test.each<[string, Happens, RegExp]>([
  ["--pollers 0", { wait: "ok after 10 s; no load balancer has asked" }, /no load balancer asks$/],
  ["--url http://127.0.0.1/", { probe: ["HTTP 503", "HTTP 503", "-"] }, /answers after 1\.0 s$/m],
  [
    "--drain 10 --port 80",
    { port: ["-", "a b", "a", "-"] },
    /^no connections from HAPGENT_POLLERS to port 80 after 0\.5 s/m,
  ],
  ["--drain 10 --port 80", { port: "a" }, /^1 connection from .* to port 80 left after 10 s$/m],
  // The service that a deploy has to repair does not run.
  [
    "--from-any --up --drain 1 --port 80",
    { start: FAILED, port: ["none", "-"] },
    /^no conn.* is back$/ms,
  ],
  ["--forget-silent 5", { forget: ["-", "-", GONE, "-"], wait: ["-", LOST, "-"] }, /is back$/],
  ["--young", { wait: YOUNG }, /is back$/],
  ["--pollers 2", { wait: YOUNG }, /is back$/],
  ["", { wait: FORGED }, /^done in 5\.0 s; .* knows that the server is back$/m],
  // The agent has restarted, and has to learn who its load balancers are.
  [
    "",
    { wait: ["-", "-", YOUNG, "-"] },
    /^the agent has restarted: it has 60 s[\s\S]*^done in 65 s.*is back$/m,
  ],
  // It knows one that asks every 120 s for good only from its third check on, nor says so for so long.
  ...["", "--pollers 1"].map((option): [string, Happens, RegExp] => [
    `--wait 270 ${option}`.trim(),
    { show: ["-", SLOW, "-"], change: ["restart", "-"] },
    /^the agent has restarted: it has 390 s[\s\S]*^done in 395 s.*is back$/m,
  ]),
  ["--wait 10", { show: ["-", OTHERS, "-"] }, /is back$/],
  // It sees that a change whose answer was lost has been made.
  ["", { change: ["lost", "-"] }, /is back$/],
  // Each time it has 30 s.
  ["", { change: ["away", "-"], wait: ["-", "away", "-"] }, /is back$/],
  ["", { wait: ["-", "away", "late", "-"] }, /is back$/],
])("with %j it finishes in spite of %j", async (options, happens, text) => {
  const { said, line, ending, agent } = await play(options, happens);
  expect([...said, line].join("\n")).toMatch(text);
  expect({ ending, isHeld: agent.isHeld }).toEqual({ ending: "0 UP", isHeld: true });
});

test.each<Row>([
  // It may have been out before, for a reason that still holds.
  ["", { start: FAILED }, `3 ${FAILED}`, /nevertheless: --from-any, and --up to end at UP$/],
  ["", { start: "DOWN bad" }, "3 DOWN bad", /is DOWN "bad" since 2026-.*:00 \(SIGUSR\); .*-any, /],
  // The host is no deploy's of one service.
  [
    "@web",
    { start: ["web", FAILED] },
    `3 ${FAILED}`,
    /^nothing was changed: the host is .*; .* nevertheless: --from-any$/,
  ],
  ["@web", {}, "3 UP", /^nothing was changed: no such service: "web"$/],
  ["", { hold: "error: held by carol" }, "3 UP", /another deploy is under way: held by carol$/],
  ["", { hold: "error: expected show state, got" }, "3 UP", /upgrade it first/],
  ["", { wait: FORMS }, "3 UP", /: `--pollers 0`, `--pollers N`, `--wait 270`\. If$/],
  ["", { wait: YOUNG }, "3 UP", /say how many there are \(--pollers N\), or --young$/],
  ["", { show: ["-", SLOW] }, "2 UP", /: 10\.0\.0\.2 asks every 120 s; use --wait 270$/],
  ["--wait 270 --forget-silent 60", { show: ["-", SLOW] }, "2 UP", /; use --forget-silent 270$/],
  ["", { obstacle: "no such command" }, "2 UP", /^nothing was changed: no such command$/],
  ["--drain 1 --port 80", { port: "none" }, "2 UP", /: nothing listens on port 80$/],
  ["", { hold: "interrupt" }, "1 UP", /^interrupted: nothing was changed$/],
])("with %j where %j it changes nothing: %s", endsSo(false));

const UNDONE = /^nothing was deployed: .* does not know; the agent says UP; every .* is back$/;
const FINISH =
  /says READY; not every load balancer is known to know; to finish: hapgent ctl --instance two wait 30 2 && hapgent ctl --instance two change 'READY v42 \[77\]' to UP$/;

test.each<Row>([
  // There is nothing to put back.
  ["", { change: UNSAVED }, "1 UP", /deployed: not saved: no space left; .* says UP; not/],
  ["", { change: "DOWN x" }, "1 DOWN x", /^nothing was deployed: it is DOWN "x" .*so$/],
  ["", { wait: ["-", "UP"] }, "1 UP", /^nothing was deployed: it is UP since /],
  ["", { wait: ["-", LOST, "-"] }, "1 UP", UNDONE],
  [
    "",
    { wait: ["-", FORMS, "-"] },
    "1 UP",
    /: `--pollers 0`, `--pollers N`, `--wait 270`\. If; the/,
  ],
  // The agent has not restarted: nothing is sent to it again.
  ["", { wait: ["-", "mute", "-"] }, "1 UP", /^nothing was deployed: no answer; .* is back$/],
  ["--from-any --up", { start: FAILED, wait: ["-", LOST, "-"] }, `1 ${FAILED}`, /is out$/],
  ["--instance two --pollers 2", { wait: ["-", LOST] }, "1 READY v42 [77]", FINISH],
  ["", { change: ["unsaved", "-"] }, "1 UP", /^nothing was deployed: not saved: no space/],
  // The agent restarts again and again.
  ["", { wait: ["-", YOUNG, YOUNG, "-"] }, "1 UP", /--pollers N/],
  ["", { change: "interrupt" }, `1 ${OUT}`, /^nothing was deployed: interrupted; the/],
])("with %j where %j it runs no command, and goes back as far as it can: %s", endsSo(false));

const UNTOLD =
  /^deployed, but not saved: .*; not every load balancer is known to know; to finish: /;
const GONE_FOR_GOOD =
  /^deployed, but no answer; its state is not known; not .*; to put it back: hapgent ctl change 'DRAIN/;
const AT_ONCE = /; to put it back: hapgent ctl change 'DRAIN failed: v42 \[77\]' to UP$/;
const STAYS_OUT =
  /says UP; not every load balancer is known to know; to put it back: hapgent ctl change UP to 'READY v42 \[77\]' && hapgent ctl wait 30 && hapgent ctl change 'READY v42 \[77\]' to UP$/;
const TYPED =
  /^the command failed \(exit code 3\): restart web; the agent says DRAIN; every .* is out; to put it back: hapgent ctl change 'DRAIN failed: v42 \[77\]' to 'READY v42 \[77\]' && hapgent ctl wait 30 && hapgent ctl change 'READY v42 \[77\]' to UP$/;

test.each<Row>([
  ["", { run: "exit code 3" }, "1 DRAIN failed: v42 [77]", TYPED],
  // HAProxy keeps the drain until READY.
  ["", { run: "fails" }, "1 UP", STAYS_OUT],
  ["", { start: "full", run: "fails" }, "1 UP", /ready up 100%; not every .* known to know$/],
  // Load balancers keep DRAIN; but traffic may have come.
  ["", { run: "UP" }, "1 UP", /^deployed, but it was set to UP since .* before the .* know/],
  ["", { start: "full", run: "UP" }, "1 UP", /^deployed, but it was set to UP since .* is back$/],
  // What somebody else has set stays, and its last line says so.
  [
    "",
    { run: "DOWN" },
    "1 DOWN",
    /since 2026-11-.*:00:00 \(SIGUSR\), and stays so \(HAP.* DRAIN until READY\)$/,
  ],
  ["", { start: "full", run: "UP fine" }, "1 UP fine", /is UP "fine" since .*, and stays so$/],
  ["", { run: "UP fine" }, "1 UP fine", / stays so \(HAProxy keeps the DRAIN until READY\)$/],
  ["", { change: ["-", "DOWN"] }, "1 DOWN", / stays so \(HAProxy keeps the DRAIN until READY\)$/],
  // There is nothing to put back.
  [
    "--from-any",
    { start: "DOWN", run: "signal 9", change: ["-", "DOWN"] },
    "1 DOWN",
    /known to know$/,
  ],
  ["", { run: "MAINT bad" }, "1 MAINT bad", /it is MAINT "bad" since .*, and stays so$/],
  ["@web", { start: "web", run: "DOWN x" }, "1 DOWN x", /is out; the host is DOWN "x" .*out$/],
  // It ends well only where the host's state was seen, too.
  [
    "@web",
    { start: "web", run: "DOWN x", show: [...Array<string>(6).fill("-"), "error: 16 clients"] },
    "1 DOWN x",
    /^done in 5\.0 s; its state is not known; not every load balancer is known to know$/,
  ],
  ["--from-any @web", { start: "web", run: "DOWN x" }, "1 DOWN x", /is out; the host is DOWN "x" /],
  ["--from-any @web", { start: ["web", "DOWN x"] }, "0 DOWN x", /is out; the host is DOWN "x" /],
  [
    "",
    { run: "restart", hold: ["-", "error: held by carol"] },
    `1 ${OUT}`,
    /by carol; its state is not known; not/,
  ],
  ["--url http://a/ --answer 3", { probe: "HTTP 503" }, `1 ${OUT}`, /^the .* within 3 s: HTTP 5/],
  ["", { change: ["-", "unsaved"] }, "1 READY v42 [77]", UNTOLD],
  ["", { start: "full", change: ["-", "unsaved"] }, "1 UP", /; to save it: .* change UP to UP$/],
  ["", { start: "full", run: "signal 9" }, "1 DRAIN failed: v42 [77]", AT_ONCE],
  // What is to be typed is no option, whatever the reason.
  [
    "-- --x",
    { run: "interrupt" },
    "1 DRAIN --x [77]",
    /: hapgent ctl change 'DRAIN --x \[77\]' to/,
  ],
  ["", { run: "flap" }, `1 ${OUT}`, GONE_FOR_GOOD],
])("with %j and %j it ends after its command: %s", endsSo(true));

test.each<[Happens, number, RegExp]>([
  [{ hold: "mute" }, 0, /^nothing was changed: no answer$/],
  [{ run: "end" }, 30, GONE_FOR_GOOD],
])(
  "with %j an agent that is gone is waited for once, and not at the start",
  async (happens, least, text) => {
    const { line, seconds } = await play("", happens);
    expect(line).toMatch(text);
    expect(seconds).toBeWithin(least, least + 10);
  },
);
