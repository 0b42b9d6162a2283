import { run } from "./shell.ts";

/**
 * Packs entries of a directory, given as tar's words: whoever does it, whenever and with whatever umask, the archive is
 * the same.
 */
export function packTar(archive: string, directory: string, ...words: string[]): void {
  run([
    ...["tar", "--create", "--file", archive, "--format=gnu", "--sort=name", "--mtime=@0"],
    ...["--owner=0", "--group=0", "--numeric-owner", "--mode=a+rX,u+w,go-w"],
    ...["--directory", directory, ...words],
  ]);
}
