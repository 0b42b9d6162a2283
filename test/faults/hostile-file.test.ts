// Whatever is in place of the state file, and however often, the agent answers FAIL and keeps nothing of
// it: no memory, no descriptor, no thread. What is said of each is test/state/read.test.ts.
import { expect, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { startAgent } from "../../scripts/lib/agent.ts";
import { holdsNoMore } from "./memory.ts";

const FILES: Record<string, string | Uint8Array | ((path: string) => void)> = {
  "1 GiB, sparse"(path) {
    writeFileSync(path, "");
    truncateSync(path, 2 ** 30);
  },
  "a FIFO": (path) => Bun.spawnSync(["mkfifo", path]),
  "a directory": mkdirSync,
  "/dev/zero": (path) => symlinkSync("/dev/zero", path),
  "/dev/tty": (path) => symlinkSync("/dev/tty", path),
  "a symlink to itself": (path) => symlinkSync(path, path),
  "a symlink to nothing": (path) => symlinkSync(`${path}.none`, path),
  "100,000 levels of arrays": "[".repeat(100_000),
  "64 KiB of closed arrays": "[".repeat(32_768) + "]".repeat(32_768),
  "deep arrays as the status": `{"status":${"[".repeat(30_000)}${"]".repeat(30_000)}}`,
  "5,000 fields": `{${Array.from({ length: 5000 }, (_, i) => `"k${i}":0`).join()}}`,
  "a reason of 60,000 characters": `{"status":"UP","reason":"${"x".repeat(60_000)}"}`,
  "invalid UTF-8": new Uint8Array(60_000).fill(0xff),
};

test("hostile state files are FAIL, at the start too, and nothing is kept of them", async () => {
  await using agent = await startAgent({ state: { status: "UP" } });
  let hasStarted = false;
  await holdsNoMore(agent, async () => {
    for (const [name, content] of Object.entries(FILES)) {
      rmSync(agent.stateFile, { recursive: true, force: true });
      if (typeof content === "function") content(agent.stateFile);
      else writeFileSync(agent.stateFile, content);
      agent.log.length = 0;
      agent.signal("SIGHUP");
      await agent.logs(/state file refused cause=SIGHUP/);
      expect([name, await agent.ask()]).toEqual([name, "FAIL\n"]);
      if (hasStarted) continue;
      await using second = await startAgent({ stateFile: agent.stateFile });
      expect([name, await second.ask()]).toEqual([name, "FAIL\n"]);
    }
    hasStarted = true;
  });
});
