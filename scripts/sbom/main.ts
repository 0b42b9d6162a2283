// Prints the software bill of materials, in CycloneDX 1.6, once the schema has been asked.
//
// The library that writes it is in scripts/sbom/package.json and is installed here, not before:
// nobody who only changes the agent needs it.
import { needPackages } from "../lib/packages.ts";

needPackages("scripts/sbom", "the bill of materials");
const { formatSbom } = await import("./sbom.ts");
console.log(await formatSbom());
