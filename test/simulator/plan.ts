import type { Status } from "../../src/state/state.ts";
import { Random } from "./random.ts";

/** From when to when (ms). */
export type Window = readonly [from: number, to: number];

/** A server line of a load balancer that asks the agent. Times in ms. */
export interface LinePlan {
  readonly sent: string;
  readonly interval: number;
  readonly timeout: number;
  /** Within which time it asks first, where that is not its interval. */
  readonly within?: number;
  /** When it does not ask: `disable agent`. */
  readonly off?: readonly Window[];
}

/** A load balancer. */
export interface BalancerPlan {
  readonly address: string;
  readonly lines: readonly LinePlan[];
  /** The time of a round trip (ms). */
  readonly trip: number;
  /** How many packets are lost, from 0 to 1, up to the end of all disturbances. */
  readonly loss?: number;
  /** When nothing comes through, in either direction. */
  readonly cuts?: readonly Window[];
  /** When nothing of what the agent sends comes through. */
  readonly deaf?: readonly Window[];
  /** How many of its clean ends are resets, up to the end of all disturbances. */
  readonly resets?: number;
  /** When it is restarted, and has forgotten everything. */
  readonly restarts?: readonly number[];
  /** When it is switched on, and off for good: it routes nothing then. */
  readonly from?: number;
  readonly until?: number;
}

/** Somebody else who connects. */
export interface StrangerPlan {
  readonly address: string;
  /** Undefined: the reply is written before it is read. */
  readonly sent: string | undefined;
  readonly at: number;
  readonly end: "served" | "unread";
  /** How long the connection is open (ms). */
  readonly open: number;
  /** How often it comes again (ms): a monitor, which asks for ever. */
  readonly every?: number;
}

/** What is done to the agent; without a name it is about the host, or all. */
type Deed = Readonly<
  | { do: "set"; name?: string | undefined; status: Status; by?: string; weight?: number }
  | { do: "wait"; name?: string | undefined; seconds: number; count?: number | undefined }
  | { do: "restart"; down: number }
  /** A stop with a stop status, and a start. */
  | { do: "stop"; grace: number; down: number }
  | { do: "remove"; name: string }
  | { do: "forget"; address: string }
  | { do: "forget silent"; seconds: number }
>;

export type TimedDeed = Deed & { readonly at: number };

/** A world, as it is planned. */
export interface Plan {
  readonly balancers: readonly BalancerPlan[];
  readonly strangers?: readonly StrangerPlan[];
  readonly deeds: readonly TimedDeed[];
  /** The end of all disturbances (ms). */
  readonly end: number;
  readonly services?: readonly string[];
  /** HAPGENT_POLLERS, HAPGENT_FORGET (s). */
  readonly named?: string | undefined;
  readonly forget?: number | undefined;
  /** How long the agent has run when the world begins (ms): a young one is careful. */
  readonly age?: number;
}

const STATUSES: readonly [Status, ...Status[]] = ["DRAIN", "UP", "READY", "MAINT", "DOWN"];

/** Intervals of lines that have an agent-send of their own (ms). */
const INTERVALS = [250, 1000, 2000, 2000, 2000, 2000, 2000, 2000, 5000, 10_000, 20_000] as const;

/** Makes the plan of the world of a seed. */
export function planWorld(seed: number): Plan {
  const random = new Random(seed);
  const end = random.pick([20, 30, 40, 40, 60, 60, 90, 120]) * 1000;
  const services = random.chance(0.3) ? ["web", "api"] : [];
  const balancers = planBalancers(random, end, services);
  const named = planNames(random, balancers);
  const strangers = planStrangers(random, end, balancers);
  const forget = random.chance(0.05) ? random.pick([30, 300]) : undefined;
  const deeds = planDeeds(random, end, services, balancers, strangers.length > 0);
  const age = random.pick([0, 3_600_000]);
  return { balancers, strangers, deeds, end, services, age, named, forget };
}

function planBalancers(
  random: Random,
  end: number,
  services: readonly string[],
): readonly BalancerPlan[] {
  // Behind one address look all alike, at the default interval, and fail together.
  if (random.chance(0.15)) {
    const sent = services[0] ?? "web";
    const cuts = planCuts(random, end);
    const trip = random.pick([1, 30, 80]);
    const lines = [{ sent, interval: 2000, timeout: 2000 }];
    return random.some([2, 3, 8], () => ({ address: "10.0.9.1", lines, trip, cuts }));
  }
  return random.some([1, 1, 2, 2, 3, 4], (i) => planBalancer(random, i, end, services));
}

function planBalancer(
  random: Random,
  i: number,
  end: number,
  services: readonly string[],
): BalancerPlan {
  const trip = random.pick([1, 1, 1, 30, 80]);
  const sents = services.length > 0 ? services : random.pick([["web"], ["web"], [""], ["a", "b"]]);
  const lines = sents.slice(0, random.pick([1, 2])).map((sent) => {
    const interval = random.pick(INTERVALS);
    const timeout = random.chance(0.2) ? Math.min(interval, 2 * trip + 150) : interval;
    const off = random.chance(0.1) ? [planWindow(random, end, [30, 80, 900])] : [];
    return { sent, interval: Math.max(interval, 2 * trip + 20), timeout, off };
  });
  const address = random.chance(0.2) ? `2001:db8::${i + 1}` : `10.0.0.${i + 1}`;
  return {
    ...{ address, lines, trip, cuts: planCuts(random, end) },
    loss: random.pick([0, 0, 0, 0.02, 0.3]),
    deaf: random.chance(0.1) ? [planWindow(random, end, [5, 20, 60])] : [],
    resets: random.pick([0, 0, 0.02, 0.5]),
    restarts: random.chance(0.1) ? [random.between(0, end)] : [],
    ...(random.chance(0.1) && { from: random.between(0, end) }),
    ...(random.chance(0.1) && { until: random.between(0, end - 10_000) }),
  };
}

