import { describe, expect, test } from "bun:test";
import { version } from "../package.json";
import { readCommand } from "../src/cli.ts";

describe("readCommand", () => {
  test("runs the agent without arguments", () => {
    expect(readCommand([])).toEqual({ kind: "run" });
  });

  test.each(["--version", "-V"])("%s prints the version of package.json", (argument) => {
    const text = `hapgent ${version}\n`;
    expect(readCommand([argument])).toEqual({ kind: "print", text, exitCode: 0 });
  });

  test.each(["--help", "-h"])("%s names every variable, signal and exit code", (argument) => {
    const command = readCommand([argument]);
    if (command.kind !== "print") throw new Error("expected a text");
    expect(command.exitCode).toBe(0);
    for (const word of [
      ..."HAPGENT_IP HAPGENT_PORT HAPGENT_STATE_FILE SIGHUP SIGUSR1 SIGUSR2 SIGTERM".split(" "),
      ...["  0  ", "  1  ", "  2  "],
    ]) {
      expect(command.text).toContain(word);
    }
  });

  test.each(["--port", "run", "", "--help x"])("refuses %j with exit code 2", (line) => {
    const args = line.split(" ");
    const command = readCommand(args);
    if (command.kind !== "print") throw new Error("expected a text");
    expect(command.exitCode).toBe(2);
    expect(command.text).toContain(`got ${JSON.stringify(args.join(" "))}`);
    expect(command.text).toContain("usage: hapgent");
  });
});
