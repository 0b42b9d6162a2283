import { expect, test } from "bun:test";
import * as v from "valibot";
import { dependencies, devDependencies, version } from "../package.json";
import { ROOT } from "../scripts/lib/shell.ts";
import { formatSbom } from "../scripts/sbom.ts";

/** What CycloneDX 1.6 demands of the fields that we use. */
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
  metadata: v.object({
    timestamp: v.pipe(v.string(), v.isoTimestamp()),
    component: COMPONENT,
  }),
  components: v.array(COMPONENT),
  dependencies: v.array(v.object({ ref: v.string(), dependsOn: v.array(v.string()) })),
});

const bom = v.parse(BOM, JSON.parse(formatSbom()));

test("it names this version, and the runtime that builds it", () => {
  expect(bom.metadata.component).toMatchObject({ name: "hapgent", version });
  expect(bom.components[0]).toMatchObject({ name: "bun", version: Bun.version });
});

test("it has every package of bun.lock with its integrity", async () => {
  const text = await Bun.file(`${ROOT}bun.lock`).text();
  const locked = [...text.matchAll(/^ {4}"[^"]+": \["([^"]+)", .*"sha512-([^"]+)"\],$/gm)];
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
  expect(bom.dependencies).toEqual([
    { ref: "hapgent", dependsOn: required.map((component) => component["bom-ref"]) },
  ]);
});

test("references are unique", () => {
  const references = bom.components.map((component) => component["bom-ref"]);
  expect(new Set(references).size).toBe(references.length);
});
