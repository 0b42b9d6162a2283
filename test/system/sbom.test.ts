// The bill of materials is valid CycloneDX, has all that is in the executable with its origin, and is
// the same each time.
import { beforeAll, expect, test } from "bun:test";
import lock from "../../bun.lock";
import { dependencies, version } from "../../package.json";
import { readCommitTime } from "../../scripts/lib/git.ts";
import { RUNTIMES } from "../../scripts/lib/runtime.ts";
import { output, ROOT } from "../../scripts/lib/shell.ts";
import { PARTS } from "../../scripts/lib/third-party.ts";

interface Component {
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly supplier?: object;
  readonly licenses?: readonly object[];
  readonly hashes?: readonly { readonly content: string }[];
  readonly components?: readonly Component[];
}

interface Bom {
  readonly serialNumber: string;
  readonly metadata: { readonly timestamp: string; readonly component: Component };
  readonly components: readonly [Component, ...Component[]];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const SCRIPT = ["bun", "scripts/sbom.ts"];

let text: string;
let bom: Bom;

beforeAll(async () => {
  text = await output(SCRIPT);
  bom = JSON.parse(text);
});

test("it is valid", async () => {
  const { Spec, Validation } = await import(
    `${ROOT}test/node_modules/@cyclonedx/cyclonedx-library/dist.node/index.node.js`
  );
  const validator = new Validation.JsonStrictValidator(Spec.Spec1dot6.version);
  expect(await validator.validate(text)).toBeNull();
  expect(await validator.validate(text.replace('"scope"', '"scoop"'))).not.toBeNull();
}, 60_000);

test("it names this version, the runtime that builds it, and every package that is shipped", () => {
  expect(bom.metadata.component).toMatchObject({ name: "hapgent", version });
  expect(bom.components[0]).toMatchObject({ name: "bun", version: Bun.version });
  const packages = bom.components
    .slice(1)
    .map(({ name, version, hashes }) => [
      `${name}@${version}`,
      `sha512-${Buffer.from(hashes?.[0]?.content ?? "", "hex").toString("base64")}`,
    ]);
  const locked = Object.keys(dependencies).map((name) => {
    const [id = "", , , integrity = ""] = lock.packages[name] ?? [];
    return [id, integrity];
  });
  expect(packages).toEqual(locked);
});

test("inside of Bun are the runtime of each target, and the libraries that it is made of", () => {
  const { components = [] } = bom.components[0];
  const targets = Object.values(RUNTIMES).map(({ name, sha256 }) => [
    `@oven/${name}/bin/bun`,
    sha256,
  ]);
  expect(components.map(({ name, hashes }) => [name, hashes?.[0]?.content])).toEqual([
    ...targets,
    ...PARTS.map(({ name }) => [name, undefined]),
  ]);
});

test("everything has a supplier, a license and a place in the graph", () => {
  const all = bom.components.flatMap((component) => [component, ...(component.components ?? [])]);
  expect(all.filter(({ supplier, licenses }) => !supplier || !licenses?.length)).toEqual([]);
  const references = all.map((component) => component["bom-ref"]);
  expect(bom.dependencies.map(({ ref }) => ref)).toEqual(["hapgent", ...references]);
  expect(bom.dependencies.flatMap(({ dependsOn }) => dependsOn).toSorted()).toEqual(
    references.toSorted(),
  );
});

test("it is the same each time, of the time of the commit, with a number of its own", async () => {
  expect(await output(SCRIPT)).toBe(text);
  expect(bom.metadata.timestamp).toBe(new Date(readCommitTime() * 1000).toISOString());
  const other = JSON.parse(await output(SCRIPT, { env: { HAPGENT_COMMIT: "0123456789abcdef" } }));
  expect(other.serialNumber).not.toBe(bom.serialNumber);
  expect({ ...other, serialNumber: bom.serialNumber }).toEqual(bom);
});
