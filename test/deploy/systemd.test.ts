// Under systemd the agent is hardened, started again when it crashes and not when it is stopped, loses no
// check where the socket unit has its address, and starts with every setting, alone or with what its
// comment asks for. What it does under any init is launched.test.ts.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { ROOT } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";
import { bootInstalled, SETTINGS, STATE, writeState } from "./installed.ts";
import { type Machine, startPoller } from "./machine.ts";

let machine: Machine;

beforeAll(async () => {
  machine = await bootInstalled("systemd");
});

afterAll(async () => {
  await machine[Symbol.asyncDispose]();
});

/** Stops it, and undoes what an earlier test changed. */
const RESET = `systemctl stop hapgent.socket hapgent.service
  systemctl reset-failed
  for changed in /run/systemd/system/hapgent*.d; do
    [ -e $changed ] || continue
    rm -r $changed && systemctl daemon-reload
  done`;

/** Starts the service anew: what differs from its unit is as `systemctl edit` writes it. */
async function start(state: object, settings = "", changed = ""): Promise<void> {
  await machine.sh(RESET);
  if (changed) {
    await machine.write("/run/systemd/system/hapgent.service.d/edit.conf", changed);
    await machine.run("systemctl daemon-reload");
  }
  await machine.write(SETTINGS, settings);
  await writeState(machine, STATE, state);
  await machine.run("systemctl start hapgent");
}

/** What systemd knows of the service, or another unit. */
function show(name: string, unit = "hapgent"): Promise<string> {
  return machine.property(unit, name);
}

async function becomes(state: string): Promise<void> {
  await until(`it is ${state}`, async () => (await show("ActiveState")) === state, 90_000);
}

test("systemd understands every line of the units, and finds the services hardly exposed", async () => {
  // An instance's socket has its address from whoever enables it.
  const units = (await machine.sh("cd /usr/lib/systemd/system && ls hapgent*")).split("\n");
  for (const unit of units.filter((name) => name !== "hapgent@.socket")) {
    const verify = `systemd-analyze verify --man=no ${unit.replace("@", "@one")}`;
    const { stdout, stderr } = await machine.try(verify);
    expect(stdout + stderr).toBe("");
    // At most 1.1 of 10.
    const exposure = `systemd-analyze security --offline=true --threshold=11 /usr/lib/systemd/system/${unit}`;
    if (unit.endsWith(".service")) await machine.run(exposure);
  }
});

test("the agent has no privilege", async () => {
  await start({ status: "READY", weight: 75 });
  const status = await machine.read(`/proc/${await show("MainPID")}/status`);
  for (const line of ["CapEff:\t0+", "CapBnd:\t0+", "NoNewPrivs:\t1", "Seccomp:\t2"]) {
    expect(status).toMatch(new RegExp(`^${line}$`, "m"));
  }
});

test("it is started again when it crashes, not when it is stopped, nor with a wrong setting", async () => {
  await start({ status: "UP", weight: 5 });
  const first = await show("MainPID");
  await machine.run("systemctl kill --signal=SEGV hapgent");
  const isOther = async () => !["0", first].includes(await show("MainPID"));
  await until("another process", isOther, 90_000);
  await machine.answers("UP 5%");
  await becomes("active");
  await machine.run("systemctl stop hapgent");
  expect([await show("ActiveState"), await show("Result")]).toEqual(["inactive", "success"]);
  await machine.write(SETTINGS, "HAPGENT_PORT=0\n");
  expect((await machine.try("systemctl start hapgent")).exitCode).not.toBe(0);
  await becomes("failed");
  expect(await show("NRestarts")).toBe("0");
});

test("a socket unit of one address starts it at a check, and the settings need none", async () => {
  await start({ status: "DRAIN" });
  await machine.run("ip address replace 10.1.2.3/32 dev lo");
  const address = "[Socket]\nListenStream=\nListenStream=10.1.2.3:9888\n";
  await machine.write("/run/systemd/system/hapgent.socket.d/address.conf", address);
  await machine.sh(
    "systemctl daemon-reload; systemctl stop hapgent; systemctl start hapgent.socket",
  );
  expect(await show("ActiveState")).toBe("inactive");
  await until("a reply", async () => (await machine.ask(9888, "10.1.2.3")) === "DRAIN");
  await becomes("active");
  expect(await show("NRestarts")).toBe("0");
});

