// Each example of deploy/scripts/follow does what its first lines say; a database's client is a stub that
// answers as the client does.
import { expect, test } from "bun:test";
import { unlinkSync, writeFileSync } from "node:fs";
import { useFollower } from "./follow.ts";

const world = useFollower("web", "db", "db-read", "cache");

/** Runs it twice, and returns what its service is set to. */
async function run(name: string, service: string, replaced: Record<string, string> = {}) {
  await world.set(service, { status: "UP" });
  for (let i = 0; i < 2; i += 1) {
    const { exitCode, stderr } = await world.runExample(name, replaced);
    if (exitCode !== 0) return stderr;
  }
  const { status, weight, reason } = await world.state(service);
  return [status, weight, reason?.replace("follow: ", "#")].filter(Boolean).join(" ");
}

test.each([
  [0, "UP 100"],
  [730, "UP 10"],
])("load: %i% of each core to do is %s", async (load, expected) => {
  const file = `${world.path}/loadavg`;
  world.stub("nproc", "echo 4");
  writeFileSync(file, `${((load * 4) / 100).toFixed(2)} 0.00 0.00 1/100 12345\n`);
  const replaced = { "/proc/loadavg": file, "hapgent-follow sh": "hapgent-follow @web sh" };
  expect(await run("load", "@web", replaced)).toBe(expected);
});

test("switch: a file drains, and says why", async () => {
  const file = `${world.path}/drain`;
  const replaced = { "/srv/web/drain": file };
  expect(await run("switch", "@web", replaced)).toBe("UP");
  writeFileSync(file, "new disk\n");
  expect(await run("switch", "@web", replaced)).toBe("DRAIN #new disk");
  unlinkSync(file);
  await world.runExample("switch", replaced);
  expect((await world.state("@web")).status).toBe("UP");
});

test.each([
  ["postgresql-primary", "psql", "@db", "echo up", "UP"],
  ["mysql-primary", "mysql", "@db", "echo 0", "UP"],
  ["mysql-primary", "mysql", "@db", "echo 1", "DOWN #replica"],
  ["redis-primary", "redis-cli", "@cache", "printf 'master\\n3129659\\n'", "UP"],
  ["redis-primary", "redis-cli", "@cache", "printf 'slave\\n10.0.0.1\\n'", "DOWN #replica"],
  ["redis-primary", "redis-cli", "@cache", "echo Could not connect; exit 1", "exit code 2"],
  ["postgresql-lag", "psql", "@db-read", "echo 'drain #lag 40 s'", "DRAIN #lag 40 s"],
  ["mysql-lag", "mysql", "@db-read", "exit 1", "ended with exit code 2"],
])("%s: where %s for %s does %j: %s", async (name, client, service, script, expected) => {
  // A client that is not asked does not answer.
  world.stub(client, `[ $# -gt 0 ] || exit 9\n${script}`);
  expect(await run(name, service)).toContain(expected);
});

test.each([
  ["0", "UP 100"],
  ["30", "UP 10"],
  ["31", "DRAIN #lag 31 s"],
  ["NULL", "DRAIN #replication has stopped"],
])("mysql-lag: a replica that is %s s behind is %s", async (lag, expected) => {
  const rows = `*** 1. row ***\\n  Source_Host: db\\n  Seconds_Behind_Source: ${lag}\\n`;
  world.stub("mysql", `printf '${rows}'`);
  expect(await run("mysql-lag", "@db-read")).toBe(expected);
  world.stub("mysql", `printf '${rows.replace("Source:", "Master:")}'`);
  expect(await run("mysql-lag", "@db-read")).toBe(expected);
});
