// The manifests have no field that Kubernetes does not know, and keep to the restricted standard. An
// agent with their variables is probed, restarted and stopped as the kubelet does it, in the order in
// which that stops containers: behind the HAProxy of the sample, no request fails.
import { expect, test } from "bun:test";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { swapDirectory } from "../config-map.ts";
import { HAPROXY_ENVIRONMENT, startHaproxy } from "../haproxy.ts";
import { startService, Traffic } from "../system/traffic.ts";

/** The manifests with an agent beside a service. */
const PODS = ["sidecar.yaml", "configmap.yaml"];

interface Action {
  readonly exec: { readonly command: string[] };
}

/** What the tests look at in a container. */
interface Container {
  readonly name: string;
  readonly restartPolicy?: string;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly startupProbe: Action;
  readonly livenessProbe: Action;
  readonly readinessProbe: Action;
  readonly lifecycle?: { readonly postStart?: Action; readonly preStop?: Action };
  readonly securityContext: object;
}

interface Pod {
  readonly enableServiceLinks?: boolean;
  readonly securityContext: object;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
}

/** An object of Kubernetes: a Deployment, or a ConfigMap, which has data. */
interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly data?: Readonly<Record<string, string>>;
  readonly spec: { readonly template: { readonly spec: Pod } };
}

function readManifests(file: string): Manifest[] {
  const text = readFileSync(`${ROOT}deploy/kubernetes/${file}`, "utf8");
  return [Bun.YAML.parse(text)].flat() as Manifest[];
}

/** The pod of a file, and its containers: native sidecars and the others. */
function readPod(file: string) {
  const deployment = readManifests(file).find(({ kind }) => kind === "Deployment");
  if (!deployment) throw new Error(`expected a Deployment in ${file}`);
  const pod = deployment.spec.template.spec;
  const containers = [...(pod.initContainers ?? []), ...pod.containers];
  const [agent, web] = ["hapgent", "web"].map((name) => containers.find((of) => of.name === name));
  return { pod, containers, agent, web };
}

/** The text of a file's ConfigMap. */
function readData(file: string): string | undefined {
  const data = readManifests(file).find((object) => object.data)?.data;
  return data && Object.values(data)[0];
}

/** Starts the agent of a pod, its paths below a directory. */
async function startPod(file: string, directory: string) {
  const { agent: container, web } = readPod(file);
  if (!container || !web) throw new Error(`expected an agent and a service in ${file}`);
  const here = (text: string) => text.replaceAll(/\/(var\/lib|etc)\/hapgent/g, directory);
  const env = Object.fromEntries(container.env.map(({ name, value }) => [name, here(value)]));
  const stateFile = join(directory, "state.json");
  const agent = await startAgent({ stateFile, env });
  const where = { HAPGENT_IP: "127.0.0.1", HAPGENT_PORT: String(agent.port) };
  return {
    agent,
    container,
    web,
    /** Probes the agent as the kubelet does, in the container's environment. */
    probe: ({ exec }: Action) =>
      outcome([EXECUTABLE, ...exec.command.slice(1)], { env: { ...env, ...where } }),
    /** Runs what belongs to a container's start or stop. */
    async run(action?: Action) {
      if (action) await output(action.exec.command.map(here));
    },
    /** Gives it the state that the pod starts with: from the service's hook or the ConfigMap. */
    async begin() {
      const text = readData(file);
      if (text === undefined) return await this.run(web.lifecycle?.postStart);
      swapDirectory(stateFile, text);
      symlinkSync("..data/state.json", stateFile);
    },
    [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose](),
  };
}

