// The bill of materials has all that bun.lock has, says what is in the executable, is valid
// CycloneDX and the same each time.
import { beforeAll, expect, test } from "bun:test";
import * as v from "valibot";
import { dependencies, devDependencies, version } from "../../package.json";
import { readCommitTime } from "../../scripts/lib/git.ts";
import { outcome, output, ROOT } from "../../scripts/lib/shell.ts";

const SCRIPT = ["bun", "scripts/sbom/main.ts"];

/** The fields that we use, beyond what the schema demands. */
const COMPONENT = v.object({
  type: v.picklist(["application", "platform", "library"]),
  "bom-ref": v.string(),
  name: v.string(),
  version: v.string(),
  scope: v.optional(v.picklist(["required", "excluded"])),
  purl: v.optional(v.pipe(v.string(), v.regex(/^pkg:npm\/(%40[a-z-]+\/)?[a-z0-9-]+@[0-9.]+$/))),
  hashes: v.optional(
    v.tuple([
      v.object({
        alg: v.literal("SHA-512"),
        content: v.pipe(v.string(), v.regex(/^[0-9a-f]{128}$/)),
      }),
    ]),
  ),
});
const BOM = v.object({
  bomFormat: v.literal("CycloneDX"),
  specVersion: v.literal("1.6"),
  version: v.literal(1),
  serialNumber: v.optional(v.never()),
  metadata: v.object({
    timestamp: v.pipe(v.string(), v.isoTimestamp()),
    component: COMPONENT,
  }),
  components: v.array(COMPONENT),
  dependencies: v.array(v.object({ ref: v.string(), dependsOn: v.optional(v.array(v.string())) })),
});

let text: string;
let bom: v.InferOutput<typeof BOM>;
let validateSbom: (text: string) => Promise<void>;

beforeAll(async () => {
  text = await output(SCRIPT);
  // Its packages are there only now.
  ({ validateSbom } = await import(`${ROOT}scripts/sbom/sbom.ts`));
  bom = v.parse(BOM, JSON.parse(text));
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

test("every package says which others it depends on, all of which are listed", () => {
  const references = bom.components.map((component) => component["bom-ref"]);
  expect(bom.dependencies.map(({ ref }) => ref).toSorted()).toEqual(
    ["hapgent", ...references].toSorted(),
  );
  const types = bom.dependencies.find(({ ref }) => ref.startsWith("pkg:npm/%40types/bun@"));
  expect(types?.dependsOn).toEqual([expect.stringContaining("pkg:npm/bun-types@")]);
  const all = bom.dependencies.flatMap(({ dependsOn = [] }) => dependsOn);
  expect(all.filter((reference) => !references.includes(reference))).toEqual([]);
});

test("references are unique", () => {
  const references = bom.components.map((component) => component["bom-ref"]);
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
