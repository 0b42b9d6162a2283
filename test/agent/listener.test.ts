import { expect, test } from "bun:test";
import { ListenError, listen, readLingerCap } from "../../src/agent/listener.ts";

test("an address that is not here is refused with its name and the reason", () => {
  const address = { ip: "192.0.2.1", port: 9777 };
  expect(() =>
    listen(address, { lingerCap: 64, answer: () => ({ bytes: Buffer.from("UP\n") }) }),
  ).toThrow(
    new ListenError(
      "cannot listen on 192.0.2.1:9777: no such address on this machine (EADDRNOTAVAIL)",
    ),
  );
});

test("at most 256 connections linger, and fewer than half of the open files", async () => {
  expect(await readLingerCap()).toBe(256);
});