test("no manifest has a field that Kubernetes' types do not have", async () => {
  using directory = temporaryDirectory();
  symlinkSync(`${ROOT}test/node_modules`, join(directory.path, "node_modules"));
  const objects = [...PODS, "haproxy.yaml"].flatMap(readManifests);
  const lines = objects.map((object, index) => {
    const group = object.apiVersion.replace(".k8s.io", "").replace(/^v1$/, "core/v1");
    return `import type { ${object.kind} as K${index} } from "kubernetes-types/${group}";
export const object${index}: K${index} = ${JSON.stringify(object)};`;
  });
  writeFileSync(join(directory.path, "manifests.ts"), lines.join("\n"));
  const options = ["--strict", "--noEmit", "--skipLibCheck", "--module", "preserve", "--types", ""];
  const tsc = ["bun", `${ROOT}node_modules/typescript/bin/tsc`, "--ignoreConfig", ...options];
  await output([...tsc, "manifests.ts"], { cwd: directory.path });
});

test.each([...PODS, "haproxy.yaml"])("%s keeps to the restricted standard", (file) => {
  const { pod, containers } = readPod(file);
  expect(pod.securityContext).toMatchObject({
    runAsNonRoot: true,
    runAsUser: expect.any(Number),
    seccompProfile: { type: "RuntimeDefault" },
  });
  for (const { securityContext } of containers) {
    expect(securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
  }
});

test("haproxy.yaml has a configuration that HAProxy takes", async () => {
  using directory = temporaryDirectory();
  const file = join(directory.path, "haproxy.cfg");
  writeFileSync(file, readData("haproxy.yaml") ?? "");
  const check = ["haproxy", "-c", "-q", "-f", file];
  const { stderr, exitCode } = await outcome(check, { env: HAPROXY_ENVIRONMENT });
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
});

test.each(PODS)(
  "a pod of %s is healthy in any state, ready in its own, and so after a restart of its agent",
  async (file) => {
    using directory = temporaryDirectory();
    for (let start = 1; start <= 2; start += 1) {
      await using pod = await startPod(file, directory.path);
      const { agent, container, probe } = pod;
      const health = [container.startupProbe, container.livenessProbe];
      if (start === 1) {
        const fail = { exitCode: 0, stdout: expect.stringMatching(/^(FAIL|ready fail 100%)\n$/) };
        for (const each of health) expect(await probe(each)).toMatchObject(fail);
        expect((await probe(container.readinessProbe)).exitCode).toBe(2);
        await pod.begin();
      }
      await agent.answers("ready up 100%\n");
      expect((await probe(container.readinessProbe)).exitCode).toBe(0);
      agent.signal("SIGTERM");
      await pod.run(container.lifecycle?.preStop);
      await agent.answers("ready down 100%\n");
      await agent[Symbol.asyncDispose]();
      for (const each of health) expect((await probe(each)).exitCode).toBe(1);
    }
    // A Service named hapgent would set HAPGENT_PORT.
    expect(readPod(file).pod.enableServiceLinks).toBe(false);
  },
);

test.concurrent.each(PODS)("no request fails while a pod of %s stops", async (file) => {
  using directory = temporaryDirectory();
  await using pod = await startPod(file, directory.path);
  await pod.begin();
  await using web = startService("one");
  await using other = startService("other");
  // The lines of the sample, with the addresses of one pod.
  const [, options = ""] = /default-server (.*)/.exec(readData("haproxy.yaml") ?? "") ?? [];
  const server = options.replace("agent-port 9777", `agent-port ${pod.agent.port}`);
  await using haproxy = await startHaproxy(`
listen be
  bind unix@front.sock
  retries 0
  server s 127.0.0.1:${web.port} ${server} agent-addr 127.0.0.1 agent-send "web\\n"
  server other 127.0.0.1:${other.port} weight 100
`);
  await haproxy.shows({ agent_status: "L7OK" });
  await using traffic = new Traffic(haproxy);
  await traffic.served({ name: "one" });
  // The kubelet stops containers each after its hook, all at once; native sidecars after the others.
  const stopWeb = async () => {
    await pod.run(pod.web.lifecycle?.preStop);
    await web.stop();
  };
  const stopAgent = async () => {
    await pod.run(pod.container.lifecycle?.preStop);
    await pod.agent.stop();
  };
  if (pod.container.restartPolicy === "Always") await stopWeb().then(stopAgent);
  else await Promise.all([stopWeb(), stopAgent()]);
  await traffic.served({ name: "other" }, 50);
  expect((await traffic.stop()).failed).toEqual({});
});
