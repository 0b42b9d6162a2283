// What the system tests show with the installed HAProxy, with the newer one of another Debian.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { dirname, join } from "node:path";
import { formatMatrix, playMatrix } from "../../scripts/lib/matrix.ts";
import { output, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { showStates } from "../system/states.ts";

const directory = temporaryDirectory();
let haproxy: string[] = [];

beforeAll(async () => {
  haproxy = await unpackHaproxy("trixie", directory.path);
}, 300_000);

afterAll(() => directory[Symbol.dispose]());

test("it is HAProxy 3", async () => {
  expect(await output([...haproxy, "-v"])).toStartWith("HAProxy version 3.");
});

test.each([...new Bun.Glob("*.cfg").scanSync(`${ROOT}deploy/haproxy`)])(
  "the sample %s is valid",
  async (name) => {
    await output([...haproxy, "-c", "-f", `${ROOT}deploy/haproxy/${name}`]);
  },
);

test("it sees status, weight, maxconn and reason", async () => {
  await showStates('agent-send "be/s\\n"', haproxy);
}, 60_000);

test("the same sticks as with the installed HAProxy", async () => {
  expect(formatMatrix(await playMatrix({}, haproxy))).toBe(formatMatrix(await playMatrix()));
}, 60_000);

/**
 * Unpacks the HAProxy of a Debian release, installing nothing, and returns the command that runs
 * it: by its own dynamic linker, and without `-W`, as a master executes itself again without that.
 */
async function unpackHaproxy(release: string, path: string): Promise<string[]> {
  const packages = join(path, "packages");
  const options = ["--variant=minbase", "--include=haproxy", "--download-only"];
  await output(["debootstrap", ...options, release, packages], { limit: 240 });
  for (const file of new Bun.Glob("var/cache/apt/archives/*.deb").scanSync(packages)) {
    await output(["dpkg-deb", "--extract", join(packages, file), join(path, "root")]);
  }
  const [linker] = new Bun.Glob("usr/lib/*/ld-linux-*").scanSync({
    cwd: join(path, "root"),
    absolute: true,
  });
  if (!linker) throw new Error("no dynamic linker was unpacked");
  const program = join(path, "root/usr/sbin/haproxy");
  return [linker, "--library-path", dirname(linker), program, "-db"];
}
