import { type Options, type Started, start } from "./driver.ts";

/** The files of the services of a host, by name. */
export const FILES = {
  web: '{"status":"UP","weight":80}',
  api: '{"status":"DRAIN","weight":50,"maxconn":7,"reason":"why"}',
  db: '{"status":"READY"}',
  bad: "{",
};

/** The reply to a check that names none of them. */
export const NONE = "FAIL #no such service\n";

/** Starts an agent for these services, or others. */
export function serve(options: Options = {}): Promise<Started> {
  return start({ services: FILES, ...options });
}

/** The file of a service. */
export function pathOf(agent: Started, name: string): string {
  return `${agent.services}/${name}.json`;
}
