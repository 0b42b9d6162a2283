// HAPGENT_POLLERS says who the load balancers are: addresses, joined ones, networks. Anything else
// is an error that names the entry.
import { describe, expect, test } from "bun:test";
import { parseNamedPollers } from "../src/named-pollers.ts";

describe("HAPGENT_POLLERS", () => {
  test("holds addresses, joined ones and networks, with blanks or commas between them", () => {
    const { balancers, networks } = parseNamedPollers(
      " 10.0.0.11,10.0.0.12=2001:DB8::12\t,\n10.1.0.0/16 2001:db8:1::/48 ",
    );
    expect(balancers).toEqual([
      { text: "10.0.0.11", addresses: ["10.0.0.11"] },
      { text: "10.0.0.12=2001:DB8::12", addresses: ["10.0.0.12", "2001:db8::12"] },
    ]);
    expect(networks.map(({ text }) => text)).toEqual(["10.1.0.0/16", "2001:db8:1::/48"]);
  });

  test.each([
    ["::ffff:10.0.0.11", "10.0.0.11"],
    ["10.0.0.12", "10.0.0.12=2001:db8::12"],
    ["2001:0DB8:0:0:0:0:0:12", "10.0.0.12=2001:db8::12"],
    ["10.0.0.13", "::ffff:10.0.0.13"],
    ["fe80::1%eth0", "fe80::1"],
    ["10.1.0.1", "10.1.0.1"],
    ["10.3.7.255", "10.3.4.0/22"],
    ["10.3.8.0", undefined],
    ["::ffff:10.4.1.1", "::ffff:10.4.0.0/112"],
    ["2001:db8:1:ffff::1", "2001:db8:1::/48"],
    ["2001:db8:9:8000::", "2001:db8:9:8000::/49"],
    ["2001:db8:9:7fff::", undefined],
  ])("counts %j to %j", (address, entry) => {
    const named = parseNamedPollers(
      "10.1.0.0/16 10.0.0.11 10.0.0.12=2001:db8::12 ::ffff:10.0.0.13 fe80::1 10.1.0.1 10.3.4.0/22 " +
        "::ffff:10.4.0.0/112 2001:db8:1::/48 2001:db8:9:8000::/49",
    );
    expect(named.find(address)?.text).toBe(entry);
  });

  test("counts IPv4 to 0.0.0.0/0 only, and IPv6 to ::/0 only", () => {
    const all = parseNamedPollers("::/0 0.0.0.0/0");
    expect(all.find("192.0.2.1")?.text).toBe("0.0.0.0/0");
    expect(all.find("2001:db8::1")?.text).toBe("::/0");
    expect(parseNamedPollers("0.0.0.0/0").find("2001:db8::1")).toBeUndefined();
  });

  const notIp = "expected an IPv4 or IPv6 address or a network (10.1.0.0/16), got";
  const notNetwork = "expected a network such as 10.1.0.0/16 or 2001:db8::/32, got";
  test.each([
    ["lb1.example.org", `${notIp} "lb1.example.org"`],
    ["010.0.0.1", `${notIp} "010.0.0.1"`],
    ["[2001:db8::1]", `${notIp} "[2001:db8::1]"`],
    ["1:2:3:4:5:6:7", `${notIp} "1:2:3:4:5:6:7"`],
    ["1:2:3:4:5:6:7:8::", `${notIp} "1:2:3:4:5:6:7:8::"`],
    ["fe80::1%eth0", `${notIp} "fe80::1%eth0"`],
    ["10.0.0.1=", `${notIp} "" in "10.0.0.1="`],
    ["10.0.0.0/33", `${notNetwork} "10.0.0.0/33"`],
    ["10.0.0.0/255.0.0.0", `${notNetwork} "10.0.0.0/255.0.0.0"`],
    ["10.0.0.1=10.1.0.0/16", `${notNetwork} "10.0.0.1=10.1.0.0/16"`],
    ["10.1.2.3/16", 'expected the network 10.1.0.0/16 or an address, got "10.1.2.3/16"'],
    ["10.0.0.1 ::ffff:10.0.0.1", 'expected 10.0.0.1 once, got it in "::ffff:10.0.0.1" too'],
    [" , ", "expected addresses or networks, such as 10.0.0.11 10.1.0.0/16, got none"],
  ])("refuses %j: %s", (text, message) => {
    expect(() => parseNamedPollers(text)).toThrow(new Error(message));
  });

  test("names at most 4,096 addresses and networks", () => {
    const many = Array.from({ length: 4097 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
    expect(parseNamedPollers(many.slice(1).join(" ")).balancers).toHaveLength(4096);
    expect(() => parseNamedPollers(many.join(" "))).toThrow("at most 4096 addresses");
  });
});
