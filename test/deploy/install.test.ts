// What the installer does beside what every installation does (installations.test.ts): a dry run changes
// nothing; what it downloads never runs as root, and never takes the place of what works.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { output } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { writeRelease } from "../system/release-fixture.ts";
import { listAgents } from "./installed.ts";
import { bootMachine, type Machine } from "./machine.ts";
import { bindRelease, INSTALL, releaseKey } from "./release.ts";

const BINARY = "/usr/local/bin/hapgent";

let machine: Machine;

beforeAll(async () => {
  // A release whose executable does not run.
  const { path } = temporaryDirectory();
  const name = `hapgent-9.9.9-${process.arch === "arm64" ? "linux-arm64" : "linux-x64"}`;
  const archive = `${name}.tar.gz`;
  const text = "#!/bin/sh\nid -un >>/var/tmp/ran\necho no libraries >&2\nexit 127\n";
  await Bun.write(join(path, name, "hapgent"), text);
  const pack = `chmod +x ${name}/hapgent && tar -czf ${archive} ${name}`;
  await output(["sh", "-c", pack], { cwd: path });
  const broken = join(path, "release");
  const content = await Bun.file(join(path, archive)).bytes();
  await writeRelease(broken, { [archive]: content }, await releaseKey());
  const keygen = Bun.which("ssh-keygen") ?? "ssh-keygen";
  const names = ["SHA256SUMS", "SHA256SUMS.sig", archive];
  const files = names.map((file) => [`/srv/broken/${file}`, join(broken, file)]);
  const binds = { ...(await bindRelease()), ...Object.fromEntries(files), [keygen]: keygen };
  machine = await bootMachine({ init: "sysv", binds });
});

afterAll(async () => {
  await machine[Symbol.asyncDispose]();
});

test("a dry run verifies all, and changes nothing", async () => {
  const before = await machine.inventory();
  const dry = await machine.run(`${INSTALL} --dry-run`);
  expect(dry).toStartWith("signature checked\n");
  expect(dry).toContain(`would: mv -f ${BINARY}.new ${BINARY}`);
  expect(await machine.inventory()).toEqual(before);
});

test("it leaves the place to a package", async () => {
  await machine.write("/usr/bin/hapgent", "");
  const { stderr, exitCode } = await machine.try(INSTALL);
  expect(stderr).toBe("install.sh: a package has installed /usr/bin/hapgent: use that one\n");
  expect(exitCode).toBe(1);
  await machine.run("rm /usr/bin/hapgent");
});

test("it uses a group that is there, says what to do next, and makes good a run that was ended", async () => {
  await machine.run("groupadd --system hapgent");
  const said = await machine.run(INSTALL);
  expect(await machine.run("id --name --groups hapgent")).toBe("hapgent");
  // The last two lines say what to do next; the first of them is a command.
  const [ask = "", samples = ""] = said.split("\n").slice(-2);
  expect(await machine.run(ask.replace(/^.*: +/, ""))).toBe("ready up 100%");
  expect(samples).toEndWith("(samples: /usr/local/share/doc/hapgent/haproxy)");

  // Ended between the replacement and the restart, a run left the old one running: here another
  // executable, by one byte of the ELF header that means nothing.
  await machine.sh(`cp ${BINARY} /tmp/new; cp ${BINARY} /tmp/old
    printf x | dd of=/tmp/old bs=1 seek=15 conv=notrunc status=none
    mv /tmp/old ${BINARY}; service hapgent restart; mv /tmp/new ${BINARY}`);
  const stale = await listAgents(machine);
  expect(await machine.run(INSTALL)).toContain("installed: ");
  await machine.answers("ready up 100%");
  expect(await listAgents(machine)).not.toEqual(stale);
});

test("what does not run takes no place, and what was downloaded never runs as root", async () => {
  const look = async () => [await machine.run(`sha256sum ${BINARY}`), await listAgents(machine)];
  const before = await look();
  const upgrade = INSTALL.replace("file:///srv/release", "file:///srv/broken");
  const { stderr, exitCode } = await machine.try(upgrade);
  expect(stderr).toBe("install.sh: the executable does not run on this machine: no libraries\n");
  expect(exitCode).toBe(1);
  expect(await machine.read("/var/tmp/ran")).toBe("hapgent");
  expect(await look()).toEqual(before);
  expect(await machine.run("ls /usr/local/bin")).not.toContain(".new");
});
