// What a deploy is to do is read from the command line and three variables; a mistake is named, with
// what was expected, before anything happens.
import { describe, expect, test } from "bun:test";
import { parseArguments } from "../../src/commands/arguments.ts";
import { readPlan } from "../../src/commands/deploy-plan.ts";
import { COMMANDS } from "../../src/spec.ts";

const COMMAND = COMMANDS.find(({ name }) => name === "deploy");

function plan(args: readonly string[], env: Record<string, string> = {}) {
  if (!COMMAND) throw new Error("no command deploy");
  return readPlan(parseArguments(COMMAND, args), env);
}

describe("a plan", () => {
  test("has defaults for all but the reason and the command", () => {
    expect(plan(["deploying v42", "systemctl", "restart", "web"])).toMatchObject({
      reason: "deploying v42",
      command: ["systemctl", "restart", "web"],
      ...{ status: "DRAIN", wait: 30, answer: 60, settle: 5 },
    });
  });

  test("takes options before and after the service, and none from the command", () => {
    const options = ["--url=https://[::1]:8443/", "--status", "MAINT", "--from-any"];
    const more = ["--until", "web-ctl ping", "--drain", "10", "--port=8080", "--pollers", "0"];
    const command = ["apt-get", "--yes", "install", "--", "web"];
    expect(plan([...options, "@web", ...more, "--young", "v42", ...command])).toMatchObject({
      service: "web",
      reason: "v42",
      command,
      url: "https://[::1]:8443/",
      until: "web-ctl ping",
      status: "MAINT",
      drain: { seconds: 10, port: 8080 },
      pollers: 0,
      fromAny: true,
      young: true,
    });
  });

  test("takes times from variables, in decimal, and options before them", () => {
    const env = { HAPGENT_DEPLOY_WAIT: "08", HAPGENT_DEPLOY_SETTLE: "" };
    expect(plan(["v42", "true"], env)).toMatchObject({ wait: 8, settle: 5 });
    expect(plan(["--wait", "7", "v42", "true"], env).wait).toBe(7);
  });

  test("reads a reason as the control socket does, with single blanks, and after -- as it is", () => {
    expect(plan(["  deploying   v42\t", "true"]).reason).toBe("deploying v42");
    expect(plan(["--", "-42", "true"]).reason).toBe("-42");
  });
});

test.each([
  [["--url=x", "v42", "true"], {}, '--url: expected an http or https URL, got "x"'],
  [["--wait=5s", "v42", "true"], {}, '--wait: expected seconds from 0 to 86400, got "5s"'],
  [["--pollers=all", "v42", "true"], {}, '--pollers: expected a number from 0 to 4096, got "all"'],
  [["--status=DOWN", "v42", "true"], {}, '--status: expected DRAIN or MAINT, got "DOWN"'],
  [["--drain=5", "v42", "true"], {}, "--drain needs --port PORT beside it"],
  [["@../x", "v42", "true"], {}, '@SERVICE: expected the name of a service, got "@../x"'],
  [["fürs neue", "true"], {}, "REASON: expected 1 to 80 printable ASCII characters, got"],
  [["x".repeat(81), "true"], {}, "REASON: expected 1 to 80 printable ASCII characters, got"],
  [["v42"], {}, "expected REASON and COMMAND, got no COMMAND"],
  [["v42", "--url", "x"], {}, 'options go before REASON, got "--url" after it'],
  [
    ["v42", "true"],
    { HAPGENT_DEPLOY_ANSWER: "5s" },
    'HAPGENT_DEPLOY_ANSWER: expected seconds from 0 to 86400, got "5s"',
  ],
] as const)("refuses %j with %j", (args, env, message) => {
  expect(() => plan(args, env)).toThrow(message);
});
