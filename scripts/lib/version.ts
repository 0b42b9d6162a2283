import { version } from "../../package.json";

/** Whether a version comes before the one that it leads to: 1.0.0-rc.1 (semver.org, section 9). */
export function isPrerelease(of: string = version): boolean {
  return /^[^+]*-/.test(of);
}

/**
 * A version as dpkg and rpm write it: for them 1.0.0-rc.1 comes after 1.0.0, and 1.0.0~rc.1 before.
 */
export function packageVersion(of: string = version): string {
  const [core = "", ...build] = of.split("+");
  return [core.replace("-", "~"), ...build].join("+").replaceAll("-", ".");
}
