// The bill of materials has all that bun.lock has, says what is in the executable, is valid
// CycloneDX and the same each time.
import { beforeAll, expect, test } from "bun:test";
import * as v from "valibot";
import { dependencies, devDependencies, version } from "../../package.json";
import { readCommitTime } from "../../scripts/lib/git.ts";
import { RUNTIMES } from "../../scripts/lib/runtime.ts";
import { outcome, output, ROOT } from "../../scripts/lib/shell.ts";
import { PARTS } from "../../scripts/lib/third-party.ts";

const SCRIPT = ["bun", "scripts/sbom/main.ts"];

const HASH = v.variant("alg", [
  v.object({
    alg: v.literal("SHA-512"),
    content: v.pipe(v.string(), v.regex(/^[0-9a-f]{128}$/)),
  }),
  v.object({
    alg: v.literal("SHA-256"),
    content: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  }),
]);
const SUPPLIER = v.object({ name: v.string() });
/** The fields that we use, beyond what the schema demands. */
const PART = v.object({
  type: v.picklist(["application", "platform", "library", "file"]),
  "bom-ref": v.string(),
  name: v.string(),
  version: v.string(),
  scope: v.optional(v.picklist(["required", "excluded"])),
  supplier: v.optional(SUPPLIER),
  licenses: v.optional(v.array(v.unknown())),
  purl: v.pipe(v.string(), v.regex(/^pkg:(npm|github|generic)\/[^ ]+$/)),
  hashes: v.optional(v.tuple([HASH])),
});
const COMPONENT = v.object({ ...PART.entries, components: v.optional(v.array(PART), []) });
const BOM = v.object({
  bomFormat: v.literal("CycloneDX"),
  specVersion: v.literal("1.6"),
  version: v.literal(1),
  serialNumber: v.pipe(v.string(), v.regex(/^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)),
  metadata: v.object({
    timestamp: v.pipe(v.string(), v.isoTimestamp()),
    authors: v.tuple([SUPPLIER]),
    supplier: SUPPLIER,
    tools: v.object({ components: v.tuple([v.object({ name: v.string(), version: v.string() })]) }),
    component: COMPONENT,
  }),
  components: v.array(COMPONENT),
  dependencies: v.array(v.object({ ref: v.string(), dependsOn: v.optional(v.array(v.string())) })),
});

let text: string;
let bom: v.InferOutput<typeof BOM>;
/** All components, those inside of others too. */
let all: v.InferOutput<typeof PART>[];
let validateSbom: (text: string) => Promise<void>;

beforeAll(async () => {
  text = await output(SCRIPT);
  // Its packages are there only now.
  ({ validateSbom } = await import(`${ROOT}scripts/sbom/sbom.ts`));
  bom = v.parse(BOM, JSON.parse(text));
  all = bom.components.flatMap((component) => [component, ...component.components]);
}, 60_000);

test("it names this version, and the runtime that builds it", () => {
  expect(bom.metadata.component).toMatchObject({ name: "hapgent", version });
  expect(bom.components[0]).toMatchObject({ name: "bun", version: Bun.version });
});

