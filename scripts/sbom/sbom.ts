import { Enums, Models, Serialize, Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { PackageURL } from "packageurl-js";
import lock from "../../bun.lock";
import { description, license, name, version } from "../../package.json";
import { readCommitTime } from "../lib/git.ts";

const SPEC = Spec.Spec1dot6;

/** What the executable is made with, by the keys of the lockfile. */
const SHIPPED = findDependencies(lock.workspaces[""]?.dependencies);

if (import.meta.main) console.log(await formatSbom());

/**
 * The bill of materials as CycloneDX JSON: the Bun runtime, and every package of bun.lock. It is
 * the same for the same commit: its time is the commit's, and it has no serial number.
 */
async function formatSbom(): Promise<string> {
  const components = [describeRuntime(), ...describePackages()];
  const isShipped = ({ scope }: Models.Component) => scope === Enums.ComponentScope.Required;
  const shipped = components.filter(isShipped).map(({ bomRef }) => bomRef);
  const component = new Models.Component(Enums.ComponentType.Application, name, {
    bomRef: name,
    version,
    description,
    licenses: new Models.LicenseRepository([new Models.SpdxLicense(license)]),
    dependencies: new Models.BomRefRepository(shipped),
  });
  const bom = new Models.Bom({
    metadata: new Models.Metadata({ timestamp: new Date(readCommitTime() * 1000), component }),
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

/** The runtime is in every executable; its own license text lists what is linked into it. */
function describeRuntime(): Models.Component {
  const terms = "MIT; holds JavaScriptCore, LGPL-2, and others";
  return new Models.Component(Enums.ComponentType.Platform, "bun", {
    bomRef: `bun@${Bun.version}`,
    version: Bun.version,
    description: `The runtime that each executable starts with, revision ${Bun.revision}`,
    scope: Enums.ComponentScope.Required,
    licenses: new Models.LicenseRepository([new Models.NamedLicense(terms)]),
  });
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
  return new Models.Component(Enums.ComponentType.Library, fullName, {
    bomRef: purl,
    version: packageVersion,
    scope: SHIPPED.has(key) ? Enums.ComponentScope.Required : Enums.ComponentScope.Excluded,
    purl,
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
