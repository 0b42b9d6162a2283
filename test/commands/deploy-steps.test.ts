// A deploy fails before it changes anything, or it finishes, or its last line says what state the
// server is in and what goes on from there. It never undoes what somebody else has set.
import { describe, expect, test } from "bun:test";
import type { Conversation } from "../../src/commands/conversation.ts";
import type { Setting } from "../../src/commands/deploy-agent.ts";
import type { Plan } from "../../src/commands/deploy-plan.ts";
import { deploy } from "../../src/commands/deploy-steps.ts";
import { Interruption, type World } from "../../src/commands/deploy-world.ts";
import type { Status } from "../../src/state/state.ts";
import { ScriptedAgent } from "./scripted-agent.ts";

const PLAN: Plan = {
  service: undefined,
  instance: undefined,
  reason: "v42",
  command: ["restart", "web"],
  status: "DRAIN",
  wait: 30,
  pollers: undefined,
  forgetSilent: undefined,
  drain: undefined,
  url: undefined,
  until: undefined,
  answer: 60,
  settle: 5,
  fromAny: false,
  up: false,
  young: false,
};

const OUT: Setting = { status: "DRAIN", reason: "v42 [77]" };
const FAILED: Setting = { status: "DRAIN", reason: "failed: v42 [77]" };
const BACK: Setting = { status: "READY", reason: "v42 [77]" };

/** A world in which time passes only while somebody waits. */
class FakeWorld implements World {
  readonly pid = 77;
  readonly said: string[] = [];
  /** How the command fails, and what happens while it runs. */
  failure: string | undefined;
  onRun: () => void = () => undefined;
  hasRun = false;
  obstacle: string | undefined;
  /** What the service says to the next probes; then it answers. */
  readonly silences: string[] = [];
  /** The connections to the port, from one look to the next; the last stays. */
  peers: string[][] = [[]];
  isListening = true;
  #time = 0;
  #interruptions = 0;

  constructor(readonly agent: ScriptedAgent) {}

  interrupt(): void {
    this.#interruptions += 1;
  }

  resume(): void {
    this.#interruptions = 0;
  }

  async send(line: string): Promise<Conversation> {
    const conversation = await this.agent.send(line);
    this.#look();
    return conversation;
  }

