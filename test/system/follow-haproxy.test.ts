// A deploy beside a command that is followed loses no request.
import { expect, test } from "bun:test";
import { until } from "../../scripts/lib/until.ts";
import { deploy, startLab } from "./deploy-lab.ts";
import { Follower } from "./follow.ts";
import { Traffic } from "./traffic.ts";

test.concurrent.each(["full", "exact"])(
  "two deploys beside a command that is followed lose nothing, with %s replies",
  async (reply) => {
    await using lab = await startLab({ hosts: ["one", "two"], env: { HAPGENT_REPLY: reply } });
    await using traffic = new Traffic(lab.balancers);
    const over = new AbortController();
    const said = lab.hosts.map(() => "");
    const followed = lab.hosts.map(async ({ agent }, i) => {
      using follower = new Follower(agent);
      for (let run = 1; !over.signal.aborted; run += 1) {
        // Its weight changes all the time.
        follower.stub("says", `echo up ${50 + (run % 50)}%`);
        const { stdout, stderr } = await follower.run("says");
        said[i] += stdout + stderr;
      }
    });
    const follows = (what: RegExp) => until(`${what}`, () => said.every((text) => what.test(text)));
    await follows(/ok saved: /);
    for (const host of lab.hosts) {
      await traffic.served(host);
      const { exitCode, lines } = await deploy(host, ["v42"]);
      expect({ exitCode, lines }).toEqual({ exitCode: 0, lines: expect.anything() });
      await traffic.served(host);
    }
    await follows(/ok saved: .*not followed: held by hapgent deploy .*ok saved: /s);
    over.abort();
    await Promise.all(followed);
    for (const text of said) expect(text).not.toContain("the state stays");
    expect((await traffic.stop()).failed).toEqual({});
  },
  60_000,
);
