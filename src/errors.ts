/** The errno name of a failed system call (`EACCES`), if the error is one. */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** What failed, in words, with the errno name: `permission denied (EACCES)`; else the message. */
export function describeError(error: unknown): string {
  const code = codeOf(error);
  if (code === undefined) return error instanceof Error ? error.message : String(error);
  const words = findWords(code);
  return words === undefined ? code : `${words} (${code})`;
}

/** The runtime's words for an errno; loaded when they are needed: most agents never see an error. */
function findWords(code: string): string | undefined {
  const missing: Readonly<Record<string, string>> = {
    EDQUOT: "disk quota exceeded",
    ENOTFOUND: "no such host",
    ESTALE: "the file is gone from its server",
  };
  // By its name: the number's sign depends on the call that failed.
  const known = process.getBuiltinModule("node:util").getSystemErrorMap().values();
  return missing[code] ?? known.find(([name]) => name === code)?.[1];
}
