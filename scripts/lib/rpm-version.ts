/** A version in RPM's words, where a prerelease comes before its release by a tilde. */
export function toRpmVersion(version: string): string {
  return version.replace("-", "~");
}