function planCuts(random: Random, end: number): readonly Window[] {
  return random.some([0, 0, 0, 1, 1, 2], () => planWindow(random, end, [1, 3, 5, 20, 70, 600]));
}

/** A time somewhere in the world, up to its end. */
function planWindow(random: Random, end: number, seconds: readonly [number, ...number[]]): Window {
  const from = random.between(0, end);
  return [from, Math.min(end, from + random.pick(seconds) * random.between(500, 1500))];
}

function planNames(random: Random, balancers: readonly BalancerPlan[]): string | undefined {
  const addresses = [...new Set(balancers.map(({ address }) => address))];
  // One that has two addresses asks from one of them.
  const joined = addresses.map((address, i) => `${address}=2001:db8:1::${i + 1}`);
  const networks = "10.0.0.0/16 2001:db8::/32";
  const names = [addresses.join(" "), joined.join(","), networks, `${addresses[0]} ${networks}`];
  return random.pick([undefined, undefined, undefined, ...names]);
}

function planStrangers(
  random: Random,
  end: number,
  balancers: readonly BalancerPlan[],
): StrangerPlan[] {
  const strangers: StrangerPlan[] = [];
  const at = () => random.between(0, end);
  const anyEnd = () => random.pick<StrangerPlan["end"]>(["served", "unread"]);
  if (random.chance(0.3)) {
    // A person.
    const first = { address: "192.0.2.1", sent: random.pick(["", "web"]), at: at(), open: 2 };
    for (let i = 0; i < random.pick([1, 1, 2]); i += 1) {
      strangers.push({ ...first, end: "served", at: first.at + i * random.between(0, 5000) });
    }
  }
  if (random.chance(0.1)) {
    // A scan.
    const [from, howMany] = [at(), random.pick([1, 20])];
    for (let i = 0; i < 20; i += 1) {
      const address = `192.0.3.${i % howMany}`;
      strangers.push({ address, sent: "", at: from + i * 10, end: "unread", open: 5 });
    }
  }
  if (random.chance(0.1)) {
    // A monitor, which may close late.
    const every = random.pick([7, 30, 45, 60]) * 1000;
    const from = random.between(0, Math.min(every, end));
    const open = random.pick([3, 1000]);
    strangers.push({ address: "192.0.4.1", sent: "", at: from, end: anyEnd(), open, every });
  }
  if (random.chance(0.1)) {
    // Silent connections, beyond the cap, beside those of a load balancer.
    const address = random.pick(["192.0.5.1", balancers[0]?.address ?? ""]);
    const from = at();
    for (let i = 0; i < 10; i += 1) {
      strangers.push({ address, sent: undefined, at: from + i * 300, end: anyEnd(), open: 5000 });
    }
  }
  return strangers;
}

function planDeeds(
  random: Random,
  end: number,
  services: readonly string[],
  balancers: readonly BalancerPlan[],
  hasStrangers: boolean,
): readonly TimedDeed[] {
  const deeds: TimedDeed[] = [];
  const keys = balancers.flatMap(({ address, lines }) => lines.map(({ sent }) => address + sent));
  const howMany = new Set(keys).size;
  for (let at = random.between(0, 20_000); at < end; at += random.between(200, 40_000)) {
    const name = random.chance(0.5) ? services[random.below(services.length)] : undefined;
    const weight = random.pick([100, 100, 50]);
    deeds.push({ at, do: "set", name, status: random.pick(STATUSES), weight });
    if (random.chance(0.1)) continue;
    const about = random.chance(0.8) ? name : undefined;
    const isCounted = !hasStrangers && about === undefined && random.chance(0.2);
    const count = isCounted ? howMany : random.pick([undefined, undefined, undefined, 0]);
    const seconds = random.pick([0, 5, 30, 30, 150]);
    deeds.push({ at: at + random.between(0, 300), do: "wait", name: about, seconds, count });
    if (random.chance(0.1)) {
      const after = at + random.between(0, 5000);
      deeds.push({ at: after, do: "set", name, status: random.pick(STATUSES), by: "SIGUSR1" });
    }
  }
  const rare: readonly (readonly [number, Deed])[] = [
    [0.1, { do: "restart", down: random.pick([50, 1000, 20_000]) }],
    [0.1, { do: "stop", grace: random.pick([5, 30]), down: random.pick([50, 1000]) }],
    [0.05, { do: "forget", address: balancers[0]?.address ?? "" }],
    [0.03, { do: "forget silent", seconds: random.pick([30, 60]) }],
  ];
  for (const [probability, deed] of rare) {
    if (random.chance(probability)) deeds.push({ at: random.between(0, end), ...deed });
  }
  if (services.length > 0 && random.chance(0.1)) {
    const at = random.between(0, end);
    const back = at + random.between(1, 8000);
    deeds.push({ at, do: "remove", name: "web" });
    deeds.push({ at: back, do: "set", name: "web", status: "UP", by: "file" });
  }
  return deeds.filter(({ at }) => at < end);
}
