// The rules of the agent are told once, and run twice: against the agent in the process of the test,
// and, with HAPGENT_TEST_DRIVER=executable, against dist/hapgent.
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import {
  type AgentOptions,
  type AgentProcess,
  runAgent,
  startAgent,
} from "../../scripts/lib/agent.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";
import type { Environment } from "../../src/settings.ts";
import { Connection, type Place } from "./connection.ts";
import { AgentHere, refuseHere, startHere } from "./here.ts";

const isExecutable = process.env["HAPGENT_TEST_DRIVER"] === "executable";

/** An address of this machine that nobody else asks: whoever asks is a poller. */
export const HOST = "127.5.0.1";

/** How long the agent leaves a client that has its reply the time to close, at least (ms). */
const LINGER_MS = 1000;

/** How to start an agent. */
export interface Options extends Pick<AgentOptions, "state" | "stateFile" | "env" | "hostname"> {
  /** Whether it opens a control socket. */
  socket?: boolean;
  /** Texts of the files of its services, by name. */
  services?: Record<string, string>;
}

/** An agent, and the directory of its services. */
export type Started = AgentProcess & { readonly services: string };

/** Starts an agent; it is UP when nothing else is said. */
export async function start(options: Options = {}): Promise<Started> {
  const { services, stateFile, env = {} } = options;
  const state = options.state ?? (stateFile === undefined ? { status: "UP" } : undefined);
  const directory = services && temporaryDirectory().path;
  if (directory !== undefined) writeServices(directory, services ?? {});
  const served = directory === undefined ? {} : { HAPGENT_SERVICES: directory };
  const all = { hostname: HOST, ...options, ...(state && { state }) };
  const given = { ...served, ...env };
  const agent = isExecutable
    ? await startAgent({ ...all, env: given })
    : await startHere({ ...all, env: given });
  return Object.assign(agent, { services: directory ?? "" });
}

export function writeServices(directory: string, files: Record<string, string>): void {
  mkdirSync(directory, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(`${directory}/${name}.json`, text);
  }
}

/** Starts an agent that must refuse to run; tells its exit code and all that it said. */
export async function refuse(env: Environment): Promise<{ exitCode: number; log: string[] }> {
  if (!isExecutable) return await refuseHere(env);
  const { stderr, exitCode } = await runAgent([], { ...TUNED, ...env } as Record<string, string>);
  return { exitCode, log: stderr.split("\n").filter(Boolean) };
}

/** Sends one command to the control socket, and returns the one line that answers it. */
export async function command(agent: { socket: string }, line: string): Promise<string> {
  using client = await Connection.open(agent.socket, `${line}\n`);
  const text = await client.rest();
  if (!/^[^\n]+\n$/.test(text)) throw new Error(`expected a line, got ${JSON.stringify(text)}`);
  return text.slice(0, -1);
}

/** The answer to a command, as JSON. */
export async function show(agent: { socket: string }, what: string) {
  return JSON.parse(await command(agent, `show ${what}`));
}

/** Asks as HAProxy does, from an address; it closes after the reply. */
export async function ask(
  { hostname: host, port }: Pick<AgentProcess, "hostname" | "port">,
  sent = "",
  address = "127.0.0.1",
): Promise<string> {
  const isIpv6 = host.includes(":");
  const from = isIpv6 ? {} : { localAddress: address };
  return await converse({ host, port, ...from }, sent, (client) => client.rest());
}

/** Opens a connection for a conversation, and once more where the agent did not wait for its client. */
export async function converse<T>(
  place: Place,
  sent: string,
  talk: (client: Connection) => Promise<T>,
  attempts = 3,
): Promise<T> {
  const start = performance.now();
  try {
    using client = await Connection.open(place, sent);
    const result = await talk(client);
    if (client.ended !== "reset") return result;
    throw new Error("the connection was reset");
  } catch (error) {
    // On a busy machine the client itself may be too slow, even to see that it is connected.
    if (attempts === 1 || performance.now() - start < LINGER_MS) throw error;
    return await converse(place, sent, talk, attempts - 1);
  }
}

/** Whether a line says that the disk took longer than a check waits, as on a machine that is busy. */
export function isSlow(line: string): boolean {
  return line.includes("state file does not answer");
}

/** The next check is answered so, unless the log says that the disk took its time. */
export async function expectReply(agent: AgentProcess, reply: string): Promise<void> {
  const got = await ask(agent);
  if (got === reply) return;
  await expectSlow(agent, () => expect(got).toBe(reply));
  await agent.answers(reply);
}

/** A command is answered so at once, unless the log says that the disk took its time. */
export async function expectAnswer(agent: AgentProcess, line: string, answer: RegExp) {
  const got = await command(agent, line);
  if (answer.test(got)) return;
  await expectSlow(agent, () => expect(got).toMatch(answer));
  await until(`${line}: ${answer}`, async () => answer.test(await command(agent, line)));
}

async function expectSlow(agent: AgentProcess, fail: () => void): Promise<void> {
  // The line is written before the reply, and may be read after it.
  await until("slow", () => agent.log.some(isSlow), 5000).catch(fail);
}

/** Waits until so many lines are logged, and returns them, without the first (listening). */
export async function logOf(agent: AgentProcess, count: number): Promise<string[]> {
  const news = () => agent.log.slice(1).filter((line) => !isSlow(line));
  await until(`${count} lines after the first`, () => news().length >= count);
  return news();
}

/** A rule that only the agent in the test's process can show, because time has to pass. */
export function testInTime(
  name: string,
  options: Options,
  run: (agent: AgentHere & Started) => Promise<void>,
): void {
  if (isExecutable) return;
  test(name, async () => {
    await using agent = await start(options);
    if (agent instanceof AgentHere) await run(agent);
  });
}

/** A rule for which the process of the test must not be the agent's, or must be. */
export const testProcess = isExecutable ? test : () => undefined;
export const testHere = isExecutable ? () => undefined : test;
