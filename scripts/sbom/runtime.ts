import { Enums, Models } from "@cyclonedx/cyclonedx-library";
import { PackageURL } from "packageurl-js";
import { RUNTIMES } from "../lib/runtime.ts";
import { PARTS, type Part, RUNTIME } from "../lib/third-party.ts";

const { ComponentScope, ComponentType, ExternalReferenceType, HashAlgorithm } = Enums;

/**
 * The runtime, which is in every executable: inside it the runtime of each target with its checksum,
 * and what they are made of. Advisories name Bun by its npm package.
 */
export function describeRuntime(): Models.Component {
  const inside = [...Object.values(RUNTIMES).map(describeTarget), ...PARTS.map(describePart)];
  const refs = inside.map(({ bomRef }) => bomRef);
  return new Models.Component(ComponentType.Platform, "bun", {
    bomRef: `pkg:npm/bun@${RUNTIME.version}`,
    purl: `pkg:npm/bun@${RUNTIME.version}`,
    version: RUNTIME.version,
    description: `The runtime that each executable starts with, revision ${RUNTIME.revision}`,
    scope: ComponentScope.Required,
    supplier: supply(RUNTIME.source),
    licenses: license(RUNTIME.license),
    externalReferences: refer(RUNTIME.source),
    components: new Models.ComponentRepository(inside),
    dependencies: new Models.BomRefRepository(refs),
  });
}

/** The file that the executable of a target starts with. */
function describeTarget({ name, sha256 }: { name: string; sha256: string }): Models.Component {
  const purl = new PackageURL("npm", "@oven", name, RUNTIME.version).toString();
  return new Models.Component(ComponentType.File, `@oven/${name}/bin/bun`, {
    bomRef: purl,
    purl,
    version: RUNTIME.version,
    scope: ComponentScope.Required,
    supplier: supply(RUNTIME.source),
    licenses: license(RUNTIME.license),
    hashes: new Models.HashDictionary([[HashAlgorithm["SHA-256"], sha256]]),
  });
}

/** A library inside of the runtime; where Bun does not tell its version, it is that of this Bun. */
function describePart({ name, license: terms, source, version, cpe }: Part): Models.Component {
  const [, owner, project] = /^https:\/\/github\.com\/([^/]+)\/([^/]+)$/.exec(source) ?? [];
  const kind = owner === undefined || version?.includes(".") ? "generic" : "github";
  const of = kind === "github" ? owner : undefined;
  const title = kind === "github" ? (project ?? name) : name.toLowerCase().replaceAll(/\W+/g, "-");
  const purl = new PackageURL(kind, of, title, version).toString();
  return new Models.Component(ComponentType.Library, name, {
    bomRef: purl,
    purl,
    ...(cpe === undefined ? {} : { cpe }),
    version: version ?? `that of bun ${RUNTIME.version}`,
    scope: ComponentScope.Required,
    supplier: supply(source),
    licenses: license(terms),
    externalReferences: refer(source),
  });
}

/** Who supplies what is at this address: its owner there. */
export function supply(source: string): Models.OrganizationalEntity {
  const { hostname, pathname } = new URL(source);
  const name = hostname === "github.com" ? pathname.split("/")[1] : hostname;
  return new Models.OrganizationalEntity({ name: name || hostname, url: new Set([source]) });
}

export function license(expression: string): Models.LicenseRepository {
  const isOne = /^[\w.-]+$/.test(expression);
  const terms = isOne
    ? new Models.SpdxLicense(expression)
    : new Models.LicenseExpression(expression);
  return new Models.LicenseRepository([terms]);
}

export function refer(source: string): Models.ExternalReferenceRepository {
  const reference = new Models.ExternalReference(source, ExternalReferenceType.VCS);
  return new Models.ExternalReferenceRepository([reference]);
}
