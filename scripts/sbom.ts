// Prints the software bill of materials, CycloneDX 1.6: what is in an executable. It is the same for
// the same commit: its time is the commit's, and its serial number is made of commit and version. It
// has NTIA's minimum elements.
import lock from "../bun.lock";
import {
  author,
  dependencies,
  description,
  homepage,
  name,
  repository,
  version,
} from "../package.json";
import { readCommit, readCommitTime } from "./lib/git.ts";
import { RUNTIMES } from "./lib/runtime.ts";
import { licenseExpression, PARTS, type Part, RUNTIME } from "./lib/third-party.ts";

/** A component; what it depends on is what is in it. */
interface Component {
  readonly "bom-ref": string;
  readonly components?: readonly Component[];
  readonly [field: string]: unknown;
}

/** The packages that are in an executable: their license, and where they come from. */
const PACKAGES: Readonly<Record<string, readonly [license: string, source: string]>> = {
  valibot: ["MIT", "https://github.com/open-circle/valibot"],
};

/** How advisories name what they do not name by its source. */
const CPES: Readonly<Record<string, string>> = {
  ICU: "unicode:international_components_for_unicode",
  SQLite: "sqlite:sqlite",
};

if (import.meta.main) console.log(formatSbom());

/** The bill of materials as JSON. */
export function formatSbom(): string {
  const [, maker = author, email] = /^(.+) <(.+)>$/.exec(author) ?? [];
  const contact = { name: maker, ...(email && { email }) };
  const supplier = { name: maker, url: [homepage], contact: [contact] };
  const parts = [describeRuntime(), ...Object.keys(dependencies).map(describePackage)];
  const application = {
    ...{ type: "application", "bom-ref": name, name, version, description, supplier },
    purl: `pkg:generic/${name}@${version}`,
    ...describeOrigin(licenseExpression(), repository.url),
  };
  const bom = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${Bun.randomUUIDv5(`${name}@${version} ${readCommit()}`, "url")}`,
    version: 1,
    metadata: {
      timestamp: new Date(readCommitTime() * 1000).toISOString(),
      authors: [contact],
      component: application,
      supplier,
    },
    components: parts,
    dependencies: listDependencies({ ...application, components: parts }),
  };
  return JSON.stringify(bom, null, 2);
}

/** Of each component what is in it, and so what it depends on. */
function listDependencies(component: Component): object[] {
  const { "bom-ref": ref, components = [] } = component;
  const dependsOn = components.map((inside) => inside["bom-ref"]);
  return [{ ref, dependsOn }, ...components.flatMap(listDependencies)];
}

/**
 * The runtime, which is in every executable: inside it the runtime of each target with its checksum,
 * and what they are made of. Advisories name Bun by its npm package.
 */
function describeRuntime(): Component {
  const { version: of, revision, license, source } = RUNTIME;
  return {
    ...describe("platform", "bun", of, `pkg:npm/bun@${of}`),
    description: `The runtime that each executable starts with, revision ${revision}`,
    ...describeOrigin(license, source),
    supplier: supply(source),
    components: [
      ...Object.values(RUNTIMES).map(({ name: target, sha256 }) => ({
        ...describe("file", `@oven/${target}/bin/bun`, of, `pkg:npm/%40oven/${target}@${of}`),
        ...describeOrigin(license, source),
        supplier: supply(source),
        hashes: [{ alg: "SHA-256", content: sha256 }],
      })),
      ...PARTS.map(describePart),
    ],
  };
}

/** A library inside of the runtime; where Bun does not tell its version, it is that of this Bun. */
function describePart({ name: title, license, source, version: of }: Part): Component {
  const [, project] = /^https:\/\/github\.com\/([^/]+\/[^/]+)$/.exec(source) ?? [];
  const purl =
    project === undefined || of?.includes(".")
      ? `pkg:generic/${title.toLowerCase().replaceAll(/\W+/g, "-")}`
      : `pkg:github/${project.toLowerCase()}`;
  const cpe = CPES[title];
  return {
    ...describe(
      "library",
      title,
      of ?? `that of bun ${RUNTIME.version}`,
      purl + (of ? `@${of}` : ""),
    ),
    ...(cpe && { cpe: `cpe:2.3:a:${cpe}:${of}:*:*:*:*:*:*:*` }),
    ...describeOrigin(license, source),
    supplier: supply(source),
  };
}

/** A package with the integrity that the lockfile pins. */
function describePackage(key: string): Component {
  const entry = lock.packages[key];
  const [license, source] = PACKAGES[key] ?? [];
  if (entry?.length !== 4) throw new Error(`${key}: expected a package of a registry in bun.lock`);
  const [id, , info, integrity] = entry;
  if (license === undefined || source === undefined || info.dependencies !== undefined) {
    throw new Error(`${key}: expected it, and what it depends on, in PACKAGES`);
  }
  const [, digest] = /^sha512-(.+)$/.exec(integrity) ?? [];
  if (digest === undefined) throw new Error(`${key}: expected a sha512 integrity in bun.lock`);
  return {
    ...describe("library", key, id.slice(key.length + 1), `pkg:npm/${id}`),
    ...describeOrigin(license, source),
    supplier: supply(source),
    hashes: [{ alg: "SHA-512", content: Buffer.from(digest, "base64").toString("hex") }],
  };
}

function describe(type: string, title: string, of: string, purl: string): Component {
  return { type, "bom-ref": purl, name: title, version: of, scope: "required", purl };
}

/** The license of a component, and where its source is. */
function describeOrigin(expression: string, source: string) {
  const isOne = /^[\w.-]+$/.test(expression);
  return {
    licenses: [isOne ? { license: { id: expression } } : { expression }],
    externalReferences: [{ type: "vcs", url: source }],
  };
}

/** Who supplies what is at this address: its owner there. */
function supply(source: string) {
  const { hostname, pathname } = new URL(source);
  const owner = hostname === "github.com" ? pathname.split("/")[1] : hostname;
  return { name: owner || hostname, url: [source] };
}
