// - A line is one event, whatever its values hold.
// - Nothing that happens to stderr holds up the program. What stderr does not take is kept, up to
//   64 lines, or counted, and the next line that it takes tells the count.
import { describe, expect, test } from "bun:test";
import {
  closeSync,
  constants,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { collectLines } from "../scripts/lib/lines.ts";
import { temporaryDirectory } from "../scripts/lib/temporary.ts";
import { until } from "../scripts/lib/until.ts";
import { formatLine, WAITING_LIMIT } from "../src/log.ts";

test.each([
  [{}, "hapgent: saved\n"],
  [{ file: "/etc/a.json", tries: 3 }, "hapgent: saved file=/etc/a.json tries=3\n"],
  [{ reply: "UP 50%" }, 'hapgent: saved reply="UP 50%"\n'],
  [{ file: "/a\nhapgent: state" }, 'hapgent: saved file="/a\\nhapgent: state"\n'],
  [{ address: "[::1]:80", reason: undefined }, "hapgent: saved address=[::1]:80\n"],
  [{ reason: "" }, 'hapgent: saved reason=""\n'],
])("a line with %j is %j", (fields, line) => {
  expect(formatLine("saved", fields)).toBe(line);
});

/** One line more than are kept while another is being written, and two more. */
const MANY = Array.from({ length: WAITING_LIMIT + 3 }, (_, i) => `many ${i}`);
const KEPT = MANY.slice(0, -2);

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

/** A program that logs to a named pipe: `log` resolves when it has gone on. */
class Program implements AsyncDisposable {
  readonly #directory = temporaryDirectory();
  readonly #path = `${this.#directory.path}/pipe`;
  readonly #process: Bun.Subprocess<"pipe", "pipe", number>;
  readonly #done: string[] = [];
  #reader: number | undefined;
  text = "";

  constructor() {
    Bun.spawnSync(["mkfifo", this.#path]);
    this.open();
    const writer = openSync(this.#path, O_WRONLY);
    this.#process = Bun.spawn([process.execPath, `${import.meta.dir}/log-fixture.ts`], {
      stdio: ["pipe", "pipe", writer],
    });
    closeSync(writer);
    void collectLines(this.#process.stdout, this.#done);
  }

  async log(...lines: string[]): Promise<void> {
    this.#process.stdin.write(lines.map((line) => `${line}\n`).join(""));
    this.#process.stdin.flush();
    await this.says(lines.at(-1) ?? "");
  }

  /** Waits for a line on its standard output. */
  async says(line: string): Promise<void> {
    await until(`it says ${line}`, () => this.#done.includes(line));
  }

  /** Opens the reading end. */
  open(): void {
    this.#reader = openSync(this.#path, O_RDONLY | O_NONBLOCK);
  }

  /** Closes it: what is written fails. */
  close(): void {
    if (this.#reader !== undefined) closeSync(this.#reader);
    this.#reader = undefined;
  }

  /** Writes to the pipe until it is full. */
  fill(): void {
    const filler = openSync(this.#path, O_WRONLY | O_NONBLOCK);
    try {
      for (;;) writeSync(filler, "x".repeat(4096));
    } catch {
      // Full: EAGAIN.
    } finally {
      closeSync(filler);
    }
  }

  /** Waits until the pipe has brought a line, and returns all lines up to it. */
  async reads(last: string): Promise<string[]> {
    const buffer = Buffer.alloc(2 ** 20);
    return await until(`the line ${last}`, () => {
      try {
        this.text += buffer.toString("latin1", 0, readSync(this.#reader ?? -1, buffer));
      } catch {
        // Empty: EAGAIN.
      }
      const lines = this.text.replace(/^x+/, "").split("\n").slice(0, -1);
      return lines.includes(last) ? lines : undefined;
    });
  }

  /** Ends its input, and waits for its exit code. */
  async end(): Promise<number> {
    this.#process.stdin.end();
    return await this.#process.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    this.close();
    this.#directory[Symbol.dispose]();
  }
}

describe.concurrent("a log", () => {
  test("that is read has every line, and no word of lines dropped", async () => {
    await using program = new Program();
    const names = Array.from({ length: 20 }, (_, i) => `line ${i}`);
    await program.log(...names);
    expect(await program.reads("hapgent: line 19")).toEqual(
      names.map((name) => `hapgent: ${name}`),
    );
    expect(await program.end()).toBe(0);
  });

  test("that is full keeps the first lines, and tells how many it has dropped", async () => {
    await using program = new Program();
    await program.log("ready");
    await program.reads("hapgent: ready");
    program.text = "";
    program.fill();
    await program.log(...MANY);
    const lines = KEPT.map((name) => `hapgent: ${name}`);
    expect(await program.reads("hapgent: lines dropped=2")).toEqual([
      ...lines,
      "hapgent: lines dropped=2",
    ]);
    await program.log("h");
    expect((await program.reads("hapgent: h")).slice(-1)).toEqual(["hapgent: h"]);
    program.text = "";
    program.fill();
    await program.log("i", "j");
    expect(await program.reads("hapgent: j")).toEqual(["hapgent: i", "hapgent: j"]);
    expect(await program.end()).toBe(0);
  });

  test("that nobody reads stops nothing", async () => {
    await using program = new Program();
    await program.log("ready");
    program.close();
    await program.log("a");
    await program.says("a logged");
    program.open();
    await program.log("b");
    const note = "hapgent: lines dropped=1";
    expect(await program.reads(note)).toEqual(["hapgent: ready", "hapgent: b", note]);
    expect(await program.end()).toBe(0);
  });

  test("to a terminal that stands still (Ctrl-S) stops nothing, and goes on with it (Ctrl-Q)", async () => {
    using directory = temporaryDirectory();
    const [input, output] = [`${directory.path}/input`, `${directory.path}/output`];
    writeFileSync(input, MANY.join("\n"));
    writeFileSync(output, "");
    let text = "";
    await using terminal = new Bun.Terminal({
      data(_, chunk) {
        text += Buffer.from(chunk).toString();
      },
    });
    terminal.write("\u0013");
    const script = 'exec "$0" "$1" < "$2" > "$3"';
    const fixture = `${import.meta.dir}/log-fixture.ts`;
    const program = Bun.spawn(["sh", "-c", script, process.execPath, fixture, input, output], {
      terminal,
      env: { ...process.env, TERM: "xterm" },
    });
    await until("it goes on", () => readFileSync(output, "utf8").includes(`${MANY.at(-1)}\n`));
    expect(text).not.toContain("hapgent");
    terminal.write("\u0011");
    await until("the log goes on", () => text.includes("lines dropped=2\r\n"));
    const lines = [...KEPT, "lines dropped=2"].map((line) => `hapgent: ${line}\r\n`);
    expect(text).toEndWith(lines.join(""));
    expect(await program.exited).toBe(0);
  });
});
