// The bill of materials is valid CycloneDX, and names all packages that are in the executable; of what Bun
// is made says test/third-party.test.ts. That it is the same each time is shown with the other files of a
// release: test/deploy/release.test.ts.
import { expect, test } from "bun:test";
import lock from "../../bun.lock";
import { dependencies, version } from "../../package.json";
import { ROOT } from "../../scripts/lib/shell.ts";
import { formatSbom } from "../../scripts/sbom.ts";

interface Component {
  readonly name: string;
  readonly version: string;
  readonly hashes?: readonly { readonly content: string }[];
}

const TEXT = formatSbom();
const BOM: {
  metadata: { component: Component };
  components: readonly [Component, ...Component[]];
} = JSON.parse(TEXT);

test("it is valid", async () => {
  const { Spec, Validation } = await import(
    `${ROOT}test/node_modules/@cyclonedx/cyclonedx-library/dist.node/index.node.js`
  );
  const validator = new Validation.JsonStrictValidator(Spec.Spec1dot6.version);
  expect(await validator.validate(TEXT)).toBeNull();
  expect(await validator.validate(TEXT.replace('"scope"', '"scoop"'))).not.toBeNull();
});

test("it names this version, the runtime that builds it, and every package that is shipped", () => {
  const [runtime, ...packages] = BOM.components;
  expect(BOM.metadata.component).toMatchObject({ name: "hapgent", version });
  expect(runtime).toMatchObject({ name: "bun", version: Bun.version });
  const shipped = packages.map(({ name, version, hashes }) => {
    const digest = Buffer.from(hashes?.[0]?.content ?? "", "hex").toString("base64");
    return [`${name}@${version}`, `sha512-${digest}`];
  });
  expect(shipped).toEqual(
    Object.keys(dependencies).map((name) => {
      const [id = "", , , integrity = ""] = lock.packages[name] ?? [];
      return [id, integrity];
    }),
  );
});
