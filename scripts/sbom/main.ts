// Prints the software bill of materials, in CycloneDX 1.6, once the schema has been asked.
//
// The library that writes it is in scripts/sbom/package.json and is installed here, not before:
// nobody who only changes the agent needs it.
import { needPackages } from "../lib/packages.ts";
import { output } from "../lib/shell.ts";

needPackages("scripts/sbom", "the bill of materials");
// A program does not see packages that came after it started.
console.log(await output(["bun", "scripts/sbom/sbom.ts"]));
