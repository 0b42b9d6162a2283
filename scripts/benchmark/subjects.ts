import { copyFileSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { TUNED } from "../../src/agent/tuning.ts";
import { DISK_TOOLS, evict } from "../lib/disk.ts";
import { compile } from "../lib/executable.ts";
import { ROOT, run } from "../lib/shell.ts";
import { needTools } from "../lib/tools.ts";
import type { Measurements } from "./figures.ts";

/**
 * Where all that is measured lies: in the repository, as a file system in memory cannot be evicted.
 */
export const WORK = `${ROOT}dist/benchmark/`;

/** Debian package by the command that it brings. */
const TOOLS = { gcc: "gcc", dd: "coreutils", taskset: "util-linux", setpriv: "util-linux" };

export type SubjectName = "agent" | "untuned" | "bare" | "empty" | "epoll" | "against";

/** A program that is measured. */
export interface Subject {
  readonly name: SubjectName;
  /** What it is, in a few words. */
  readonly title: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Its executable, from which nothing else runs; undefined: nothing is known about it. */
  readonly file: string | undefined;
  /** False: it answers no checks. */
  readonly listens: boolean;
}

/** Builds all programs that are measured, and the one that asks them. */
export async function buildSubjects(isShort: boolean): Promise<void> {
  await needTools(isShort || process.getuid?.() !== 0 ? TOOLS : { ...TOOLS, ...DISK_TOOLS });
  mkdirSync(WORK, { recursive: true });
  writeFileSync(`${WORK}state.json`, '{"status": "UP", "weight": 75}\n');
  run(["bun", "scripts/build.ts"]);
  for (const name of ["agent", "untuned"]) copyFileSync(`${ROOT}dist/hapgent`, WORK + name);
  for (const name of ["bare", "empty"])
    compile(`scripts/benchmark/subjects/${name}.ts`, WORK + name);
  for (const name of ["load", "subjects/epoll"]) {
    const outfile = WORK + name.replace("subjects/", "");
    run(["gcc", "-O2", "-Wall", "-o", outfile, `scripts/benchmark/${name}.c`]);
  }
  // A file that was just written lies in larger pieces in the page cache, and more of it is mapped.
  for (const name of ["agent", "untuned", "bare", "empty", "epoll"]) await evict(WORK + name);
}

/**
 * The programs, in the order of the table's columns.
 *
 * @param against Command line of another agent, which listens where HAPGENT_IP and HAPGENT_PORT
 * say.
 */
export function listSubjects(against: string | undefined): Subject[] {
  const env = { HAPGENT_IP: "127.0.0.1", HAPGENT_STATE_FILE: `${WORK}state.json` };
  const tuned = { ...env, ...TUNED };
  const subject = (name: SubjectName, title: string, more: Partial<Subject> = {}): Subject => ({
    name,
    title,
    command: [WORK + name],
    env: tuned,
    file: WORK + name,
    listens: true,
    ...more,
  });
  const subjects = [
    subject("agent", "the agent, as its unit starts it", {
      command: ["env", "--block-signal=HUP,USR1,USR2", `${WORK}agent`],
    }),
    subject("untuned", "the agent, not tuned", { env: { ...env, HAPGENT_TUNE: "off" } }),
    subject("bare", "a bare Bun.listen: the runtime's floor"),
    subject("empty", "an empty program on Bun", { listens: false }),
    subject("epoll", "epoll in C: the limit", { env }),
  ];
  if (against !== undefined) {
    const command = ["sh", "-c", `exec ${against}`];
    subjects.push(subject("against", against, { command, env, file: undefined }));
  }
  return subjects;
}

/** Measures the executables; all that a program has beyond the empty one is its own. */
export function measureSizes(measurements: Measurements, subjects: readonly Subject[]): void {
  const empty = statSync(`${WORK}empty`).size;
  for (const { name, file } of subjects) {
    if (file === undefined || name === "untuned") continue;
    const { size } = statSync(file);
    measurements.add(name, "binaryMB", size / 1024 / 1024);
    if (name !== "epoll") measurements.add(name, "binaryOursKB", (size - empty) / 1024);
  }
}
