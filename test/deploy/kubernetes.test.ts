// The manifests have no field that Kubernetes does not know, keep to the restricted standard,
// and their commands do what they are there for.
import { describe, expect, test } from "bun:test";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json";
import { output, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { swapDirectory } from "../config-map.ts";
import {
  checkTypes,
  containerOf,
  expectRestricted,
  FILES,
  parse,
  podOf,
  read,
  startSidecar,
} from "./manifests.ts";

test.each([...FILES, "haproxy.yaml"])(
  "%s has no field that Kubernetes does not know, and keeps to the restricted standard",
  async (file) => {
    expect(await checkTypes(file)).toBe("");
    expectRestricted(file);
  },
);

describe.each(FILES)("%s", (file) => {
  test("has an agent of this version, with limits that were measured", () => {
    const sidecar = containerOf(file, "hapgent");
    expect(sidecar.image).toBe(`hapgent:${version}`);
    const unit = readFileSync(`${ROOT}deploy/systemd/hapgent.service`, "utf8");
    const measured = `${/^MemoryMax=(\d+)M$/m.exec(unit)?.[1]}Mi`;
    expect(sidecar.resources.limits.memory).toBe(measured);
    expect(sidecar.resources.requests.memory).toBe(measured);
    // A Service named hapgent would give it a HAPGENT_PORT.
    expect(podOf(file).enableServiceLinks).toBe(false);
  });

  test("its probes ask the agent as HAProxy does, and take any state for healthy", async () => {
    using directory = temporaryDirectory();
    const { agent, container, execute } = await startSidecar(file, directory.path);
    const probes = [container.startupProbe, container.livenessProbe];
    for (const { exec } of probes) {
      const { exitCode, stdout } = await execute(exec.command);
      expect({ exitCode, stdout }).toEqual({
        exitCode: 0,
        stdout: expect.stringMatching(/^(FAIL|ready fail 100%)\n$/),
      });
    }
    // Only readiness follows the state.
    const { exec: readiness } = container.readinessProbe;
    expect((await execute(readiness.command)).exitCode).toBe(2);
    agent.change({ status: "UP" });
    await until("it is ready", async () => (await execute(readiness.command)).exitCode === 0);
    await agent[Symbol.asyncDispose]();
    for (const { exec } of probes) expect((await execute(exec.command)).exitCode).toBe(1);
  });

  test("answers the same after its container alone has restarted", async () => {
    expect(containerOf(file, "hapgent").lifecycle).toBeUndefined();
    using directory = temporaryDirectory();
    writeFileSync(join(directory.path, "state.json"), '{"status":"UP"}');
    for (let start = 1; start <= 2; start += 1) {
      const { agent } = await startSidecar(file, directory.path);
      await using _ = agent;
      expect(await agent.ask()).toBe("ready up 100%\n");
      agent.signal("SIGTERM");
      await agent.answers("ready down 100%\n");
    }
  });
});

test("the service's hooks write the sidecar's state: FAIL, then UP, and DOWN before it stops", async () => {
  using directory = temporaryDirectory();
  const { agent, container, execute } = await startSidecar("sidecar.yaml", directory.path);
  await using _ = agent;
  expect(container.restartPolicy).toBe("Always");
  expect((await execute(container.startupProbe.exec.command)).stdout).toBe("ready fail 100%\n");
  const { postStart, preStop } = containerOf("sidecar.yaml", "web").lifecycle ?? {};
  const replies: string[] = [];
  for (const hook of [postStart, preStop]) {
    const command = hook?.exec.command.map((word) =>
      word.replaceAll("/var/lib/hapgent", directory.path).replace(/sleep \d+/, "true"),
    );
    await output(command ?? []);
    replies.push(await agent.ask());
  }
  expect(replies).toEqual(["ready up 100%\n", "ready down 100%\n"]);
});

test("the sidecar follows a ConfigMap as the kubelet swaps it", async () => {
  using directory = temporaryDirectory();
  const file = join(directory.path, "state.json");
  const [map] = parse(read("configmap.yaml")) as unknown as { data: Record<string, string> }[];
  swapDirectory(file, map?.data["state.json"] ?? "");
  symlinkSync("..data/state.json", file);
  const { agent } = await startSidecar("configmap.yaml", directory.path);
  await using _ = agent;
  expect(await agent.ask()).toBe("ready up 100%\n");
  swapDirectory(file, '{"status": "DRAIN", "weight": 50}');
  expect(await agent.ask()).toBe("up drain 50%\n");
});
