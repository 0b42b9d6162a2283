import { join } from "node:path";
import { collectLines } from "../../scripts/lib/lines.ts";
import { ROOT } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";

/**
 * What becomes of packets: all arrive; those of the agent that carry data are lost; the next end of
 * a connection that the agent sends is lost, not its data, and then everything; everything is lost.
 */
export type Treatment = "pass" | "deaf" | "endless" | "cut";

/**
 * Two network namespaces, of an agent and of a HAProxy, and a link between them that loses
 * packets: `await using link = await startLink()`. It needs root, and no queueing discipline.
 */
export interface Link extends AsyncDisposable {
  /** What is put before a command that runs at one end. */
  readonly agent: readonly string[];
  readonly haproxy: readonly string[];
  treat(treatment: Treatment): Promise<void>;
}

/** Addresses of the ends of every link. */
export const LINK_AGENT = "10.9.0.1";
export const LINK_HAPROXY = "10.9.0.2";

/** Makes a link. */
export async function startLink(): Promise<Link> {
  // Both end with their input, which ends with this process at the latest.
  const peer = Bun.spawn(["unshare", "--net", "cat"], { stdio: ["pipe", "ignore", "inherit"] });
  const namespace = `/proc/${peer.pid}/ns/net`;
  const own = await Bun.file("/proc/self/ns/net").stat();
  await until("a namespace", async () => (await Bun.file(namespace).stat()).ino !== own.ino);
  const program = join(ROOT, "test/system/link-program.ts");
  const carrier = Bun.spawn(["unshare", "--net", process.execPath, program, String(peer.pid)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines: string[] = [];
  void collectLines(carrier.stdout, lines);
  await until("a link", () => {
    if (carrier.exitCode !== null) throw new Error("there is no link");
    return lines.includes("ready");
  });
  return {
    agent: ["nsenter", `--net=/proc/${carrier.pid}/ns/net`],
    haproxy: ["nsenter", `--net=${namespace}`],
    async treat(treatment) {
      const { length } = lines;
      carrier.stdin.write(`${treatment}\n`);
      carrier.stdin.flush();
      await until(treatment, () => lines.length > length);
    },
    async [Symbol.asyncDispose]() {
      for (const process of [carrier, peer]) {
        process.kill("SIGKILL");
        await process.exited;
      }
    },
  };
}
