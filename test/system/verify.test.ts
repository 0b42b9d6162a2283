// A release is verified only when all its files are whole and signed by a key of
// deploy/allowed_signers; if not, the reason is given.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { type Key, makeKey, runToEnd, sign, writeRelease } from "./release-fixture.ts";

const NAME = "hapgent-1.2.3-linux-x64";
const DEB = "hapgent_1.2.3_amd64.deb";
const CHANGED = `it was changed, or is not whole: ${DEB}: FAILED`;
const UNSIGNED = "SHA256SUMS is not signed by a key of ";

const keys = temporaryDirectory();
let key: Key;
let other: Key;

beforeAll(async () => {
  [key, other] = await Promise.all([makeKey(keys.path), makeKey(keys.path, "other")]);
});

afterAll(() => keys[Symbol.dispose]());

/** Changes the files of a release. */
type Tamper = (path: (name: string) => string) => unknown;

/** Makes a signed release, lets `tamper` change it, and verifies it. */
async function verifyAfter(tamper: Tamper, signers = key.signers) {
  using directory = temporaryDirectory();
  const path = (name: string) => join(directory.path, name);
  await writeRelease(directory.path, { [NAME]: "the executable", [DEB]: "the package" }, key);
  await sign(path(NAME), key);
  await tamper(path);
  const options = ["--signers", signers, directory.path];
  const { text, exitCode } = await runToEnd(["bun", "scripts/verify.ts", ...options]);
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

  test("as long as no key is published", async () => {
    const signers = join(keys.path, "none");
    writeFileSync(signers, "# none yet\n\n");
    const text = `RELEASE: NOT verified: no release key is published: ${signers} has none\n`;
    expect(await verifyAfter(() => undefined, signers)).toEqual({ text, exitCode: 1 });
  });
});
