// An address is written and read alike: HOST:PORT, with brackets around IPv6.
import { expect, test } from "bun:test";
import { formatAddress, parseAddress } from "../src/address.ts";

test.each([
  ["127.0.0.1:80", { ip: "127.0.0.1", port: 80 }],
  ["[::1]:7", { ip: "::1", port: 7 }],
  ["localhost:65536", undefined],
  ["::1:9777", undefined],
  [":9777", undefined],
])("the text %s is the address %j", (text, address) => {
  expect(parseAddress(text)).toEqual(address);
  if (address) expect(formatAddress(address)).toBe(text);
});

test.each([
  ["localhost", { ip: "localhost", port: 9777 }],
  ["[::1]", { ip: "::1", port: 9777 }],
  ["", undefined],
])("with the default port 9777 the text %j is the address %j", (text, address) => {
  expect(parseAddress(text, 9777)).toEqual(address);
});
