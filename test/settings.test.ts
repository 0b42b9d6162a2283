// Every variable has a default or is off. One that holds what it must not is refused by its name,
// with what was expected and what came.
import { expect, test } from "bun:test";
import { ConfigError, findDoubts, readConfig, readReplyMode } from "../src/settings.ts";
import type { ReplyMode } from "../src/state/reply.ts";

test("everything has a default, and is what the environment sets", () => {
  expect(readConfig({})).toEqual({
    ...{ listen: [{ ip: "0.0.0.0", port: 9777 }], stateFile: "/etc/hapgent/state.json" },
    ...{ reply: "exact", watch: false, services: undefined, socket: undefined },
    ...{ socketMode: 0o600, stop: undefined, pollers: undefined, forget: undefined },
  });
  const config = readConfig({
    ...{ HAPGENT_IP: "::1", HAPGENT_PORT: "080", HAPGENT_STATE_FILE: "state.json" },
    ...{ HAPGENT_REPLY: "full", HAPGENT_WATCH: "on", HAPGENT_POLLERS: "10.0.0.11 10.1.0.0/16" },
    ...{ HAPGENT_SOCKET: "/run/sock", HAPGENT_SOCKET_MODE: "0660", HAPGENT_FORGET: "600" },
    ...{ HAPGENT_STOP_STATUS: "DRAIN", HAPGENT_STOP_GRACE: "30", HAPGENT_TUNE: "off" },
    HAPGENT_SERVICES: "/srv",
  });
  expect(config).toEqual({
    ...{ listen: [{ ip: "::1", port: 80 }], stateFile: "state.json", reply: "full", watch: true },
    ...{ services: "/srv", socket: "/run/sock", socketMode: 0o660, forget: 600 },
    stop: { status: "DRAIN", seconds: 30 },
    pollers: expect.objectContaining({
      balancers: [expect.objectContaining({ text: "10.0.0.11" })],
    }),
  });
});

const OUR_PID = { LISTEN_PID: String(process.pid) };

test.each([
  ["HAPGENT_PORT", "65536", "an integer from 1 to 65535"],
  ["HAPGENT_PORT", "", "an integer from 1 to 65535"],
  ["HAPGENT_IP", "localhost", "an IPv4 or IPv6 address"],
  ["HAPGENT_IP", "fe80::1%eth0", "an IPv4 or IPv6 address"],
  ["HAPGENT_STATE_FILE", "/srv/st\ufffdte.json", "a path in UTF-8"],
  ["HAPGENT_SERVICES", "", "the path of a directory"],
  ["HAPGENT_REPLY", "whole", "exact or full"],
  ["HAPGENT_WATCH", "yes", "off or on"],
  ["HAPGENT_TUNE", "no", "off or on"],
  ["HAPGENT_SOCKET", "x".repeat(108), "the path of a socket, 1 to 107 bytes"],
  ["HAPGENT_STOP_STATUS", "down", "one of UP, DOWN, READY, DRAIN, FAIL, MAINT, STOPPED"],
  ["HAPGENT_STOP_GRACE", "7.5", "an integer from 1 to 3600"],
  ["HAPGENT_FORGET", "0", "an integer from 1 to 86400"],
  ["HAPGENT_SOCKET_MODE", "0777", "0600 or 0660"],
  ["LISTEN_PID", "me", "the id of a process"],
  ["LISTEN_FDS", "0", "an integer from 1 to 100"],
  ["LISTEN_FDS", "101", "an integer from 1 to 100"],
])("%s=%j is refused with what was expected and what came", (name, value, expected) => {
  const error = new ConfigError(`${name}: expected ${expected}, got ${JSON.stringify(value)}`);
  expect(() => readConfig({ ...OUR_PID, [name]: value })).toThrow(error);
});

test("a port that Kubernetes has set is refused with what to do", () => {
  const hint = " (Kubernetes sets it: use enableServiceLinks: false)";
  expect(() => readConfig({ HAPGENT_PORT: "tcp://10.0.0.1:9777" })).toThrow(
    `HAPGENT_PORT: expected an integer from 1 to 65535, got "tcp://10.0.0.1:9777"${hint}`,
  );
});

test("every socket that systemd passed to this process is taken, and no other's", () => {
  const { listen } = readConfig({ ...OUR_PID, LISTEN_FDS: "3" });
  expect(listen).toEqual([{ fd: 3 }, { fd: 4 }, { fd: 5 }]);
  const own = [{ ip: "0.0.0.0", port: 9777 }];
  expect(readConfig({ LISTEN_PID: "1", LISTEN_FDS: "3" }).listen).toEqual(own);
});

test.each<[Record<string, string>, ReplyMode]>([
  [{}, "exact"],
  [{ HAPGENT_STOP_STATUS: "DOWN" }, "full"],
  [{ HAPGENT_SERVICES: "/srv" }, "full"],
  [{ HAPGENT_SERVICES: "/srv", HAPGENT_REPLY: "exact" }, "exact"],
])("with %j replies are %s", (env, mode) => {
  expect(readReplyMode(env)).toBe(mode);
  expect(readConfig(env).reply).toBe(mode);
});

const IDLE = { HAPGENT_SOCKET_MODE: "0660", HAPGENT_FORGET: "60", HAPGENT_STOP_GRACE: "5" };
const BESIDE = { HAPGENT_SOCKET: "/run/a", HAPGENT_STOP_STATUS: "DOWN" };
const STICKY = "HAPGENT_REPLY=exact beside HAPGENT_SERVICES";

test.each<[Record<string, string>, string[]]>([
  [{ PATH: "/bin", HAPGENT_PORT: "80", HAPGENT_REPLY: "full", HAPGENT_SERVICES: "/srv" }, []],
  [{ HAPGENT_SOKET: "/a" }, ["unknown variable HAPGENT_SOKET (did you mean HAPGENT_SOCKET?)"]],
  [{ HAPGENT_COLOUR: "red" }, ["unknown variable HAPGENT_COLOUR"]],
  // What Kubernetes sets for Services named hapgent and hapgent-web.
  [{ HAPGENT_SERVICE_HOST: "10.0.0.1", HAPGENT_SERVICE_PORT: "9777" }, []],
  [{ HAPGENT_PORT_9777_TCP_ADDR: "10.0.0.1", HAPGENT_WEB_PORT: "tcp://10.0.0.1:80" }, []],
  [
    IDLE,
    [
      "HAPGENT_SOCKET_MODE does nothing without HAPGENT_SOCKET",
      "HAPGENT_FORGET does nothing without HAPGENT_SOCKET or HAPGENT_STOP_STATUS",
      "HAPGENT_STOP_GRACE does nothing without HAPGENT_STOP_STATUS",
    ],
  ],
  [{ ...IDLE, ...BESIDE }, []],
  [
    { HAPGENT_REPLY: "exact", HAPGENT_SERVICES: "/srv" },
    [`${STICKY}: what HAProxy was told before stays in force`],
  ],
])("of %j what is valid and still not what may be meant is said: %j", (env, doubts) => {
  expect(findDoubts(env)).toEqual(doubts);
});
