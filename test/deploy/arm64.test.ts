// The executable for 64-bit ARM, run by QEMU where the machine is another.
import { beforeAll, expect, test } from "bun:test";
import { version } from "../../package.json";
import { type AgentOptions, startAgent } from "../../scripts/lib/agent.ts";
import { ROOT, run } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";
import { TUNED } from "../../src/agent/tuning.ts";

const LIBRARIES = "/usr/aarch64-linux-gnu";
const OPTIONS: AgentOptions = {
  executable: `${ROOT}dist/hapgent-${version}-linux-arm64`,
  launcher: process.arch === "arm64" ? [] : ["qemu-aarch64-static", "-L", LIBRARIES],
  // Untuned it would execute itself, which the kernel cannot.
  env: TUNED,
};

beforeAll(async () => {
  run(["bun", "scripts/build.ts", "linux-arm64"]);
});

test("it is for ARM", async () => {
  const header = await Bun.file(OPTIONS.executable ?? "")
    .slice(0, 20)
    .bytes();
  // e_machine of the ELF header; 183 is EM_AARCH64.
  expect(header[18]).toBe(183);
});

test("it starts, answers, reloads, takes signals, saves and stops", async () => {
  await using agent = await startAgent({ ...OPTIONS, state: { status: "READY", weight: 75 } });
  expect(await agent.ask()).toBe("READY 75%\n");
  agent.change({ status: "DRAIN", maxconn: 10 });
  await agent.answers("DRAIN maxconn:10\n");
  agent.signal("SIGUSR2");
  await agent.answers("DOWN maxconn:10\n");
  await until("the save", () => agent.file().includes('"DOWN"'));
  expect(await agent.stop()).toBe(0);
}, 60_000);
