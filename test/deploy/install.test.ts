// What the installer does beside what every installation does (installations.test.ts): a dry run changes
// nothing; what it downloads never runs as root, and never takes the place of what works.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { output } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";
import { writeRelease } from "../system/release-fixture.ts";
import { bootMachine, type Machine } from "./machine.ts";
import { bindRelease, INSTALL, releaseKey } from "./release.ts";

const BINARY = "/usr/local/bin/hapgent";
const TARGET = process.arch === "arm64" ? "linux-arm64" : "linux-x64";

async function boot(more: Record<string, string> = {}): Promise<Machine> {
  return await bootMachine({ init: "sysv", binds: { ...(await bindRelease()), ...more } });
}

async function pid(machine: Machine): Promise<string> {
  return (await machine.try("pgrep -x hapgent")).stdout.trim();
}

test("a dry run verifies all, and changes nothing", async () => {
  const command = Bun.which("ssh-keygen") ?? "ssh-keygen";
  await using machine = await boot({ [command]: command });
  const before = await machine.inventory();
  const dry = await machine.run(`${INSTALL} --dry-run`);
  expect(dry).toStartWith("signature checked\n");
  expect(dry).toContain(`would: mv -f ${BINARY}.new ${BINARY}`);
  expect(await machine.inventory()).toEqual(before);
  await machine.write("/usr/bin/hapgent", "");
  const { stderr, exitCode } = await machine.try(INSTALL);
  expect(stderr).toBe("install.sh: a package has installed /usr/bin/hapgent: use that one\n");
  expect(exitCode).toBe(1);
});

test("it uses a group that is there, says what to do next, and makes good a run that was ended", async () => {
  await using machine = await boot();
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
  const stale = await pid(machine);
  expect(await machine.run(INSTALL)).toContain("installed: ");
  await machine.answers("ready up 100%");
  expect(await pid(machine)).not.toBe(stale);
});

test("what does not run takes no place, and what was downloaded never runs as root", async () => {
  using directory = temporaryDirectory();
  const name = `hapgent-9.9.9-${TARGET}`;
  const text = "#!/bin/sh\nid -un >>/var/tmp/ran\necho no libraries >&2\nexit 127\n";
  await Bun.write(join(directory.path, name, "hapgent"), text);
  const archive = `${name}.tar.gz`;
  await output(["sh", "-c", `chmod +x ${name}/hapgent && tar -czf ${archive} ${name}`], {
    cwd: directory.path,
  });
  const content = await Bun.file(join(directory.path, archive)).bytes();
  const broken = join(directory.path, "release");
  await writeRelease(broken, { [archive]: content }, await releaseKey());
  await using machine = await boot({
    "/srv/broken/SHA256SUMS": join(broken, "SHA256SUMS"),
    [`/srv/broken/${archive}`]: join(broken, archive),
  });
  await machine.run(INSTALL);
  const before = [await machine.run(`sha256sum ${BINARY}`), await pid(machine)];
  const upgrade = INSTALL.replace("file:///srv/release", "file:///srv/broken");
  const { stderr, exitCode } = await machine.try(upgrade);
  expect(stderr).toBe("install.sh: the executable does not run on this machine: no libraries\n");
  expect(exitCode).toBe(1);
  expect(await machine.read("/var/tmp/ran")).toBe("hapgent");
  expect([await machine.run(`sha256sum ${BINARY}`), await pid(machine)]).toEqual(before);
  expect(await machine.run("ls /usr/local/bin")).not.toContain(".new");
});
