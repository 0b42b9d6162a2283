import { expect } from "bun:test";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startAgent } from "../../scripts/lib/agent.ts";
import { EXECUTABLE } from "../../scripts/lib/executable.ts";
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

/** The manifests with an agent beside a service. */
export const FILES = ["sidecar.yaml", "configmap.yaml"];

/** Where the types of Kubernetes have each kind. */
const GROUPS: Record<string, string> = {
  ...{ ConfigMap: "core/v1", Service: "core/v1", Deployment: "apps/v1" },
  ...{ NetworkPolicy: "networking/v1", PodDisruptionBudget: "policy/v1" },
};

const TYPES = `${ROOT}test/node_modules`;
const COMPILER = { strict: true, noEmit: true, skipLibCheck: true, module: "preserve", types: [] };

/** The text of a manifest. */
export function read(file: string): string {
  return readFileSync(`${ROOT}deploy/kubernetes/${file}`, "utf8");
}

/** The objects of a file, one or several. */
export function parse(text: string): Deployment[] {
  const objects: unknown = Bun.YAML.parse(text);
  return (Array.isArray(objects) ? objects : [objects]) as Deployment[];
}

/** The pod of a file's Deployment. */
export function podOf(file: string): Deployment["spec"]["template"]["spec"] {
  const deployment = parse(read(file)).find(({ kind }) => kind === "Deployment");
  if (!deployment) throw new Error(`expected a Deployment in ${file}`);
  return deployment.spec.template.spec;
}

/** The containers of a file's pods: native sidecars and the others. */
function containersOf(file: string): Container[] {
  const { initContainers = [], containers } = podOf(file);
  return [...initContainers, ...containers];
}

/** A container of a file's pods, by its name. */
export function containerOf(file: string, name: string): Container {
  const found = containersOf(file).find((container) => container.name === name);
  if (!found) throw new Error(`expected a container ${name} in ${file}`);
  return found;
}

/**
 * Checks the objects of a manifest against Kubernetes' types, which know every field, and returns
 * what the compiler says.
 */
export async function checkTypes(file: string): Promise<string> {
  using directory = temporaryDirectory();
  symlinkSync(TYPES, join(directory.path, "node_modules"));
  const lines = parse(read(file)).map((object, index) => {
    const type = GROUPS[object.kind];
    return `import type { ${object.kind} as K${index} } from "kubernetes-types/${type}";
export const object${index}: K${index} = ${JSON.stringify(object)};`;
  });
  writeFileSync(join(directory.path, "manifest.ts"), lines.join("\n"));
  const project = JSON.stringify({ compilerOptions: COMPILER, files: ["manifest.ts"] });
  writeFileSync(join(directory.path, "tsconfig.json"), project);
  const tsc = ["bun", `${ROOT}node_modules/typescript/bin/tsc`, "--pretty", "false"];
  return (await outcome(tsc, { cwd: directory.path })).stdout;
}

/** Expects the pods of a file to keep to the restricted Pod Security Standard. */
export function expectRestricted(file: string): void {
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

/** Starts an agent with a container's variables, its paths below a directory. */
export async function startSidecar(file: string, directory: string) {
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
