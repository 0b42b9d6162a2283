import { copyFileSync, mkdtempSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { output, run } from "../../scripts/lib/shell.ts";

/** Makes its file system, of 512 MB for a few executables, in memory: no other disk has a part in it. */
const MAKE = `
  image=/dev/shm/$(basename "$0")
  trap 'rm "$image"' EXIT
  truncate --size=512M "$image"
  mkfs.ext4 -q -m 0 "$image"
  mount -t ext4 -o loop,noatime "$image" "$0"
  mountpoint --fs-devno "$0"`;

/**
 * A disk of our own: a loop device with a file system, whose read-ahead can be set without touching
 * that of the machine's. Only root can have one. `using disk = await Disk.make()` takes it down.
 */
export class Disk implements Disposable {
  /** Where it is mounted. */
  readonly path: string;
  /** The numbers of its device, 7:0 for instance. */
  readonly #device: string;
  readonly #remove = () => this.#takeDown();

  private constructor(path: string, device: string) {
    this.path = path;
    this.#device = device;
    process.on("exit", this.#remove);
  }

  static async make(): Promise<Disk> {
    const path = mkdtempSync(join(tmpdir(), "hapgent-disk-"));
    return new Disk(path, await output(["sh", "-ec", MAKE, path]));
  }

  /** Sets how much is read ahead of what is asked for, in KB. */
  setReadAhead(kilobytes: number): void {
    const path = `/sys/dev/block/${this.#device}/queue/read_ahead_kb`;
    writeFileSync(path, String(kilobytes));
  }

  /** Copies a file to the disk, and returns its path there. */
  copy(file: string): string {
    const copy = join(this.path, basename(file));
    copyFileSync(file, copy);
    return copy;
  }

  /** Drops a file of the disk from the page cache, so that it is read from there. */
  async evict(file: string): Promise<void> {
    await output(["dd", `of=${file}`, "oflag=nocache", "conv=notrunc,fdatasync", "count=0"]);
  }

  [Symbol.dispose](): void {
    process.off("exit", this.#remove);
    this.#takeDown();
  }

  #takeDown(): void {
    run(["umount", this.path]);
    rmdirSync(this.path);
  }
}