  sleep(ms: number): Promise<void> {
    this.#time += ms;
    return Promise.try(() => this.#look());
  }

  now(): number {
    return this.#time;
  }

  findObstacle(): string | undefined {
    return this.obstacle;
  }

  run(): Promise<string | undefined> {
    this.hasRun = true;
    this.onRun();
    return Promise.try(() => {
      this.#look();
      return this.failure;
    });
  }

  probe(): Promise<string | undefined> {
    return Promise.resolve(this.silences.shift());
  }

  usePort() {
    const [first = [], ...rest] = this.peers;
    if (rest.length > 0) this.peers = rest;
    return Promise.resolve({ isListening: this.isListening, peers: first });
  }

  say(text: string): void {
    this.said.push(text);
  }

  #look(): void {
    if (this.#interruptions > 0) throw new Interruption("interrupted");
  }
}

function start(state?: Setting) {
  const agent = new ScriptedAgent(state);
  const world = new FakeWorld(agent);
  return { agent, world, run: (plan: Partial<Plan> = {}) => deploy({ ...PLAN, ...plan }, world) };
}

function setting(status: Status, reason?: string): Setting {
  return { status, reason };
}

/** What the agent was told to do, without what only asks. */
function changes(agent: ScriptedAgent): string[] {
  return agent.heard.filter((line) => / ?(change|wait|hold) /.test(` ${line}`));
}

describe("a deploy that finishes", () => {
  test("takes the server out, runs the command and puts it back, one step after another", async () => {
    const { agent, world, run } = start();
    expect(await run()).toEqual({
      code: 0,
      line: "done in 5.0 s; the agent says UP; every load balancer knows that the server is back",
    });
    expect(changes(agent)).toEqual([
      "hold hapgent deploy (pid 77, v42)",
      "wait 30",
      "change UP to DRAIN v42 [77]",
      "wait 30",
      "change DRAIN v42 [77] to READY v42 [77]",
      "wait 30",
      "change READY v42 [77] to UP",
    ]);
    expect({ hasRun: world.hasRun, isHeld: agent.isHeld }).toEqual({ hasRun: true, isHeld: true });
  });

  test.each([
    ["exact", setting("READY"), ["change DRAIN v42 [77] to READY", "wait 30"]],
    ["exact", setting("READY", "all well"), ["change DRAIN v42 [77] to READY all well", "wait 30"]],
    ["full", setting("UP"), ["change DRAIN v42 [77] to UP", "wait 30"]],
    ["full", setting("UP", "all well"), ["change DRAIN v42 [77] to UP all well", "wait 30"]],
  ] as const)("with %s replies goes back to %j in one step", async (reply, state, steps) => {
    const { agent, run } = start(state);
    agent.reply = reply;
    expect((await run()).code).toBe(0);
    expect(changes(agent).slice(4)).toEqual([...steps]);
    expect(agent.get()).toEqual(state);
  });

  test("speaks of one service, and with MAINT where it is told so", async () => {
    const { agent, run } = start();
    agent.set(setting("UP"), "file", "web");
    expect((await run({ service: "web", status: "MAINT" })).code).toBe(0);
    expect(changes(agent).filter((line) => !line.startsWith("@web "))).toEqual([]);
    expect(changes(agent)[2]).toBe("@web change UP to MAINT v42 [77]");
    expect(agent.get()).toEqual(setting("UP"));
  });

  test.each(["DOWN", "MAINT", "DRAIN"] as const)(
    "from %s, when it may, changes only the reason: the server never gets more traffic",
    async (status) => {
      const { agent, run } = start(setting(status, "bad disk"));
      const { code, line } = await run({ fromAny: true });
      expect(code).toBe(0);
      expect(line).toEndWith("every load balancer knows that the server is out");
      expect(changes(agent).filter((line) => line.startsWith("change"))).toEqual([
        `change ${status} bad disk to ${status} v42 [77]`,
        `change ${status} v42 [77] to ${status} bad disk`,
      ]);
    },
  );

  test.each([
    ["exact", "DRAIN", ["DRAIN", "READY", "UP"]],
    ["exact", "MAINT", ["MAINT", "READY", "UP"]],
    ["exact", "DOWN", ["DOWN", "UP"]],
    ["full", "DRAIN", ["DRAIN", "UP"]],
  ] as const)("with %s replies ends at UP from %s with --up", async (reply, status, sets) => {
    const { agent, run } = start(setting(status, "failed: v41 [66]"));
    agent.reply = reply;
    expect((await run({ fromAny: true, up: true })).code).toBe(0);
    const set = agent.heard.flatMap((line) => /^change .* to (\w+)/.exec(line)?.[1] ?? []);
    expect({ set, state: agent.get() }).toEqual({ set: [...sets], state: setting("UP") });
  });

  test("goes back to where it began, also with --up, when nothing was deployed", async () => {
    const failed = setting("DRAIN", "failed: v41 [66]");
    const { agent, run } = start(failed);
    agent.waits.push("ok", "error: after 30 s: 10.0.0.12 does not know");
    const { code, line } = await run({ fromAny: true, up: true });
    expect({ code, state: agent.get() }).toEqual({ code: 1, state: failed });
    expect(line).not.toContain("hapgent ctl");
  });

  test("takes back the drain where somebody has set UP meanwhile: load balancers keep it", async () => {
    const { agent, world, run } = start();
    world.onRun = () => agent.set(setting("UP"), "SIGUSR1");
    const { code, line } = await run();
    expect(code).toBe(0);
    expect(line).toEndWith("every load balancer knows that the server is back");
    expect(changes(agent).slice(4)).toEqual([
      "change UP to READY v42 [77]",
      "wait 30",
      "change READY v42 [77] to UP",
    ]);
  });

  test("says so when no load balancer asks, which the plan allows", async () => {
    const { agent, run } = start();
    agent.odd.set(/^wait 30 0$/, "ok after 10 s: UP; no load balancer has asked");
    expect((await run({ pollers: 0 })).line).toEndWith("the agent says UP; no load balancer asks");
  });

  test("asks the service until it answers", async () => {
    const { world, run } = start();
    world.silences.push("HTTP 503", "HTTP 503");
    expect((await run({ url: "http://127.0.0.1/" })).code).toBe(0);
    expect(world.silences).toEqual([]);
  });
});

describe("a deploy changes nothing", () => {
  test.each([
    [setting("MAINT", "bad disk"), /^nothing was changed: the server is MAINT "bad disk" since /],
    [setting("DRAIN", "failed: v41 [66]"), /to deploy again: --from-any --up$/],
    [setting("MAINT", "v41 [66]"), /to deploy again: --from-any --up$/],
    [setting("DOWN"), /the server is DOWN since \d\d:00:00 \(start\); .* --from-any$/],
  ] as const)("when it is %j", async (state, line) => {
    const { agent, world, run } = start(state);
    expect(await run()).toEqual({ code: 3, line: expect.stringMatching(line) });
    expect({ state: agent.get(), hasRun: world.hasRun }).toEqual({ state, hasRun: false });
  });

  test("of a service while the host is DOWN", async () => {
    const { agent, run } = start(setting("DOWN"));
    agent.set(setting("UP"), "file", "web");
    const { code, line } = await run({ service: "web" });
    expect({ code, line }).toEqual({ code: 3, line: expect.stringContaining("the host is DOWN") });
    expect(agent.get("web")).toEqual(setting("UP"));
  });

  test.each([
    [/hold/, "error: held by carol since 14:02:11", "held by carol since 14:02:11", 3],
    [/hold/, "error: expected show state | set status, got", "upgrade it first", 3],
    [/hold/, 'error: no such command: "hold"', "upgrade it first", 3],
    [/show state/, 'error: no such service: "web"', 'no such service: "web"', 3],
    [/^wait/, "error: after 30 s: 1 of 2 does not know", "1 of 2 does not know", 3],
    [/^wait/, "ok served; lines slower than 10 s may not be known yet", "--pollers N", 3],
    [/^change/, "error: not saved: no space left", "", 1],
    [/show pollers/, '[{"address":"10.0.0.2","counts":true,"interval":120}]', "use --wait 150", 2],
  ] as const)("when %p is answered %j", async (pattern, answer, why, code) => {
    const { agent, world, run } = start();
    agent.odd.set(pattern, answer);
    const end = await run();
    expect(end).toEqual({ code, line: expect.stringContaining(why) });
    expect({ state: agent.get(), hasRun: world.hasRun }).toEqual({
      state: setting("UP"),
      hasRun: false,
    });
    // There is nothing to put back.
    expect(end.line).not.toContain("hapgent ctl");
  });

  test("when there is no agent, no command, or nothing at the port", async () => {
    const { agent, world, run } = start();
    agent.silence = "no answer from /run/hapgent.sock";
    expect(await run()).toEqual({
      code: 3,
      line: "nothing was changed: no answer from /run/hapgent.sock",
    });
    world.isListening = false;
    const drain = { seconds: 10, port: 8080 };
    expect(await run({ drain })).toEqual({
      code: 2,
      line: "nothing was changed: --port: nothing listens on port 8080",
    });
    world.obstacle = "no such command";
    expect(await run()).toEqual({ code: 2, line: "nothing was changed: no such command" });
  });

  test.each([{ young: true }, { pollers: 2 }])(
    "unless %j says that a young agent may be believed",
    async (plan) => {
      const { agent, run } = start();
      agent.odd.set(/^wait/, "ok served; lines slower than 10 s may not be known yet");
      expect((await run(plan)).code).toBe(0);
    },
  );

  test("when somebody was faster with the state", async () => {
    const { agent, run } = start();
    agent.onLine = (line) => {
      if (line.startsWith("change")) agent.set(setting("MAINT", "disk"), "socket");
    };
    const { code, line } = await run();
    expect(code).toBe(1);
    expect(line).toMatch(/^nothing was deployed: it is MAINT "disk" .*; .*stays so$/);
    expect(agent.get()).toEqual(setting("MAINT", "disk"));
  });
});

describe("a deploy goes back, undeployed,", () => {
  test("when a load balancer cannot be told", async () => {
    const { agent, world, run } = start();
    agent.waits.push("ok", "error: after 30 s: 10.0.0.12 does not know");
    expect(await run()).toEqual({
      code: 1,
      line:
        "nothing was deployed: after 30 s: 10.0.0.12 does not know; the agent says UP; " +
        "every load balancer knows that the server is back",
    });
    expect({ state: agent.get(), hasRun: world.hasRun }).toEqual({
      state: setting("UP"),
      hasRun: false,
    });
  });

  test("as far as that can be known, and says how to finish", async () => {
    const { agent, run } = start();
    const lost = "error: after 30 s: 10.0.0.12 does not know";
    agent.waits.push("ok", lost, lost);
    const { code, line } = await run({ instance: "two", pollers: 2 });
    expect({ code, state: agent.get() }).toEqual({ code: 1, state: BACK });
    expect(line).toEndWith(
      "the agent says READY; not every load balancer is known to know; to finish: " +
        "hapgent ctl --instance two wait 30 2 && " +
        "hapgent ctl --instance two change READY 'v42 [77]' to UP",
    );
  });

  test("when DRAIN could not be saved", async () => {
    const { agent, run } = start();
    agent.onLine = (line) => {
      if (line !== "change UP to DRAIN v42 [77]") return;
      agent.set(OUT, "socket");
      agent.odd.set(/^change UP/, "error: not saved: no space left; the reply is DRAIN");
    };
    const { code, line } = await run();
    expect({ code, state: agent.get() }).toEqual({ code: 1, state: setting("UP") });
    expect(line).toStartWith("nothing was deployed: not saved: no space left");
  });

  test("when the agent has restarted, and may not know every load balancer yet", async () => {
    const { agent, run } = start();
    agent.waits.push("ok", "ok; lines slower than 10 s may not be known yet");
    const { code } = await run();
    expect({ code, state: agent.get() }).toEqual({ code: 1, state: setting("UP") });
  });
});

describe("a deploy never undoes what somebody else has set", () => {
  test("before the command: that does not run", async () => {
    const { agent, world, run } = start();
    agent.onLine = (line) => {
      if (line.startsWith("wait") && agent.get().status === "DRAIN") {
        agent.set(setting("UP"), "SIGUSR1");
      }
    };
    const { code } = await run();
    expect({ code, hasRun: world.hasRun, state: agent.get() }).toEqual({
      code: 1,
      hasRun: false,
      state: setting("UP"),
    });
  });

  test.each([undefined, "exit code 3"])(
    "while the command runs, which ends with %p",
    async (failure) => {
      const { agent, world, run } = start();
      world.failure = failure;
      world.onRun = () => agent.set(setting("DOWN"), "SIGUSR2");
      const { code, line } = await run();
      expect({ code, state: agent.get() }).toEqual({ code: 1, state: setting("DOWN") });
      expect(line).toMatch(/it is DOWN since \d\d:00:00 \(SIGUSR2\), and stays so$/);
    },
  );

  test("at the very end: then the server is not back", async () => {
    const { agent, run } = start();
    agent.onLine = (line) => {
      if (line === "show state" && agent.get().status === "UP" && agent.heard.length > 8) {
        agent.set(setting("DOWN"), "SIGUSR2");
      }
    };
    const { code, line } = await run();
    expect(code).toBe(1);
    expect(line).toContain("it is DOWN");
  });

  test("and says so when the host went DOWN meanwhile", async () => {
    const { agent, world, run } = start();
    agent.set(setting("UP"), "file", "web");
    world.onRun = () => agent.set(setting("DOWN", "power"), "SIGUSR2");
    const { code, line } = await run({ service: "web" });
    expect({ code, web: agent.get("web") }).toEqual({ code: 1, web: setting("UP") });
    expect(line).toMatch(/but the host is DOWN "power" .*: the server is out$/);
  });
});

describe("a deploy that fails leaves the server out, and says what to type", () => {
  const next =
    "to put it back: hapgent ctl change DRAIN 'failed: v42 [77]' to READY 'v42 [77]' && " +
    "hapgent ctl wait 30 && hapgent ctl change READY 'v42 [77]' to UP";

  test("when the command fails", async () => {
    const { agent, world, run } = start();
    world.failure = "exit code 3";
    expect(await run()).toEqual({
      code: 1,
      line:
        "the command failed (exit code 3): restart web; the agent says DRAIN; " +
        `every load balancer knows that the server is out; ${next}`,
    });
    expect(agent.get()).toEqual(FAILED);
  });

  test("with full replies in one step", async () => {
    const { agent, world, run } = start();
    agent.reply = "full";
    world.failure = "SIGKILL";
    expect((await run()).line).toEndWith(
      "to put it back: hapgent ctl change DRAIN 'failed: v42 [77]' to UP",
    );
  });

  test("when the way back is not saved: who knows is not known", async () => {
    const { agent, run } = start();
    agent.onLine = (line) => {
      if (!line.startsWith("change DRAIN")) return;
      agent.set(BACK, "socket");
      agent.odd.set(/^change/, "error: not saved: no space left; the reply is READY");
    };
    const { code, line } = await run();
    expect(code).toBe(1);
    expect(line).toMatch(
      /^deployed, but not saved: no space left; .*; not every load balancer is known to know; to finish: /,
    );
  });

  test("when the service does not answer in time", async () => {
    const { agent, world, run } = start();
    world.silences.push(...Array<string>(100).fill("HTTP 503"));
    const { code, line } = await run({ until: "ping", answer: 3 });
    expect({ code, state: agent.get() }).toEqual({ code: 1, state: OUT });
    expect(line).toStartWith("the service does not answer within 3 s: HTTP 503; the agent says");
  });

  test("when the agent has gone for good", async () => {
    const { agent, world, run } = start();
    world.onRun = () => {
      agent.restart();
      agent.silence = "no answer";
    };
    const { code, line } = await run();
    expect(code).toBe(1);
    expect(line).toMatch(
      /^deployed, but no answer; its state is not known; .*to put it back: hapgent/,
    );
  });
});

describe("when the agent restarts in the middle, a deploy", () => {
  test("takes hold of the service again and goes on", async () => {
    const { agent, world, run } = start();
    world.onRun = () => agent.restart();
    expect((await run()).code).toBe(0);
    expect(agent.heard.filter((line) => line.startsWith("hold"))).toHaveLength(2);
    expect(agent.isHeld).toBeTrue();
  });

  test("ends when somebody else holds it by then", async () => {
    const { agent, world, run } = start();
    world.onRun = () => {
      agent.restart();
      agent.holder = "carol";
    };
    const { code, line } = await run();
    expect({ code, state: agent.get() }).toEqual({ code: 1, state: OUT });
    expect(line).toContain("another deploy is under way: held by carol since 14:02:11; its state");
  });

  test("gives up on one that ends again and again", async () => {
    const { agent, world, run } = start();
    world.onRun = () => {
      agent.onLine = (line) => {
        const isHold = line.startsWith("hold");
        if (!isHold) agent.restart();
        agent.silence = isHold ? undefined : "closed without an answer";
      };
    };
    const { code, line } = await run();
    expect({ code, state: agent.get() }).toEqual({ code: 1, state: OUT });
    expect(line).toStartWith("deployed, but closed without an answer; its state is not known;");
  });

  test("sees that a change whose answer was lost has been made", async () => {
    const { agent, run } = start();
    let isLost = false;
    agent.onLine = (line) => {
      if (!line.startsWith("change UP") || isLost) return;
      isLost = true;
      agent.set(OUT, "socket");
      agent.restart();
      agent.silence = "closed without an answer";
      agent.onLine = () => {
        agent.silence = undefined;
      };
    };
    expect((await run()).code).toBe(0);
  });
});

describe("an interrupted deploy says what it leaves behind:", () => {
  test.each([
    ["hold", "interrupted: nothing was changed"],
    ["change", "nothing was deployed: interrupted; the agent says DRAIN; not every load balancer"],
  ])("during %s", async (word, text) => {
    const { agent, world, run } = start();
    agent.onLine = (line) => {
      if (line.startsWith(word)) world.interrupt();
    };
    const { code, line } = await run();
    expect(code).toBe(1);
    expect(line).toStartWith(text);
    expect(world.hasRun).toBeFalse();
  });

  test("while the command runs", async () => {
    const { agent, world, run } = start();
    world.onRun = () => world.interrupt();
    const { code, line } = await run();
    expect({ code, state: agent.get() }).toEqual({ code: 1, state: OUT });
    expect(line).toStartWith("interrupted; the agent says DRAIN; every load balancer knows");
  });
});

describe("with --drain the command runs", () => {
  const drain = { seconds: 10, port: 8080 };

  test("once no connection is left", async () => {
    const { world, run } = start();
    world.peers = [[], ["10.0.0.1", "10.0.0.2"], ["10.0.0.1"], []];
    expect((await run({ drain })).code).toBe(0);
    expect(world.said).toContain("no connection to port 8080 after 0.5 s");
  });

  test("when the time is over, and says how many are left", async () => {
    const { world, run } = start();
    world.peers = [["10.0.0.1"]];
    expect((await run({ drain })).code).toBe(0);
    expect(world.said).toContain("1 connection to port 8080 left after 10 s");
  });
});

describe("with --forget-silent", () => {
  test("a load balancer that is gone does not stop the deploy", async () => {
    const { agent, run } = start();
    agent.silent = "ok forgotten: 1 poller silent for 5 s: 10.0.0.12";
    agent.waits.push("ok", "error: 10.0.0.12 does not know");
    expect((await run({ forgetSilent: 5 })).code).toBe(0);
    expect(agent.heard.filter((line) => line === "forget silent 5").length).toBeGreaterThan(3);
  });

  test("an interval of a stranger is nobody's", async () => {
    const { agent, run } = start();
    agent.pollers = [
      { address: "10.0.0.9", counts: false, interval: 600, why: "stranger" },
      // A person who has tried it twice.
      { address: "10.0.0.8", counts: true, interval: 60, why: "new" },
      { address: "10.0.0.1", counts: true, interval: null },
    ];
    expect((await run()).code).toBe(0);
  });

  test("one that asks as rarely is there", async () => {
    const { agent, run } = start();
    agent.pollers = [{ address: "10.0.0.1", counts: true, interval: 10, why: "named" }];
    expect(await run({ forgetSilent: 10 })).toEqual({
      code: 2,
      line: expect.stringMatching(/: --forget-silent 10 is too short: .*; use --forget-silent 13$/),
    });
  });

  test("one that is silent for less does", async () => {
    const { agent, run } = start();
    agent.waits.push("ok", "error: 10.0.0.12 does not know");
    expect((await run({ forgetSilent: 5 })).code).toBe(1);
  });
});
