// The host is plain values: replies change when a state does, and at no other time.
import { describe, expect, test } from "bun:test";
import { Host } from "../../src/agent/host.ts";

describe("a host", () => {
  test("is FAIL until it is known better, and knows since when and by what it is so", () => {
    const host = new Host("exact", false, 5);
    expect(host.reply().text).toBe("FAIL");
    expect(host.own).toEqual({ state: { status: "FAIL" }, since: 5, by: "start" });
    host.put(undefined, { status: "UP" }, "SIGHUP", 7);
    expect(host.own).toEqual({ state: { status: "UP" }, since: 7, by: "SIGHUP" });
    const { version } = host;
    host.put(undefined, { status: "UP" }, "SIGUSR1", 9);
    expect(host.own).toMatchObject({ since: 7, by: "SIGHUP" });
    expect(host.version).toBe(version);
  });

  test("gives a reply as bytes, with and without its newline, and makes it once", () => {
    const host = new Host("exact", false, 0);
    host.put(undefined, { status: "READY", weight: 75 }, "start", 0);
    const { bytes, body, text } = host.reply();
    const decoder = new TextDecoder();
    expect([decoder.decode(bytes), decoder.decode(body), text]).toEqual([
      "READY 75%\n",
      "READY 75%",
      "READY 75%",
    ]);
    expect(host.reply()).toBe(host.reply());
  });

  test("without services ignores what a check sends", () => {
    const host = new Host("exact", false, 0);
    expect(host.nameIn("web")).toBeUndefined();
    expect(host.replyTo("web").text).toBe("FAIL");
  });

  test("answers for its services, until they are gone", () => {
    const host = new Host("full", true, 0);
    host.put(undefined, { status: "UP" }, "start", 1);
    host.put("web", { status: "MAINT" }, "start", 2);
    expect([...host.names()]).toEqual(["web"]);
    expect(host.service("web")).toEqual({
      ...{ state: { status: "MAINT" }, since: 2, by: "start" },
    });
    expect(host.find(undefined)).toBe(host.own);
    expect(["web", "", "#hapgent:web 2", "api"].map((sent) => host.replyTo(sent).text)).toEqual([
      ...["maint 100%", "ready up 100%", "maint 100%", "FAIL #no such service"],
    ]);
    const { version } = host;
    host.remove("web", 3);
    expect(host.version).toBeGreaterThan(version);
    expect(host.replyTo("web").text).toBe("FAIL #no such service");
    host.remove("web", 4);
    expect([host.version, host.changedAt()]).toEqual([version + 1, 3]);
  });

  test("knows when the reply of each service has changed last", () => {
    const host = new Host("full", true, 0);
    host.put("web", { status: "UP" }, "start", 1);
    host.put("api", { status: "UP" }, "start", 2);
    expect([host.changedAt("web"), host.changedAt("api"), host.changedAt()]).toEqual([1, 2, 2]);
    host.put("web", { status: "DOWN" }, "socket", 5);
    expect([host.changedAt("web"), host.changedAt("api"), host.changedAt()]).toEqual([5, 2, 5]);
    host.put(undefined, { status: "UP" }, "SIGUSR1", 7);
    expect([host.changedAt("web"), host.changedAt("api"), host.changedAt()]).toEqual([7, 7, 7]);
    expect(host.changedAt("gone")).toBe(7);
    host.answerWhileStopping("DOWN", 9);
    expect(host.changedAt("api")).toBe(9);
  });

  test("answers its stop status for all, and changes no state", () => {
    const host = new Host("full", true, 0);
    host.put(undefined, { status: "UP", reason: "as ever" }, "start", 0);
    host.put("web", { status: "DRAIN", weight: 7 }, "start", 0);
    expect(host.reply().text).toBe("ready up 100% #as ever");
    host.answerWhileStopping("DOWN", 1);
    expect(host.stopStatus).toBe("DOWN");
    expect([host.reply().text, host.reply("web").text]).toEqual([
      "ready down 100%",
      "drain down 7%",
    ]);
    expect(host.own.state).toEqual({ status: "UP", reason: "as ever" });
  });
});
