import { expect, test } from "bun:test";
import { Descriptors } from "../../src/agent/descriptors.ts";
import { ListenError, listen } from "../../src/agent/listener.ts";

test("an address that is not here is refused with its name and the reason", () => {
  const address = { ip: "192.0.2.1", port: 9777 };
  const descriptors = new Descriptors();
  const answer = () => ({ bytes: Buffer.from("UP\n") });
  expect(() => listen(address, { descriptors, answer })).toThrow(
    new ListenError(
      "cannot listen on 192.0.2.1:9777: no such address on this machine (EADDRNOTAVAIL)",
    ),
  );
});
