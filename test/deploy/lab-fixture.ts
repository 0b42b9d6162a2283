// What the test of the lab kills: boots a machine, says so, and stays.
import { bootMachine } from "./machine.ts";

await using machine = await bootMachine({ init: "none", base: "/" });
await machine.run("mount -t tmpfs tmpfs /mnt");
console.log("booted");
await Bun.sleep(300_000);
