import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { output, run } from "./shell.ts";

/** Debian package by the command that a disk is made with. */
export const DISK_TOOLS = { "mkfs.ext4": "e2fsprogs", losetup: "mount", mount: "mount" };

/** Size of a disk in megabytes: for a few executables. */
const SIZE = 512;

/** Where its image lies: in memory, so that no other disk has a part in what is measured. */
const MEMORY = "/dev/shm";

/**
 * A disk of our own: a loop device with a file system, whose read-ahead can be set without touching
 * that of the machine's. Only root can have one. `await using disk = await Disk.make()` takes it
 * down.
 */
export class Disk implements AsyncDisposable {
  readonly #path: string;
  readonly #image: string;
  readonly #device: string;
  readonly #remove = () => this.#takeDown();

  private constructor(path: string, image: string, device: string) {
    this.#path = path;
    this.#image = image;
    this.#device = device;
    process.on("exit", this.#remove);
  }

  static async make(): Promise<Disk> {
    const path = mkdtempSync(join(tmpdir(), "hapgent-disk-"));
    const image = join(MEMORY, basename(path));
    await output(["truncate", `--size=${SIZE}M`, image]);
    await output(["mkfs.ext4", "-q", "-m", "0", image]);
    const device = await output(["losetup", "--find", "--show", image]);
    const disk = new Disk(path, image, device);
    await output(["mount", "-t", "ext4", "-o", "noatime", device, path]);
    return disk;
  }

  /** Sets how much is read ahead of what is asked for, in KB. */
  setReadAhead(kilobytes: number): void {
    const queue = `/sys/block/${basename(this.#device)}/queue`;
    writeFileSync(`${queue}/read_ahead_kb`, String(kilobytes));
  }

  /** Copies a file to the disk, and returns its path there. */
  copy(file: string): string {
    const copy = join(this.#path, basename(file));
    copyFileSync(file, copy);
    return copy;
  }

  /** Where it is mounted. */
  get path(): string {
    return this.#path;
  }

  /** Freezes it, as a snapshot of a virtual machine does: who writes waits until it is thawed. */
  freeze(): Disposable {
    run(["fsfreeze", "--freeze", this.#path]);
    return { [Symbol.dispose]: () => run(["fsfreeze", "--unfreeze", this.#path]) };
  }

  /** Drops a file of the disk from the page cache, so that it is read from there. */
  async evict(file: string): Promise<void> {
    await evict(file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off("exit", this.#remove);
    this.#takeDown();
  }

  #takeDown(): void {
    // A test that has failed may have left it frozen, and would hang here.
    const thaw = 'fsfreeze --unfreeze "$0" 2> /dev/null || true';
    const remove = `${thaw}; umount "$0"; losetup --detach "$1"`;
    run(["sh", "-c", remove, this.#path, this.#device]);
    rmSync(this.#image, { force: true });
    rmSync(this.#path, { recursive: true, force: true });
  }
}

/** Drops a file from the page cache, so that the next start reads it from the disk. */
export async function evict(file: string): Promise<void> {
  await output(["dd", `of=${file}`, "oflag=nocache", "conv=notrunc,fdatasync", "count=0"]);
}
