import { run } from "./shell.ts";

/**
 * Packs a directory's entries: whoever does it, whenever and with whatever umask, the archive is
 * the same.
 */
export function packTar(archive: string, directory: string, ...names: string[]): void {
  run([
    ...["tar", "--create", "--file", archive, "--format=gnu", "--sort=name", "--mtime=@0"],
    ...["--owner=0", "--group=0", "--numeric-owner", "--mode=a+rX,u+w,go-w"],
    ...["--directory", directory, ...names],
  ]);
}
