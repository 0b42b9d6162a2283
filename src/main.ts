import { EXIT, readCommand } from "./cli.ts";
import { becomeTuned } from "./runtime.ts";

// What does the command line ask for?
const command = readCommand(process.argv.slice(2));

// A text: print it and be gone.
if (command.kind === "print") {
  await Bun.write(command.exitCode === EXIT.ok ? Bun.stdout : Bun.stderr, command.text);
  process.exit(command.exitCode);
}

// The agent, in the process that suits it.
becomeTuned(process.env, process.argv.slice(2));

// Its modules are loaded only now.
const { serve } = await import("./serve.ts");
await serve(process.env);
