// The manifests have no field that Kubernetes does not know, keep to the restricted standard,
// and their commands do what they are there for.
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json";
import { startAgent } from "../../scripts/lib/agent.ts";
import { swapDirectory } from "../../scripts/lib/config-map.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { HAPROXY_ENVIRONMENT, startHaproxy } from "../../scripts/lib/haproxy.ts";
import { needPackages } from "../../scripts/lib/packages.ts";
import { outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { until } from "../../scripts/lib/until.ts";
import { startService, Traffic } from "../system/traffic.ts";

interface Probe {
  exec: { command: string[] };
}

/** What the tests look at in a container. */
interface Container {
  name: string;
  image: string;
  restartPolicy?: string;
  env: { name: string; value: string }[];
  startupProbe: Probe;
  livenessProbe: Probe;
  readinessProbe: Probe;
  lifecycle?: { postStart?: Probe; preStop?: Probe };
  resources: Record<"requests" | "limits", { memory: string }>;
  securityContext: object;
}

interface Deployment {
  kind: string;
  spec: {
    template: {
      spec: {
        enableServiceLinks?: boolean;
        securityContext: object;
        initContainers?: Container[];
        containers: Container[];
      };
    };
  };
}

const FILES = ["sidecar.yaml", "configmap.yaml"];

/** Where the types of Kubernetes have each kind. */
const GROUPS: Record<string, string> = {
  ...{ ConfigMap: "core/v1", Service: "core/v1", Deployment: "apps/v1" },
  ...{ NetworkPolicy: "networking/v1", PodDisruptionBudget: "policy/v1" },
};

const TYPES = `${ROOT}test/node_modules`;
const COMPILER = { strict: true, noEmit: true, skipLibCheck: true, module: "preserve", types: [] };

beforeAll(() => {
  needPackages("test", "the types of Kubernetes");
});

function read(file: string): string {
  return readFileSync(`${ROOT}deploy/kubernetes/${file}`, "utf8");
}

/** The objects of a file, one or several. */
function parse(text: string): Deployment[] {
  const objects: unknown = Bun.YAML.parse(text);
  return (Array.isArray(objects) ? objects : [objects]) as Deployment[];
}

function podOf(file: string): Deployment["spec"]["template"]["spec"] {
  const deployment = parse(read(file)).find(({ kind }) => kind === "Deployment");
  if (!deployment) throw new Error(`expected a Deployment in ${file}`);
  return deployment.spec.template.spec;
}

/** The containers of a file's pods: native sidecars and the others. */
function containersOf(file: string): Container[] {
  const { initContainers = [], containers } = podOf(file);
  return [...initContainers, ...containers];
}

function containerOf(file: string, name: string): Container {
  const found = containersOf(file).find((container) => container.name === name);
  if (!found) throw new Error(`expected a container ${name} in ${file}`);
  return found;
}

/**
 * Checks the objects of YAML texts against Kubernetes' types, which know every field, and returns
 * what the compiler said of each text.
 */
async function checkTypes(texts: readonly string[]): Promise<string[]> {
  using directory = temporaryDirectory();
  symlinkSync(TYPES, join(directory.path, "node_modules"));
  const files = texts.map((text, number) => {
    const lines = parse(text).map((object, index) => {
      const type = GROUPS[object.kind];
      return `import type { ${object.kind} as K${index} } from "kubernetes-types/${type}";
export const object${index}: K${index} = ${JSON.stringify(object)};`;
    });
    writeFileSync(join(directory.path, `text${number}.ts`), lines.join("\n"));
    return `text${number}.ts`;
  });
  const project = JSON.stringify({ compilerOptions: COMPILER, files });
  writeFileSync(join(directory.path, "tsconfig.json"), project);
  const tsc = ["bun", `${ROOT}node_modules/typescript/bin/tsc`];
  const { stdout } = await outcome([...tsc, "--pretty", "false"], { cwd: directory.path });
  return files.map((file) =>
    stdout
      .split("\n")
      .filter((line) => line.startsWith(`${file}(`))
      .join("\n"),
  );
}

/** Fields as they are spelt, and as somebody may misspell them. */
const MISSPELT = {
  podSelector: "podSelektor",
  maxUnavailable: "maxUnavailible",
  readinessProbe: "readynessProbe",
  startupProbe: "startUpProbe",
  livenessProbe: "livelinessProbe",
  enableServiceLinks: "enableServiceLink",
  readOnlyRootFilesystem: "readonlyRootFilesystem",
  mountPath: "mountpath",
  limits: "limit",
};

describe.each(FILES)("%s", (file) => {
  test("has no field that Kubernetes does not know, and a misspelt one is found", async () => {
    const text = read(file);
    const wrong = Object.entries(MISSPELT).map(([right, misspelt]) => {
      expect(text).toContain(`${right}:`);
      return text.replace(`${right}:`, `${misspelt}:`);
    });
    const [problems, ...found] = await checkTypes([text, ...wrong]);
    expect(problems).toBe("");
    for (const [i, misspelt] of Object.values(MISSPELT).entries()) {
      expect(found[i]).toContain(misspelt);
    }
  });

  test("has an agent of this version, with limits that were measured", () => {
    const sidecar = containerOf(file, "hapgent");
    expect(sidecar.image).toBe(`hapgent:${version}`);
    const unit = readFileSync(`${ROOT}deploy/systemd/hapgent.service`, "utf8");
    const measured = `${/^MemoryMax=(\d+)M$/m.exec(unit)?.[1]}Mi`;
    expect(sidecar.resources.limits.memory).toBe(measured);
    expect(sidecar.resources.requests.memory).toBe(measured);
  });

  test("gets no HAPGENT_PORT from a Service named hapgent", () => {
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

  test("keeps to the restricted Pod Security Standard", () => {
    expectRestricted(file);
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

function expectRestricted(file: string): void {
  expect(podOf(file).securityContext).toMatchObject({
    runAsNonRoot: true,
    runAsUser: expect.any(Number),
    seccompProfile: { type: "RuntimeDefault" },
  });
  for (const { securityContext } of containersOf(file)) {
    expect(securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
  }
}

describe("haproxy.yaml", () => {
  /** The ConfigMap's text. */
  const configuration = () => {
    const objects = parse(read("haproxy.yaml")) as unknown as { data?: Record<string, string> }[];
    return objects.find(({ data }) => data)?.data?.["haproxy.cfg"] ?? "";
  };

  test("has no field that Kubernetes does not know, and keeps to the restricted standard", async () => {
    expect(await checkTypes([read("haproxy.yaml")])).toEqual([""]);
    expectRestricted("haproxy.yaml");
  });

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

/** Starts an agent with a container's variables, its paths below a directory. */
async function startSidecar(file: string, directory: string) {
  const container = containerOf(file, "hapgent");
  const env: Record<string, string> = {};
  for (const { name, value } of container.env) {
    env[name] = value.replace(/^\/(var\/lib|etc)\/hapgent/, directory);
  }
  const stateFile = join(directory, "state.json");
  const agent = await startAgent({ stateFile, env });
  /** Runs a command of the container as the kubelet would, in the container's environment. */
  const execute = async ([program, ...args]: string[]) => {
    expect(program).toBe("hapgent");
    const where = { HAPGENT_IP: "127.0.0.1", HAPGENT_PORT: String(agent.port) };
    return await outcome([EXECUTABLE, ...args], { env: { ...env, ...where } });
  };
  return { agent, container, execute };
}

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
