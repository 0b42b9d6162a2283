// A file of a release is verified only when it is whole and signed by a key of
// deploy/allowed_signers; if not, the reason is given.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { readKeys, SIGNERS } from "../../scripts/verify.ts";
import { type Key, makeKey, runToEnd, sign, writeRelease } from "./release-fixture.ts";

const NAME = "hapgent-1.2.3-linux-x64";
const FILES = { [NAME]: "the executable", "hapgent_1.2.3_amd64.deb": "the package" };

const keys = temporaryDirectory();
let key: Key;
let other: Key;

beforeAll(async () => {
  [key, other] = await Promise.all([makeKey(keys.path), makeKey(keys.path, "other")]);
});

afterAll(() => keys[Symbol.dispose]());

/** Makes a signed release, lets `tamper` change it, and verifies the executable. */
async function verifyAfter(tamper: (path: (name: string) => string) => unknown, signers?: string) {
  using directory = temporaryDirectory();
  const path = (name: string) => join(directory.path, name);
  await writeRelease(directory.path, FILES, key);
  await sign(path(NAME), key);
  await tamper(path);
  const options = ["--signers", signers ?? key.signers, path(NAME)];
  const { text, exitCode } = await runToEnd(["bun", "scripts/verify.ts", ...options]);
  return { text: text.replaceAll(`${directory.path}/`, ""), exitCode };
}

test("a file that is whole and signed is verified", async () => {
  expect(await verifyAfter(() => undefined)).toEqual({ text: `${NAME}: verified\n`, exitCode: 0 });
});

test("one without a signature of its own is verified by that of SHA256SUMS", async () => {
  const { exitCode } = await verifyAfter((path) => rmSync(`${path(NAME)}.sig`));
  expect(exitCode).toBe(0);
});

describe.concurrent("it is not, and told why", () => {
  test.each<[string, (path: (name: string) => string) => unknown, string]>([
    [
      "when one byte more is there",
      (path) => appendFileSync(path(NAME), "x"),
      "it was changed, or is not whole: expected the checksum ",
    ],
    [
      "when it was changed together with its checksum",
      async (path) => {
        renameSync(path("SHA256SUMS.sig"), path("kept"));
        await writeRelease(path(""), { ...FILES, [NAME]: "another executable" });
        renameSync(path("kept"), path("SHA256SUMS.sig"));
      },
      "SHA256SUMS is not signed by a key of ",
    ],
    [
      "when all is signed by a key that is not allowed",
      (path) => sign(path("SHA256SUMS"), other),
      "SHA256SUMS is not signed by a key of ",
    ],
    [
      "when its own signature is another key's",
      (path) => sign(path(NAME), other),
      `${NAME} is not signed by a key of `,
    ],
    [
      "when the key signed for another purpose",
      (path) => sign(path("SHA256SUMS"), key, "git"),
      "SHA256SUMS is not signed by a key of ",
    ],
    [
      "when SHA256SUMS has no line for it",
      (path) => writeRelease(path(""), { other: "" }, key),
      `SHA256SUMS has no line for ${NAME}`,
    ],
    [
      "when SHA256SUMS has a line for a name that ends like it",
      (path) => writeRelease(path(""), { [`x${NAME}`]: "" }, key),
      `SHA256SUMS has no line for ${NAME}`,
    ],
    [
      "when the signature is missing",
      (path) => rmSync(path("SHA256SUMS.sig")),
      "SHA256SUMS.sig is missing",
    ],
    [
      "when the signature is no signature",
      (path) => writeFileSync(path("SHA256SUMS.sig"), "yes\n"),
      "SHA256SUMS is not signed by a key of ",
    ],
    ["when SHA256SUMS is missing", (path) => rmSync(path("SHA256SUMS")), "SHA256SUMS is missing"],
    ["when it is missing", (path) => rmSync(path(NAME)), `${NAME} is missing`],
  ])("%s", async (_, tamper, problem) => {
    const { text, exitCode } = await verifyAfter(tamper);
    expect(text).toStartWith(`${NAME}: NOT verified: ${problem}`);
    expect(exitCode).toBe(1);
  });
});

test("as long as no key is published nothing is verified, and that is said", async () => {
  using directory = temporaryDirectory();
  const signers = join(directory.path, "allowed_signers");
  writeFileSync(signers, "# none yet\n\n");
  expect(await verifyAfter(() => undefined, signers)).toEqual({
    text: `${NAME}: NOT verified: no release key is published: ${signers} has none\n`,
    exitCode: 1,
  });
});

test("deploy/allowed_signers has comments, and keys that may sign files and nothing else", () => {
  for (const line of readKeys(SIGNERS)) {
    expect(line).toMatch(/^hapgent ([a-z-]+="[^"]*",)*namespaces="file"[^ ]* (sk-)?ssh-ed25519/);
  }
});
