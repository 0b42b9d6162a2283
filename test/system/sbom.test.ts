// The bill of materials is valid CycloneDX, and has all that is in the executable with its origin. That
// it is the same each time is shown with the other files of a release: test/deploy/release.test.ts.
import { expect, test } from "bun:test";
import lock from "../../bun.lock";
import { dependencies, version } from "../../package.json";
import { RUNTIMES } from "../../scripts/lib/runtime.ts";
import { ROOT } from "../../scripts/lib/shell.ts";
import { PARTS } from "../../scripts/lib/third-party.ts";
import { formatSbom } from "../../scripts/sbom.ts";

interface Component {
  readonly name: string;
  readonly version: string;
  readonly supplier?: object;
  readonly licenses?: readonly object[];
  readonly hashes?: readonly { readonly content: string }[];
  readonly components?: readonly Component[];
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
}, 60_000);

test("it names this version, the runtime that builds it, and every package that is shipped", () => {
  const [runtime, ...packages] = BOM.components;
  expect(BOM.metadata.component).toMatchObject({ name: "hapgent", version });
  expect(runtime).toMatchObject({ name: "bun", version: Bun.version });
  const digest = ({ hashes }: Component) => Buffer.from(hashes?.[0]?.content ?? "", "hex");
  expect(
    packages.map((each) => [
      `${each.name}@${each.version}`,
      `sha512-${digest(each).toString("base64")}`,
    ]),
  ).toEqual(
    Object.keys(dependencies).map((name) => {
      const [id = "", , , integrity = ""] = lock.packages[name] ?? [];
      return [id, integrity];
    }),
  );
});

test("inside of Bun are the runtime of each target, and the libraries that it is made of", () => {
  const inside = BOM.components[0].components?.map(({ name, hashes }) => [
    name,
    hashes?.[0]?.content,
  ]);
  expect(inside).toEqual([
    ...Object.values(RUNTIMES).map(({ name, sha256 }) => [`@oven/${name}/bin/bun`, sha256]),
    ...PARTS.map(({ name }) => [name, undefined]),
  ]);
});

test("everything has a supplier and a license", () => {
  const all = BOM.components.flatMap((component) => [component, ...(component.components ?? [])]);
  expect(all.filter(({ supplier, licenses }) => !supplier || !licenses?.length)).toEqual([]);
});
