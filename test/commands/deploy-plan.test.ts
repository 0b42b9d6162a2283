// What a deploy is to do is read from the command line and three variables; a mistake is named, with
// what was expected, before anything happens.
import { expect, test } from "bun:test";
import { plan } from "./captured.ts";

const V42 = ["v42", "true"];

test("options are read before and after the service, and none from the command", () => {
  const options = ["--url=https://[::1]:8443/", "--status", "MAINT", "--from-any"];
  const more = ["--until", "web-ctl ping", "--drain", "10", "--port=8080", "--pollers", "0"];
  const command = ["apt-get", "--yes", "install", "--", "web"];
  expect(plan([...options, "@web", ...more, "--young", "v42", ...command])).toMatchObject({
    ...{ service: "web", reason: "v42", command, status: "MAINT", pollers: 0 },
    ...{ url: "https://[::1]:8443/", until: "web-ctl ping", fromAny: true, young: true },
    drain: { seconds: 10, port: 8080 },
  });
});

test("a URL is one line, whatever it is wrapped in", () => {
  expect(plan(["--url", " http://web/he\nalth\n", ...V42]).url).toBe("http://web/health");
});

test("times are read from options, else from variables, in decimal, and have defaults", () => {
  const env = { HAPGENT_DEPLOY_WAIT: "08", HAPGENT_DEPLOY_SETTLE: "" };
  const times = { wait: 8, answer: 60, settle: 5, status: "DRAIN" };
  expect(plan(["v42", "true"], env)).toMatchObject(times);
  expect(plan(["--wait", "7", "v42", "true"], env).wait).toBe(7);
});

test("a reason is read as the control socket does, with single blanks, and after -- as it is", () => {
  expect(plan(["  deploying   v42\t", "true"]).reason).toBe("deploying v42");
  expect(plan(["--", "-42", "true"]).reason).toBe("-42");
});

test.each([
  [["--url=x", ...V42], '--url: expected an http or https URL, got "x"'],
  [["--until", " ", ...V42], '--until: expected a shell command, got " "'],
  [["--wait=5s", ...V42], '--wait: expected seconds from 0 to 86400, got "5s"'],
  [["--pollers=all", ...V42], '--pollers: expected a number from 0 to 4096, got "all"'],
  [["--status=DOWN", ...V42], '--status: expected DRAIN or MAINT, got "DOWN"'],
  [["--drain=5", ...V42], "--drain needs --port PORT beside it"],
  [["--drain=5", "--port=0", ...V42], '--port: expected a port from 1 to 65535, got "0"'],
  [["--answer=5", ...V42], "--answer needs --url or --until beside it"],
  [["@../x", ...V42], '@SERVICE: expected the name of a service, got "@../x"'],
  [["fürs neue", "true"], "REASON: expected 1 to 80 printable ASCII characters, got"],
  [["x".repeat(81), "true"], "REASON: expected 1 to 80 printable ASCII characters, got"],
  [["v42"], "expected REASON and COMMAND, got no COMMAND"],
  [["v42", "--url", "x"], 'options go before REASON, got "--url" after it'],
  [V42, 'HAPGENT_DEPLOY_ANSWER: expected seconds from 0 to 86400, got "5s"'],
])("%j is refused: %s", (args, message) => {
  const env = args === V42 ? { HAPGENT_DEPLOY_ANSWER: "5s" } : {};
  expect(() => plan(args, env)).toThrow(message);
});
