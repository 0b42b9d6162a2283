// The manifests have no field that Kubernetes does not know, keep to the restricted standard,
// and their commands do what they are there for.
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json";
import { startAgent } from "../../scripts/lib/agent.ts";
import { swapDirectory } from "../../scripts/lib/config-map.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
import { needPackages } from "../../scripts/lib/packages.ts";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";

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
  lifecycle?: { preStop?: { exec: { command: string[] } } };
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
        initContainers: Container[];
        containers: Container[];
      };
    };
  };
}

const FILES = ["sidecar.yaml", "configmap.yaml"];

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

function sidecarOf(file: string): Container {
  const [sidecar] = podOf(file).initContainers;
  if (!sidecar) throw new Error(`expected an init container in ${file}`);
  return sidecar;
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
      const type = object.kind === "ConfigMap" ? "core/v1" : "apps/v1";
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
  restartPolicy: "restartPolciy",
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

  test("is a native sidecar of this version, with limits that were measured", () => {
    const sidecar = sidecarOf(file);
    expect(sidecar.image).toBe(`hapgent:${version}`);
    expect(sidecar.restartPolicy).toBe("Always");
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
    await agent[Symbol.asyncDispose]();
    for (const { exec } of probes) expect((await execute(exec.command)).exitCode).toBe(1);
  });

  test("keeps to the restricted Pod Security Standard", () => {
    const pod = podOf(file);
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 65532,
      seccompProfile: { type: "RuntimeDefault" },
    });
    for (const { securityContext } of [...pod.initContainers, ...pod.containers]) {
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
    }
  });
});

/** Starts an agent with a container's variables, its paths below a directory. */
async function startSidecar(file: string, directory: string) {
  const container = sidecarOf(file);
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

test("the sidecar's commands work: it starts as FAIL, says what the service writes, and ends as DOWN", async () => {
  using directory = temporaryDirectory();
  const { agent, container, execute } = await startSidecar("sidecar.yaml", directory.path);
  await using _ = agent;
  expect(await execute(container.startupProbe.exec.command)).toMatchObject({
    exitCode: 0,
    stdout: "FAIL\n",
  });
  writeFileSync(join(directory.path, ".new"), '{"status":"UP"}');
  renameSync(join(directory.path, ".new"), join(directory.path, "state.json"));
  expect(await agent.ask()).toBe("UP\n");
  const { exitCode, stdout } = await execute(container.lifecycle?.preStop?.exec.command ?? []);
  expect({ exitCode, stdout }).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining("ok"),
  });
  expect(await agent.ask()).toBe("DOWN #pod is stopping\n");
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
