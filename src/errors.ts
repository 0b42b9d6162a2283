/** The errno name of a failed system call (`EACCES`), if the error is one. */
export function codeOf(error: unknown): string | undefined {
  const isCoded = error instanceof Error && "code" in error && typeof error.code === "string";
  return isCoded ? String((error as { code: unknown }).code) : undefined;
}

/** What failed, in words, with the errno name: `permission denied (EACCES)`; else the message. */
export function describeError(error: unknown): string {
  const code = codeOf(error);
  if (code === undefined) return error instanceof Error ? error.message : String(error);
  const words = findWords(code);
  return words ? `${words} (${code})` : code;
}

/**
 * What the error of a system call means to a person (errno(3)), where the name alone says little.
 * Made when it is needed: most agents never see one.
 */
function findWords(code: string): string | undefined {
  const words: Readonly<Record<string, string>> = {
    EACCES: "permission denied",
    EADDRINUSE: "the address is in use",
    EADDRNOTAVAIL: "no such address on this machine",
    EAGAIN: "not available now",
    EBUSY: "in use, or a mount point",
    ECONNREFUSED: "connection refused",
    ECONNRESET: "the connection was reset",
    EDQUOT: "disk quota exceeded",
    EFBIG: "too large for the file system",
    EHOSTUNREACH: "no route to the host",
    EINVAL: "not supported here",
    EIO: "the disk or device failed",
    EISDIR: "a directory",
    ELOOP: "too many symbolic links",
    EMFILE: "too many open files",
    ENAMETOOLONG: "the name is too long",
    ENETUNREACH: "the network is unreachable",
    ENFILE: "too many open files on this machine",
    ENOENT: "no such file or directory",
    ENOMEM: "out of memory",
    ENOSPC: "no space left on the disk",
    ENOTDIR: "part of the path is not a directory",
    ENOTSUP: "not supported here",
    EOPNOTSUPP: "not supported here",
    EPERM: "operation not permitted",
    EPIPE: "closed by the other side",
    EROFS: "the file system is read-only",
    ESTALE: "the file is gone from its server",
    ETIMEDOUT: "timed out",
    ETXTBSY: "a running program",
    ENOTFOUND: "no such host",
  };
  return words[code];
}
