// The HAProxy in front of the pods has a valid configuration, and by it no request fails while a
// pod stops in the order in which the kubelet stops its containers.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { outcome, output } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { HAPROXY_ENVIRONMENT, startHaproxy } from "../haproxy.ts";
import { startService, Traffic } from "../system/traffic.ts";
import { containerOf, FILES, parse, read, startSidecar } from "./manifests.ts";

describe("haproxy.yaml", () => {
  /** The ConfigMap's text. */
  const configuration = () => {
    const objects = parse(read("haproxy.yaml")) as unknown as { data?: Record<string, string> }[];
    return objects.find(({ data }) => data)?.data?.["haproxy.cfg"] ?? "";
  };

  test("has a configuration that HAProxy takes, and finds the pods of the others", async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "haproxy.cfg");
    writeFileSync(file, configuration());
    const { stderr, exitCode } = await outcome(["haproxy", "-c", "-q", "-f", file], {
      env: HAPROXY_ENVIRONMENT,
    });
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    for (const sidecar of FILES) {
      expect(read(sidecar)).toContain("app.kubernetes.io/name: haproxy\n");
    }
  });

  test.concurrent.each(FILES)("no request fails while a pod of %s stops", async (file) => {
    using directory = temporaryDirectory();
    writeFileSync(join(directory.path, "state.json"), '{"status":"UP"}');
    const { agent } = await startSidecar(file, directory.path);
    await using _ = agent;
    await using web = startService("one");
    await using other = startService("other");
    // The lines of the sample, with the addresses of one pod.
    const [, options = ""] = /default-server (.*)/.exec(configuration()) ?? [];
    const server = options.replace("agent-port 9777", `agent-port ${agent.port}`);
    await using haproxy = await startHaproxy(`
listen be
  bind unix@front.sock
  retries 0
  server s 127.0.0.1:${web.port} ${server} agent-addr 127.0.0.1 agent-send "web\\n"
  server other 127.0.0.1:${other.port} weight 100
`);
    await haproxy.shows({ agent_status: "L7OK" });
    await using traffic = new Traffic(haproxy);
    await until("it has requests", () => traffic.by("one") > 10);
    await stopPod(file, directory.path, { agent: () => agent.stop(), web: web.stop });
    const before = traffic.by("other");
    await until("the other has them all", () => traffic.by("other") > before + 50);
    await traffic.stop();
    expect(Object.keys(traffic.answers).toSorted()).toEqual(["one", "other"]);
  });
});

/**
 * Stops the containers of a pod as the kubelet does: each after its hook, all at once, and native
 * sidecars once the others have ended.
 */
async function stopPod(
  file: string,
  directory: string,
  processes: { agent: () => Promise<unknown>; web: () => Promise<unknown> },
): Promise<void> {
  const stop = async (name: string) => {
    const [program, ...args] = containerOf(file, name).lifecycle?.preStop?.exec.command ?? ["true"];
    const here = args.map((arg) => arg.replaceAll("/var/lib/hapgent", directory));
    await output([program ?? "", ...here], { limit: 60 });
    await (name === "web" ? processes.web() : processes.agent());
  };
  const isSidecar = containerOf(file, "hapgent").restartPolicy === "Always";
  if (isSidecar) {
    await stop("web");
    await stop("hapgent");
  } else await Promise.all([stop("web"), stop("hapgent")]);
}
