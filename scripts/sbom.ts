// Prints the software bill of materials, in CycloneDX 1.6: the Bun runtime, and every package of
// bun.lock.
import lock from "../bun.lock";
import { description, license, name, version } from "../package.json";
import { capture } from "./lib/shell.ts";

if (import.meta.main) console.log(formatSbom());

/** The bill of materials as JSON, the same for the same commit. */
export function formatSbom(): string {
  const seconds = Number(capture(["git", "log", "-1", "--format=%ct"]));
  // The runtime is in every executable; its own license text lists what is linked into it.
  const runtime = {
    type: "platform",
    "bom-ref": `bun@${Bun.version}`,
    name: "bun",
    version: Bun.version,
    description: `The runtime that each executable starts with, revision ${Bun.revision}`,
    scope: "required",
    licenses: [{ license: { name: "MIT; holds JavaScriptCore, LGPL-2, and others" } }],
  };
  const packages = listPackages();
  const shipped = packages.filter(({ scope }) => scope === "required").map(({ purl }) => purl);
  const bom = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      timestamp: new Date(seconds * 1000).toISOString(),
      component: {
        type: "application",
        "bom-ref": name,
        name,
        version,
        description,
        licenses: [{ license: { id: license } }],
      },
    },
    components: [runtime, ...packages],
    dependencies: [{ ref: name, dependsOn: [runtime["bom-ref"], ...shipped] }],
  };
  return `${JSON.stringify(bom, null, 2)}\n`;
}

/**
 * The packages of the lockfile: `required` are those in the executable; the others build and test
 * it.
 */
function listPackages() {
  const shipped = new Set<string>();
  addDependencies(shipped, lock.workspaces[""]?.dependencies);
  return Object.entries(lock.packages).map(([key, [resolved, ...entry]]) => {
    const at = resolved.lastIndexOf("@");
    const packageName = resolved.slice(0, at);
    const packageVersion = resolved.slice(at + 1);
    const purl = `pkg:npm/${packageName.replace("@", "%40")}@${packageVersion}`;
    const digest = /^sha512-(.+)$/.exec(String(entry.at(-1)))?.[1];
    if (digest === undefined) throw new Error(`${key}: expected a sha512 integrity in bun.lock`);
    return {
      type: "library",
      "bom-ref": purl,
      name: packageName,
      version: packageVersion,
      scope: shipped.has(key) ? "required" : "excluded",
      purl,
      hashes: [{ alg: "SHA-512", content: Buffer.from(digest, "base64").toString("hex") }],
    };
  });
}

/** Adds these packages, and those that they depend on. */
function addDependencies(found: Set<string>, dependencies: Record<string, string> = {}): void {
  for (const key of Object.keys(dependencies)) {
    if (found.has(key)) continue;
    found.add(key);
    const entry = lock.packages[key];
    // Those of a registry have four parts, the third says what they need.
    if (entry?.length === 4) addDependencies(found, entry[2].dependencies);
  }
}
