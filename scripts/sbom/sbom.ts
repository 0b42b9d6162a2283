import { Enums, Models, Serialize, Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { PackageURL } from "packageurl-js";
import lock from "../../bun.lock";
import { author, description, homepage, name, repository, version } from "../../package.json";
import { readCommit, readCommitTime } from "../lib/git.ts";
import { licenseExpression } from "../lib/third-party.ts";
import { dependencies } from "./package.json";
import { describeRuntime, license, refer, supply } from "./runtime.ts";

const SPEC = Spec.Spec1dot6;

/** What writes it. */
const LIBRARY = "@cyclonedx/cyclonedx-library";

/** The packages that are shipped: their license, and where they come from. */
const SHIPPED_FROM: Readonly<Record<string, readonly [license: string, source: string]>> = {
  valibot: ["MIT", "https://github.com/open-circle/valibot"],
};

/** What the executable is made with, by the keys of the lockfile. */
const SHIPPED = findDependencies(lock.workspaces[""]?.dependencies);

if (import.meta.main) console.log(await formatSbom());

/**
 * The bill of materials as CycloneDX JSON: the Bun runtime with what is in it, and every package of
 * bun.lock. It is the same for the same commit: its time is the commit's, and its serial number is
 * made of commit and version. It has NTIA's minimum elements.
 */
async function formatSbom(): Promise<string> {
  const components = [describeRuntime(), ...describePackages()];
  const isShipped = ({ scope }: Models.Component) => scope === Enums.ComponentScope.Required;
  const shipped = components.filter(isShipped).map(({ bomRef }) => bomRef);
  const [, maker = author, email] = /^(.+) <(.+)>$/.exec(author) ?? [];
  const contact = new Models.OrganizationalContact({ name: maker, ...(email ? { email } : {}) });
  const contacts = new Models.OrganizationalContactRepository([contact]);
  const url = new Set([homepage]);
  const supplier = new Models.OrganizationalEntity({ name: maker, url, contact: contacts });
  const component = new Models.Component(Enums.ComponentType.Application, name, {
    bomRef: name,
    version,
    description,
    supplier,
    purl: new PackageURL("generic", undefined, name, version).toString(),
    licenses: license(licenseExpression()),
    externalReferences: refer(repository.url),
    dependencies: new Models.BomRefRepository(shipped),
  });
  const tool = new Models.Component(Enums.ComponentType.Library, LIBRARY, {
    version: dependencies[LIBRARY],
  });
  const bom = new Models.Bom({
    serialNumber: `urn:uuid:${Bun.randomUUIDv5(`${name}@${version} ${readCommit()}`, "url")}`,
    metadata: new Models.Metadata({
      timestamp: new Date(readCommitTime() * 1000),
      authors: contacts,
      supplier,
      tools: new Models.Tools({ components: new Models.ComponentRepository([tool]) }),
      component,
    }),
    components: new Models.ComponentRepository(components),
  });
  const normalizers = new Serialize.JSON.Normalize.Factory(SPEC);
  const text = new Serialize.JsonSerializer(normalizers).serialize(bom, { space: 2 });
  await validateSbom(text);
  return text;
}

/** @throws when a text is not as the schema of CycloneDX wants it; no unknown field is. */
export async function validateSbom(text: string): Promise<void> {
  const problem = await new Validation.JsonStrictValidator(SPEC.version).validate(text);
  if (problem === null) return;
  throw new Error(`expected valid CycloneDX ${SPEC.version}, got: ${JSON.stringify(problem)}`);
}

/** The packages of the lockfile: those in the executable, and those that build and test it. */
function describePackages(): Models.Component[] {
  const packages = new Map(Object.keys(lock.packages).map((key) => [key, describePackage(key)]));
  for (const [key, { dependencies }] of packages) {
    const { dependencies: needed, optionalDependencies: wanted } = readPackage(key).info;
    for (const dependency of Object.keys({ ...needed, ...wanted })) {
      const found = packages.get(dependency);
      if (found) dependencies.add(found.bomRef);
    }
  }
  return [...packages.values()];
}

function describePackage(key: string): Models.Component {
  const { id, integrity } = readPackage(key);
  const at = id.lastIndexOf("@");
  const [fullName, packageVersion] = [id.slice(0, at), id.slice(at + 1)];
  const [baseName = "", scope] = fullName.split("/").toReversed();
  const purl = new PackageURL("npm", scope, baseName, packageVersion).toString();
  const digest = /^sha512-(.+)$/.exec(integrity)?.[1];
  if (digest === undefined) throw new Error(`${key}: expected a sha512 integrity in bun.lock`);
  const hash = Buffer.from(digest, "base64").toString("hex");
  const isShipped = SHIPPED.has(key);
  const from = SHIPPED_FROM[fullName];
  if (isShipped && from === undefined) throw new Error(`${key}: expected it in SHIPPED_FROM`);
  return new Models.Component(Enums.ComponentType.Library, fullName, {
    bomRef: purl,
    version: packageVersion,
    scope: isShipped ? Enums.ComponentScope.Required : Enums.ComponentScope.Excluded,
    purl,
    ...(from && { licenses: license(from[0]), supplier: supply(from[1]) }),
    hashes: new Models.HashDictionary([[Enums.HashAlgorithm["SHA-512"], hash]]),
  });
}

/** The keys of these packages, and of those that they depend on. */
function findDependencies(
  dependencies: Record<string, string> = {},
  found = new Set<string>(),
): Set<string> {
  for (const key of Object.keys(dependencies)) {
    if (found.has(key)) continue;
    found.add(key);
    findDependencies(readPackage(key).info.dependencies, found);
  }
  return found;
}

/** What the lockfile says of a package, which must be one of a registry. */
function readPackage(key: string) {
  const entry = lock.packages[key];
  if (entry?.length !== 4) throw new Error(`${key}: expected a package of a registry in bun.lock`);
  const [id, , info, integrity] = entry;
  return { id, info, integrity };
}
