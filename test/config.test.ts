import { describe, expect, test } from "bun:test";
import { ConfigError, readConfig } from "../src/config.ts";

describe("readConfig", () => {
  test("has a default for everything", () => {
    expect(readConfig({})).toEqual({
      ip: "0.0.0.0",
      port: 9777,
      stateFile: "/etc/hapgent/state.json",
    });
  });

  test("takes what the environment sets", () => {
    const env = { HAPGENT_IP: "::1", HAPGENT_PORT: "80", HAPGENT_STATE_FILE: "state.json" };
    expect(readConfig(env)).toEqual({ ip: "::1", port: 80, stateFile: "state.json" });
  });

  test.each(["127.0.0.1", "::", "fe80::1", "::ffff:10.0.0.1"])("accepts the address %s", (ip) => {
    expect(readConfig({ HAPGENT_IP: ip }).ip).toBe(ip);
  });

  test.each([
    ["HAPGENT_PORT", "9777abc", "an integer from 1 to 65535"],
    ["HAPGENT_PORT", "70000", "an integer from 1 to 65535"],
    ["HAPGENT_PORT", "0", "an integer from 1 to 65535"],
    ["HAPGENT_PORT", "-1", "an integer from 1 to 65535"],
    ["HAPGENT_PORT", " 80", "an integer from 1 to 65535"],
    ["HAPGENT_PORT", "1e3", "an integer from 1 to 65535"],
    ["HAPGENT_PORT", "", "an integer from 1 to 65535"],
    ["HAPGENT_IP", "localhost", "an IPv4 or IPv6 address"],
    ["HAPGENT_IP", "256.0.0.1", "an IPv4 or IPv6 address"],
    ["HAPGENT_IP", "1.2.3", "an IPv4 or IPv6 address"],
    ["HAPGENT_IP", "", "an IPv4 or IPv6 address"],
    ["HAPGENT_STATE_FILE", "", "the path of a file"],
  ])("refuses %s=%j, naming what was expected and what came", (name, value, expected) => {
    const error = new ConfigError(`${name}: expected ${expected}, got ${JSON.stringify(value)}`);
    expect(() => readConfig({ [name]: value })).toThrow(error);
  });
});
