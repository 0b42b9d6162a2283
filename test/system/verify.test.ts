// A release is verified only when all its files are whole and signed by a key of
// deploy/allowed_signers; if not, the reason is given. Without a key: test/deploy/release.test.ts.
import { afterAll, describe, expect, test } from "bun:test";
import { appendFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { makeKey, runToEnd, sign, writeRelease } from "./release-fixture.ts";

const NAME = "hapgent-1.2.3-linux-x64";
const DEB = "hapgent_1.2.3_amd64.deb";
const CHANGED = `it was changed, or is not whole: ${DEB}: FAILED`;
const UNSIGNED = "SHA256SUMS is not signed by a key of ";

const keys = temporaryDirectory();
afterAll(() => keys[Symbol.dispose]());
const [key, other] = await Promise.all([makeKey(keys.path), makeKey(keys.path, "other")]);

/** Changes the files of a release. */
type Tamper = (path: (name: string) => string) => unknown;

/** Makes a signed release, lets `tamper` change it, and verifies it. */
async function verifyAfter(tamper: Tamper) {
  using directory = temporaryDirectory();
  const path = (name: string) => join(directory.path, name);
  await writeRelease(directory.path, { [NAME]: "the executable", [DEB]: "the package" }, key);
  await sign(path(NAME), key);
  await tamper(path);
  const command = ["bun", "scripts/verify.ts", "--signers", key.signers, directory.path];
  const { text, exitCode } = await runToEnd(command);
  return { text: text.replaceAll(directory.path, "RELEASE"), exitCode };
}

test.each<[string, Tamper]>([
  ["that is whole and signed", () => undefined],
  ["of which some files are there", (path) => rmSync(path(NAME))],
])("a release %s is verified", async (_, tamper) => {
  expect(await verifyAfter(tamper)).toEqual({ text: "RELEASE: verified\n", exitCode: 0 });
});

describe.concurrent("it is not, and told why", () => {
  test.each<[string, Tamper, string]>([
    ["with one byte more", (path) => appendFileSync(path(DEB), "x"), CHANGED],
    ["with another key", (path) => sign(path("SHA256SUMS"), other), UNSIGNED],
    ["signed for another purpose", (path) => sign(path("SHA256SUMS"), key, "git"), UNSIGNED],
    ["with a file of another key", (path) => sign(path(NAME), other), `${NAME} is not signed by `],
    [
      "with a list that has only a name that ends like it",
      (path) => writeRelease(path(""), { [`x${NAME}`]: "", [DEB]: "" }, key),
      `SHA256SUMS has no line for ${NAME}`,
    ],
    ["with no signature", (path) => rmSync(path("SHA256SUMS.sig")), "SHA256SUMS.sig is missing"],
  ])("%s", async (_, tamper, problem) => {
    const { text, exitCode } = await verifyAfter(tamper);
    expect(text).toStartWith(`RELEASE: NOT verified: ${problem}`);
    expect(exitCode).toBe(1);
  });
});
