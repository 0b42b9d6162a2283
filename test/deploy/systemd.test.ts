import { expect, test } from "bun:test";
import { bootMachine } from "./machine.ts";

test("a machine boots", async () => {
  await using machine = await bootMachine();
  expect(await machine.run("cat /proc/1/comm")).toBe("systemd");
  console.log(await machine.run("systemctl --failed"));
  console.log(await machine.run("mount"));
});
test("a sysv machine boots", async () => {
  await using machine = await bootMachine({ init: "sysv" });
  expect(await machine.run("cat /proc/1/comm")).toBe("init");
  console.log(await machine.run("ps axf"));
});
