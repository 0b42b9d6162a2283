import { UsageError } from "../exit.ts";
import { SERVICE_NAME } from "../sent.ts";
import type { Environment } from "../settings.ts";
import { quote } from "../text.ts";
import type { Arguments } from "./arguments.ts";

/** The longest reason: with the process's id after it, and `failed: ` before, 100 fit a state. */
const REASON_LIMIT = 80;

/** What a deploy is to do. */
export interface Plan {
  /** The service; undefined for the host. */
  readonly service: string | undefined;
  /** The instance of the agent, `hapgent@NAME`. */
  readonly instance: string | undefined;
  readonly reason: string;
  readonly command: readonly string[];
  /** The status that takes the server out. */
  readonly status: "DRAIN" | "MAINT";
  /** Seconds that each `wait` may take. */
  readonly wait: number;
  /** The number of load balancers that there are, if it is known. */
  readonly pollers: number | undefined;
  /** Load balancers that are silent for these seconds are gone. */
  readonly forgetSilent: number | undefined;
  /** Seconds that requests under way have to end, and the port that they are on. */
  readonly drain: { readonly seconds: number; readonly port: number } | undefined;
  readonly url: string | undefined;
  readonly until: string | undefined;
  /** Seconds that the service has to answer in, and how long it then stays out. */
  readonly answer: number;
  readonly settle: number;
  /** Whether it may begin from a status that is neither UP nor READY. */
  readonly fromAny: boolean;
  /** Whether it ends at UP, whatever it began from. */
  readonly up: boolean;
  /** Whether an agent that has just started may be believed. */
  readonly young: boolean;
}

/**
 * Reads `[@SERVICE] REASON COMMAND [ARGUMENT...]` and the options.
 *
 * @throws {UsageError} naming what is wrong, and what was expected.
 */
export function readPlan({ values, flags, operands }: Arguments, env: Environment): Plan {
  const [first = ""] = operands;
  const service = first.startsWith("@") ? first.slice(1) : undefined;
  const [reason, ...command] = service === undefined ? operands : operands.slice(1);
  if (service !== undefined && !SERVICE_NAME.test(service)) {
    throw wrong("@SERVICE", "the name of a service", first);
  }
  const { url, until, answer } = values;
  if (answer !== undefined && url === undefined && until === undefined) {
    throw new UsageError("deploy: --answer needs --url or --until beside it");
  }
  const read = (name: string) => readNumber(`--${name}`, values[name]);
  // An empty variable counts as unset.
  const readEither = (name: string, variable: string) =>
    read(name) ?? readNumber(variable, env[variable] || undefined);
  return {
    service,
    instance: values["instance"],
    command: readCommand(command),
    reason: readReason(reason),
    status: readStatus(values["status"]),
    wait: readEither("wait", "HAPGENT_DEPLOY_WAIT") ?? 30,
    pollers: readNumber("--pollers", values["pollers"], "a number", 0, 4096),
    forgetSilent: read("forget-silent"),
    drain: readDrain(read("drain"), values["port"]),
    url: readUrl(url),
    until: readUntil(until),
    answer: readEither("answer", "HAPGENT_DEPLOY_ANSWER") ?? 60,
    settle: readEither("settle", "HAPGENT_DEPLOY_SETTLE") ?? 5,
    fromAny: flags.has("from-any"),
    up: flags.has("up"),
    young: flags.has("young"),
  };
}

/** Reads a number that may be missing; it is one of seconds where nothing else is said. */
function readNumber(
  origin: string,
  text: string | undefined,
  what = "seconds",
  minimum = 0,
  maximum = 86_400,
): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= minimum && value <= maximum) return value;
  throw wrong(origin, `${what} from ${minimum} to ${maximum}`, text);
}

/** The reason, with single blanks: that is how the control socket reads it. */
function readReason(text = ""): string {
  const reason = text.trim().replaceAll(/\s+/g, " ");
  if (/^[ -~]+$/.test(reason) && reason.length <= REASON_LIMIT) return reason;
  throw wrong("REASON", `1 to ${REASON_LIMIT} printable ASCII characters`, text);
}

function readCommand(command: readonly string[]): readonly string[] {
  const [name = ""] = command;
  if (name === "") throw new UsageError("deploy: expected REASON and COMMAND, got no COMMAND");
  if (!name.startsWith("-")) return command;
  throw new UsageError(`deploy: options go before REASON, got ${quote(name)} after it`);
}

function readStatus(text = "DRAIN"): "DRAIN" | "MAINT" {
  if (text === "DRAIN" || text === "MAINT") return text;
  throw wrong("--status", "DRAIN or MAINT", text);
}

function readDrain(seconds: number | undefined, text: string | undefined): Plan["drain"] {
  if (seconds === undefined && text === undefined) return undefined;
  if (seconds === undefined) throw new UsageError("deploy: --port needs --drain SECONDS beside it");
  const port = readNumber("--port", text, "a port", 1, 65_535);
  if (port === undefined) throw new UsageError("deploy: --drain needs --port PORT beside it");
  return { seconds, port };
}

function readUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (url && /^https?:$/.test(url.protocol)) return url.href;
  throw wrong("--url", "an http or https URL", text);
}

/** An empty one succeeds at once: whoever calls has a variable that is not set. */
function readUntil(text: string | undefined): string | undefined {
  if (text?.trim() !== "") return text;
  throw wrong("--until", "a shell command", text);
}

function wrong(origin: string, expected: string, got: string): UsageError {
  return new UsageError(`deploy: ${origin}: expected ${expected}, got ${quote(got)}`);
}
