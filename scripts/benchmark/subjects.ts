import { copyFileSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { TUNED } from "../../src/agent/tuning.ts";
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
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Its executable, from which nothing else runs; undefined: nothing is known about it. */
  readonly file: string | undefined;
  /** False: it answers no checks. */
  readonly listens: boolean;
}

/** Builds all programs that are measured, and the one that asks them. */
export async function buildSubjects(): Promise<void> {
  await needTools(TOOLS);
  mkdirSync(WORK, { recursive: true });
  writeFileSync(`${WORK}state.json`, '{"status": "UP", "weight": 75}\n');
  run(["bun", "scripts/build.ts"]);
  for (const name of ["agent", "untuned"]) copyFileSync(`${ROOT}dist/hapgent`, WORK + name);
  for (const name of ["bare", "empty"]) {
    compile(`scripts/benchmark/subjects/${name}.ts`, WORK + name);
  }
  for (const name of ["load", "subjects/epoll"]) {
    const outfile = WORK + name.replace("subjects/", "");
    run(["gcc", "-O2", "-Wall", "-o", outfile, `scripts/benchmark/${name}.c`]);
  }
  // A file that was just written lies in larger pieces in the page cache, and more of it is mapped.
  for (const name of ["agent", "untuned", "bare", "empty", "epoll"]) {
    run(["dd", `of=${WORK}${name}`, "oflag=nocache", "conv=notrunc,fdatasync", "count=0"]);
  }
}

/**
 * The programs, in the order of the table's columns.
 *
 * @param against Command line of another agent, which listens where HAPGENT_IP and HAPGENT_PORT
 * say.
 */
export function listSubjects(against: string | undefined): Subject[] {
  const env = { HAPGENT_IP: "127.0.0.1", HAPGENT_STATE_FILE: `${WORK}state.json` };
  const subject = (name: SubjectName, more: Partial<Subject> = {}): Subject => {
    const file = WORK + name;
    return { name, command: [file], env: { ...env, ...TUNED }, file, listens: true, ...more };
  };
  const other = { command: ["sh", "-c", `exec ${against}`], env, file: undefined };
  return [
    subject("agent", { command: ["env", "--block-signal=HUP,USR1,USR2", `${WORK}agent`] }),
    subject("untuned", { env: { ...env, HAPGENT_TUNE: "off" } }),
    subject("bare"),
    subject("empty", { listens: false }),
    subject("epoll", { env }),
    ...(against === undefined ? [] : [subject("against", other)]),
  ];
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
