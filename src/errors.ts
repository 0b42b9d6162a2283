/** The errno name of a failed system call (`EACCES`), if the error is one. */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** What the runtime's list of errors lacks. */
const MISSING: Readonly<Record<string, string>> = {
  EDQUOT: "disk quota exceeded",
  ENOTFOUND: "no such host",
  ESTALE: "the file is gone from its server",
};

/** What failed, in words, with the errno name: `permission denied (EACCES)`; else the message. */
export function describeError(error: unknown): string {
  const code = codeOf(error);
  if (code === undefined) return error instanceof Error ? error.message : String(error);
  // Loaded here: most agents never see an error. By name: the number's sign depends on the call.
  const errors = process.getBuiltinModule("node:util").getSystemErrorMap().values();
  const words = MISSING[code] ?? errors.find(([name]) => name === code)?.[1];
  return words === undefined ? code : `${words} (${code})`;
}
