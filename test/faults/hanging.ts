import { mkdirSync, readFileSync, statSync } from "node:fs";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { areAll } from "../proc.ts";

/**
 * A disk that can hang: a directory that bindfs shows once more, through FUSE. While bindfs is
 * stopped whoever looks at something below `path` waits.
 */
export class HangingDisk implements AsyncDisposable {
  readonly #directory = temporaryDirectory();
  readonly #bindfs: Bun.Subprocess;
  /** Where the disk is mounted. */
  readonly path = `${this.#directory.path}/disk`;
  /** Where its files are, which never hang. */
  readonly source = `${this.#directory.path}/source`;

  static async mount(): Promise<HangingDisk> {
    const disk = new HangingDisk();
    const { dev } = statSync(disk.source);
    await until("mounted", () => statSync(disk.path).dev !== dev);
    return disk;
  }

  private constructor() {
    for (const path of [this.path, this.source]) mkdirSync(path);
    // Nothing is kept that would be an answer while it hangs.
    const options = ["-f", "-o", "attr_timeout=0,entry_timeout=0,negative_timeout=0"];
    this.#bindfs = Bun.spawn(["bindfs", ...options, this.source, this.path]);
  }

  /** From then on it takes no request, and has taken none: for that even who is killed would wait. */
  async hang(): Promise<void> {
    const { pid } = this.#bindfs;
    const read = () => /^rchar: \d+$/m.exec(readFileSync(`/proc/${pid}/io`, "latin1"))?.[0];
    await until("it hangs, and has answered all", async () => {
      const before = read();
      if (!areAll(pid, "S")) return false;
      this.#bindfs.kill("SIGSTOP");
      await until("it is stopped", () => areAll(pid, "T"));
      if (read() === before) return true;
      this.answer();
      return false;
    });
  }

  answer(): void {
    this.#bindfs.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.answer();
    Bun.spawnSync(["umount", "--lazy", this.path]);
    await this.#bindfs.exited;
    this.#directory[Symbol.dispose]();
  }
}
