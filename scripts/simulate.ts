// Plays worlds of load balancers against the rules about pollers: bun scripts/simulate.ts [WORLDS]
// [SEED]. The seed of a world in which a promise was broken is printed; with it and one world that
// world is played again. See test/simulator/.
import { join } from "node:path";

const main = join(import.meta.dir, "../test/simulator/main.ts");
const [worlds = "1000000", seed = "1"] = process.argv.slice(2);
const { exitCode } = Bun.spawnSync([process.execPath, main, worlds, seed], {
  stdio: ["ignore", "inherit", "inherit"],
});
process.exit(exitCode);