describe("the settings file", () => {
  const shipped = readFileSync(`${ROOT}deploy/hapgent.default`, "utf8");
  const lines = shipped.split("\n").filter((line) => /^#HAPGENT_\w+=/.test(line));

  test.each(lines)("%s uncommented alone starts", async (line) => {
    await start({ status: "UP" }, shipped.replace(line, line.slice(1)));
    // A check of the project's own: no stop status waits for it.
    expect(await machine.run("hapgent status")).toBe("ready up 100%");
  });

  test("may name files elsewhere, with ReadWritePaths= for their directory, and its group for the socket", async () => {
    await machine.sh("groupadd operators; install -d -m 2750 -o hapgent -g operators /srv/own");
    const [file, socket] = ["/srv/own/state.json", "/srv/own/hapgent.sock"];
    await machine.write(file, JSON.stringify({ status: "UP" }));
    await machine.run(`chown hapgent ${file}`);
    const mode = `HAPGENT_SOCKET_MODE=0660\nHAPGENT_SOCKET=${socket}\n`;
    const settings = `HAPGENT_STATE_FILE=${file}\n${mode}`;
    await start({ status: "MAINT" }, settings, "[Service]\nReadWritePaths=/srv/own\n");
    expect(await machine.ask()).toBe("UP");
    expect(await machine.run("hapgent ctl set status DOWN")).toContain("saved");
    expect(await machine.read(file)).toContain('"DOWN"');
    expect(await machine.run(`stat --format=%U:%G:%a ${socket}`)).toBe("hapgent:operators:660");
    const ask = (group: string) =>
      machine.try(
        `setpriv --reuid=nobody --regid=nogroup --groups=${group} hapgent ctl show state`,
      );
    expect((await ask("operators")).stdout).toContain('"DOWN"');
    expect((await ask("nogroup")).exitCode).toBe(1);
  });
});

test("instances have their states, control sockets, names in the log, and sockets that lose no check", async () => {
  await start({ status: "MAINT" });
  await machine.write("/etc/hapgent/web.env", "HAPGENT_PORT=9801\n");
  await machine.write("/etc/hapgent/db.env", "HAPGENT_PORT=9802\n");
  const address = "[Socket]\nListenStream=0.0.0.0:9801\n";
  await machine.write("/etc/systemd/system/hapgent@web.socket.d/address.conf", address);
  const units = "hapgent@web.socket hapgent@web.service hapgent@db.service";
  await machine.sh(`systemctl daemon-reload; systemctl start ${units}`);
  await machine.run("hapgent-deploy --instance db --pollers=0 --settle=0 v44 true");
  expect(await machine.run("hapgent status --instance db")).toBe("UP");
  expect(await machine.journal("hapgent@db")).toMatch(/new=DRAIN.*new=READY.*new=UP/s);
  const file = "/var/lib/hapgent/web/state.json";
  expect(await machine.run(`stat --format=%U:%a ${file}`)).toBe("hapgent:644");
  await machine.run("hapgent ctl --instance web set status DOWN out");
  const poller = startPoller(machine, 9801);
  for (let round = 1; round <= 3; round += 1) await machine.run("systemctl restart hapgent@web");
  expect(await poller.stop()).toEqual(["DOWN #out"]);
  expect([await machine.ask(9777), await machine.ask(9802)]).toEqual(["MAINT", "UP"]);
  await machine.run("journalctl --sync");
  const log = (name: string) => machine.run(`journalctl --output=cat --identifier=${name}`);
  expect(await log("hapgent@web")).toContain('new="DOWN #out"');
  expect(await log("hapgent")).not.toContain('new="DOWN #out"');
  await machine.run("systemctl stop hapgent hapgent@db");
  expect(await machine.run("hapgent ctl --instance web show state")).toContain('"DOWN"');
  expect(await machine.sh("ls -d /run/hapgent*")).toBe("/run/hapgent@web");
  await machine.run(`systemctl stop ${units}`);
});

test("a state follows a command by its timer, from a unit that is hardened as well", async () => {
  await start({ status: "UP", maxconn: 7 });
  const says = async (line: string) => await machine.write("/srv/says", `${line}\n`);
  // Only with its own rights and directories could it do more.
  const script = "id -un; echo 5 >/etc/x; echo 5 >/var/lib/hapgent/x; ls /home /root";
  const command = `hapgent-follow --rise 1 --fall 1 sh -c '{ ${script}; } >&2; cat /srv/says'\n`;
  await says("drain #lag 40 s");
  await machine.write("/etc/hapgent/follow/db", command);
  await machine.run("systemctl start hapgent-follow@db.timer");
  await machine.answers("DRAIN maxconn:7");
  expect(await machine.read(STATE)).toContain("follow: lag 40 s");
  const journal = await machine.journal("hapgent-follow@db");
  expect(journal).toContain("hapgent\n");
  expect(journal.match(/Read-only file system/g)?.length).toBeGreaterThanOrEqual(2);
  expect(journal).not.toContain("Finished");
  // What fails is seen, and tried again 10 s after.
  await says("nonsense");
  const hasFailed = async () => (await show("Result", "hapgent-follow@db")) !== "success";
  await until("it fails", hasFailed, 180_000);
  await says("up 50%");
  await machine.answers("READY 50% maxconn:7");
  await machine.run("systemctl stop hapgent-follow@db.timer");
});

test("a state follows a command by cron, too", async () => {
  await start({ status: "UP" });
  await machine.write("/etc/hapgent/follow/web", "hapgent-follow --rise 1 echo up 67%\n");
  const cron = await Bun.file(`${ROOT}deploy/scripts/hapgent-follow.cron`).text();
  await machine.write("/etc/cron.d/hapgent-follow", cron);
  const isRun = async () => (await machine.ask()) === "UP 67%";
  await until("cron ran it", isRun, 300_000);
});