test("it has every package of bun.lock with its integrity", async () => {
  const lockfile = await Bun.file(`${ROOT}bun.lock`).text();
  const locked = [...lockfile.matchAll(/^ {4}"[^"]+": \["([^"]+)", .*"sha512-([^"]+)"\],$/gm)];
  const expected = locked.map(([, id, digest = ""]) => {
    return `${id} ${Buffer.from(digest, "base64").toString("hex")}`;
  });
  const found = bom.components
    .filter(({ type }) => type === "library")
    .map((part) => `${part.name}@${part.version} ${part.hashes?.[0].content}`);
  expect(found).toEqual(expected);
  expect(found.length).toBeGreaterThan(Object.keys(devDependencies).length);
});

test("what is in the executable is told from what builds it", () => {
  const required = bom.components.filter(({ scope }) => scope === "required");
  expect(required.map(({ name }) => name)).toEqual(["bun", ...Object.keys(dependencies)]);
  expect(bom.dependencies.filter(({ ref }) => ref === "hapgent")).toEqual([
    { ref: "hapgent", dependsOn: required.map((component) => component["bom-ref"]) },
  ]);
});

test("inside of Bun are the runtime of each target, and the libraries that it is made of", () => {
  const [{ components } = { components: [] }] = bom.components;
  const files = components.filter(({ type }) => type === "file");
  expect(files.map(({ purl, hashes }) => [purl, hashes?.[0].content])).toEqual(
    Object.values(RUNTIMES).map(({ name, sha256 }) => [
      `pkg:npm/%40oven/${name}@${Bun.version}`,
      sha256,
    ]),
  );
  const libraries = components.filter(({ type }) => type === "library");
  expect(libraries.map(({ name }) => name)).toEqual(PARTS.map(({ name }) => name));
});

test("what is shipped has a supplier, a license and a place in the graph", () => {
  const shipped = all.filter(({ scope }) => scope === "required");
  expect(shipped.length).toBeGreaterThan(PARTS.length);
  expect(shipped.filter(({ supplier, licenses }) => !supplier || !licenses?.length)).toEqual([]);
  const [bun] = bom.components;
  const graph = bom.dependencies.find(({ ref }) => ref === bun?.["bom-ref"]);
  const inside = bun?.components.map((component) => component["bom-ref"]) ?? [];
  expect(graph?.dependsOn?.toSorted()).toEqual(inside.toSorted());
});

test("its serial number is that of the commit and the version", async () => {
  const env = { HAPGENT_COMMIT: "0123456789abcdef" };
  const other = v.parse(BOM, JSON.parse(await output(SCRIPT, { env })));
  expect(other.serialNumber).not.toBe(bom.serialNumber);
  expect({ ...other, serialNumber: bom.serialNumber }).toEqual(bom);
});

test("every package says which others it depends on, all of which are listed", () => {
  const references = all.map((component) => component["bom-ref"]);
  expect(bom.dependencies.map(({ ref }) => ref).toSorted()).toEqual(
    ["hapgent", ...references].toSorted(),
  );
  const types = bom.dependencies.find(({ ref }) => ref.startsWith("pkg:npm/%40types/bun@"));
  expect(types?.dependsOn).toEqual([expect.stringContaining("pkg:npm/bun-types@")]);
  const needed = bom.dependencies.flatMap(({ dependsOn = [] }) => dependsOn);
  expect(needed.filter((reference) => !references.includes(reference))).toEqual([]);
});

test("references are unique", () => {
  const references = all.map((component) => component["bom-ref"]);
  expect(new Set(references).size).toBe(references.length);
});

test("it is the same each time, and has the time of the commit", async () => {
  expect(await output(SCRIPT)).toBe(text);
  expect(bom.metadata.timestamp).toBe(new Date(readCommitTime() * 1000).toISOString());
});

test("it is valid", async () => {
  expect(await validateSbom(text)).toBeUndefined();
});

test.each([
  [
    "a type that CycloneDX does not know",
    (json: string) => json.replace('"library"', '"libary"'),
    "must be equal to one of the allowed values",
  ],
  [
    "a field that it does not know",
    (json: string) => json.replace('"scope"', '"scoop"'),
    "must NOT have additional properties",
  ],
  [
    "no name",
    (json: string) => json.replace('"name": "bun",', ""),
    "must have required property 'name'",
  ],
])("the schema refuses %s", async (_, change, problem) => {
  await expect(validateSbom(change(text))).rejects.toThrow(problem);
});

test("the script keeps to the types of its library", async () => {
  expect(await outcome(["bun", "x", "tsc", "--project", "scripts/sbom"])).toMatchObject({
    stdout: "",
    exitCode: 0,
  });
});
