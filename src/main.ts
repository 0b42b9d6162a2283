import { becomeTuned, withoutTuned } from "./agent/tuning.ts";

const args = process.argv.slice(2);

// A command: run it and be gone.
if (args.length > 0) {
  const { outliveSignals } = await import("./commands/signals.ts");
  outliveSignals(`hapgent-${args[0]}`);
  const { runCommand } = await import("./commands/run.ts");
  process.exit(await runCommand(args, withoutTuned(process.env)));
}

// The agent, in the process that suits it.
const obstacle = becomeTuned(process.env);

// Its modules are loaded only now.
const { serve } = await import("./agent/serve.ts");
await serve(process.env, obstacle);
