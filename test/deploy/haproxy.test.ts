// The samples are valid without a warning, and do what the system tests show, with the HAProxy of this
// machine's Debian, and with those of newer ones: 3.0 (Debian 13), and the newest that Debian has.
import { describe, expect, test } from "bun:test";
import { dirname, join } from "node:path";
import { output, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { unpackPackages } from "./unpack.ts";

/** The system tests that are about HAProxy: its samples, what it sees, what sticks, what it was told. */
const FILES = ["haproxy-samples", "haproxy", "sticking", "told"].map(
  (name) => `./test/system/${name}.test.ts`,
);

describe.concurrent.each(["trixie", "forky", "experimental"])("HAProxy of Debian's %s", (suite) => {
  test("is newer than 2.6, and everything that is said of HAProxy is true for it", async () => {
    const haproxy = await unpackHaproxy(suite);
    const version = await output([haproxy, "-v"]);
    expect(version).toStartWith(suite === "trixie" ? "HAProxy version 3.0." : "HAProxy version 3.");
    const env = { PATH: `${dirname(haproxy)}:${Bun.env["PATH"]}` };
    await output(["bun", "test", "--timeout=180000", ...FILES], { cwd: ROOT, env, limit: 1700 });
  });
});

/**
 * Unpacks the HAProxy of a Debian release with its libraries, installing nothing, and returns its
 * path. It runs anywhere, with the dynamic linker and the libraries that it came with; a master can
 * execute itself again.
 */
async function unpackHaproxy(suite: string): Promise<string> {
  const root = await unpackPackages(suite, "haproxy");
  const [linker] = new Bun.Glob("usr/lib/*/ld-linux-*").scanSync({ cwd: root, absolute: true });
  if (!linker) throw new Error("no dynamic linker was unpacked");
  // What is kept stays as it is: another run may execute it.
  const program = join(temporaryDirectory().path, "haproxy");
  await output(["cp", join(root, "usr/sbin/haproxy"), program]);
  const libraries = ["--force-rpath", "--set-rpath", dirname(linker)];
  await output(["patchelf", "--set-interpreter", linker, ...libraries, program]);
  return program;
}
