import { output } from "./shell.ts";

/** Drops a file from the page cache, so that the next start reads it from the disk. */
export async function evict(file: string): Promise<void> {
  await output(["dd", `of=${file}`, "oflag=nocache", "conv=notrunc,fdatasync", "count=0"]);
}
