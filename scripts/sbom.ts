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
  const origin = [licenseExpression(), repository.url] as const;
  const application = describe("application", name, version, `pkg:generic/${name}`, origin, {
    ...{ "bom-ref": name, description, supplier },
  });
  const components = [describeRuntime(), ...Object.keys(dependencies).map(describePackage)];
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
    components,
    dependencies: listDependencies({ ...application, components }),
  };
  return JSON.stringify(bom, null, 2);
}

/** Of each component what is in it, and so what it depends on. */
function listDependencies({ "bom-ref": ref, components = [] }: Component): object[] {
  const dependsOn = components.map((inside) => inside["bom-ref"]);
  return [{ ref, dependsOn }, ...components.flatMap(listDependencies)];
}

/**
 * The runtime, which is in every executable: inside it the runtime of each target with its checksum,
 * and what they are made of. Advisories name Bun by its npm package.
 */
function describeRuntime(): Component {
  const { version: of, revision, license, source } = RUNTIME;
  const origin = [license, source] as const;
  const targets = Object.values(RUNTIMES).map(({ name: target, sha256 }) =>
    describe("file", `@oven/${target}/bin/bun`, of, `pkg:npm/%40oven/${target}`, origin, {
      hashes: [{ alg: "SHA-256", content: sha256 }],
    }),
  );
  return describe("platform", "bun", of, "pkg:npm/bun", origin, {
    description: `The runtime that each executable starts with, revision ${revision}`,
    components: [...targets, ...PARTS.map(describePart)],
  });
}

/** A library inside of the runtime; where Bun does not tell its version, it is that of this Bun. */
function describePart({ name: title, license, source, version: of }: Part): Component {
  const [, project] = /^https:\/\/github\.com\/([^/]+\/[^/]+)$/.exec(source) ?? [];
  const purl =
    project === undefined || of?.includes(".")
      ? `pkg:generic/${title.toLowerCase().replaceAll(/\W+/g, "-")}`
      : `pkg:github/${project.toLowerCase()}`;
  const cpe = CPES[title];
  return describe("library", title, of, purl, [license, source], {
    ...(cpe && { cpe: `cpe:2.3:a:${cpe}:${of}:*:*:*:*:*:*:*` }),
  });
}

/** A package with the integrity that the lockfile pins. */
function describePackage(key: string): Component {
  const [id = "", , , integrity = ""] = lock.packages[key] ?? [];
  const origin = PACKAGES[key];
  if (origin === undefined) throw new Error(`expected ${key} in PACKAGES`);
  const content = Buffer.from(integrity.replace("sha512-", ""), "base64").toString("hex");
  return describe("library", key, id.slice(key.length + 1), `pkg:npm/${key}`, origin, {
    hashes: [{ alg: "SHA-512", content }],
  });
}

/** A component; its supplier is the owner of the place where its source is. */
function describe(
  type: string,
  title: string,
  of: string | undefined,
  place: string,
  [license, source]: readonly [license: string, source: string],
  more: object,
): Component {
  const { hostname, pathname } = new URL(source);
  const owner = hostname === "github.com" ? pathname.split("/")[1] : hostname;
  const purl = of === undefined ? place : `${place}@${of}`;
  return {
    ...{ type, "bom-ref": purl, name: title, version: of ?? `that of bun ${RUNTIME.version}` },
    ...{ scope: "required", purl },
    licenses: [/^[\w.-]+$/.test(license) ? { license: { id: license } } : { expression: license }],
    externalReferences: [{ type: "vcs", url: source }],
    supplier: { name: owner || hostname, url: [source] },
    ...more,
  };
}
