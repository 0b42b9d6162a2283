// One end of a link, and what carries its packets: bun link-program.ts PID
//
// Runs in the network namespace of the agent, makes a TUN device there and one in the namespace of
// the process PID, and carries packets between them. A line on standard input says what becomes of
// them from now on: see `Treatment`. It ends with its input.
import { dlopen, ptr } from "bun:ffi";
import { constants, openSync, readSync, writeSync } from "node:fs";
import { capture } from "../../scripts/lib/shell.ts";
import type { Treatment } from "./link.ts";

/** See if_tun.h: the device without a header before its packets. */
const TUNSETIFF = 0x400454ca;
const IFF_TUN_NO_PI = 0x1001;
const POLLIN = 1;
const FIN = 1;
const TCP = 6;

const { ioctl, poll } = dlopen("libc.so.6", {
  ioctl: { args: ["int", "u64", "ptr"], returns: "int" },
  poll: { args: ["ptr", "u64", "int"], returns: "int" },
}).symbols;

const [, , pid = ""] = process.argv;
let treatment: Treatment = "pass";

const agent = openDevice("agent");
const haproxy = openDevice("haproxy");
const inHaproxy = ["nsenter", `--net=/proc/${pid}/ns/net`];
capture(["ip", "link", "set", "haproxy", "netns", pid]);
for (const [launcher, name, own, other] of [
  [[], "agent", "10.9.0.1", "10.9.0.2"],
  [inHaproxy, "haproxy", "10.9.0.2", "10.9.0.1"],
] as const) {
  capture([...launcher, "ip", "link", "set", "lo", "up"]);
  capture([...launcher, "ip", "address", "add", own, "peer", other, "dev", name]);
  capture([...launcher, "ip", "link", "set", name, "up"]);
}
process.stdout.write("ready\n");

const input = Buffer.alloc(65_536);
const descriptors = new Int32Array([agent, POLLIN, haproxy, POLLIN, 0, POLLIN]);
for (;;) {
  poll(ptr(descriptors), 3, -1);
  const isReady = (i: number) => (descriptors[2 * i + 1] ?? 0) >> 16 !== 0;
  if (isReady(2)) {
    const length = readSync(0, input);
    if (length === 0) process.exit();
    treatment = input.toString("latin1", 0, length).trim() as Treatment;
    process.stdout.write(`${treatment}\n`);
  }
  if (isReady(0)) carry(agent, haproxy);
  if (isReady(1)) carry(haproxy, agent);
}

function openDevice(name: string): number {
  const device = openSync("/dev/net/tun", constants.O_RDWR | constants.O_NONBLOCK);
  const request = Buffer.alloc(40);
  request.write(name);
  request.writeInt16LE(IFF_TUN_NO_PI, 16);
  if (ioctl(device, TUNSETIFF, ptr(request)) !== 0) throw new Error(`no device ${name}`);
  return device;
}

/** Takes one packet, and lets it go on its way, or not. */
function carry(from: number, to: number): void {
  const packet = input.subarray(0, readSync(from, input));
  if (treatment === "cut" || (from === agent && isDropped(packet))) return;
  writeSync(to, packet);
}

/** Whether a packet of the agent is lost; it may lose the end of its connection. */
function isDropped(packet: Buffer): boolean {
  if (treatment === "pass" || (packet[0] ?? 0) >> 4 !== 4 || packet[9] !== TCP) return false;
  const tcp = ((packet[0] ?? 0) & 15) * 4;
  const data = tcp + ((packet[tcp + 12] ?? 0) >> 4) * 4;
  if (treatment === "deaf") return packet.readUInt16BE(2) > data;
  const flags = packet[tcp + 13] ?? 0;
  if ((flags & FIN) === 0) return false;
  packet[tcp + 13] = flags & ~FIN;
  // One less in the sum is one more in its complement (RFC 1624).
  const checksum = packet.readUInt16BE(tcp + 16) + 1;
  packet.writeUInt16BE((checksum & 0xffff) + (checksum >> 16), tcp + 16);
  treatment = "cut";
  return false;
}
