// Takes the picture of deploy/haproxy/README.md: the statistics page of a real HAProxy, in a real
// browser, with a server whose agent says why it is down.
import { startAgent } from "./lib/agent.ts";
import { startHaproxy } from "./lib/haproxy.ts";
import { freePort } from "./lib/port.ts";
import { ROOT, run } from "./lib/shell.ts";
import { temporaryDirectory } from "./lib/temporary.ts";
import { needTools } from "./lib/tools.ts";
import { until } from "./lib/until.ts";

const PICTURE = `${ROOT}deploy/haproxy/stats.png`;

await needTools({ haproxy: "haproxy", chromium: "chromium" });
run(["bun", "scripts/build.ts"]);
const port = freePort();
await using down = await startAgent({ state: { status: "DOWN", reason: "deploying v42" } });
await using up = await startAgent({ state: { status: "UP", weight: 75 } });
const line = (name: string, agent: { port: number }) =>
  `server ${name} unix@service.sock weight 100 check agent-check agent-inter 100ms ` +
  `agent-addr 127.0.0.1 agent-port ${agent.port} agent-send "${name}\\n"`;
await using haproxy = await startHaproxy(`
backend web
  ${line("web1", up)}
  ${line("web2", down)}
listen stats
  bind 127.0.0.1:${port}
  stats enable
  stats uri /
  stats hide-version
  stats scope web
`);
await haproxy.shows({ status: "DOWN (agent)" }, "web/web2");
await haproxy.shows({ status: "UP", uweight: 75 }, "web/web1");
using profile = temporaryDirectory();
const debugPort = freePort();
await using browser = Bun.spawn(
  [
    ...["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"],
    ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
    ...[`--user-data-dir=${profile.path}`, `--remote-debugging-port=${debugPort}`],
    ...["--hide-scrollbars", "--window-size=1280,900", `http://127.0.0.1:${port}/`],
  ],
  { stdio: ["ignore", "ignore", "ignore"] },
);
const page = await until("the browser has the page", async () => {
  const list = await fetch(`http://127.0.0.1:${debugPort}/json/list`).catch(() => undefined);
  const pages = ((await list?.json()) ?? []) as { type: string; webSocketDebuggerUrl: string }[];
  return pages.find(({ type }) => type === "page");
});
const socket = new WebSocket(page.webSocketDebuggerUrl);
await new Promise((resolve) => socket.addEventListener("open", resolve));

// The pointer on web2's last agent check shows what the agent said.
const cells = `[...document.querySelectorAll("tr.active_down u")]`;
const cell = `${cells}.find((u) => /via agent/.test(u.textContent))`;
const { x, y } = await until("web2 has an agent's reason", async () => {
  const point = "at && { x: at.x + 20, y: at.y + 5 }";
  const expression = `(() => { const at = ${cell}?.getBoundingClientRect(); return ${point}; })()`;
  const { result } = await send<{ result: { value?: { x: number; y: number } } }>(
    "Runtime.evaluate",
    { expression, returnByValue: true },
  );
  return result.value;
});
await send("Input.dispatchMouseEvent", { type: "mouseMoved", x, y });
const { data } = await send<{ data: string }>("Page.captureScreenshot", {
  clip: { x: 0, y: y - 68, width: 1280, height: 108, scale: 1 },
});
await Bun.write(PICTURE, Buffer.from(data, "base64"));
console.log(PICTURE);
browser.kill();

/** Sends a command of the DevTools protocol and returns its result. */
function send<T>(method: string, params: object): Promise<T> {
  const id = Math.trunc(performance.now() * 1000);
  return new Promise((resolve, reject) => {
    const receive = ({ data: text }: MessageEvent<string>) => {
      const answer = JSON.parse(text) as { id?: number; result?: T; error?: { message: string } };
      if (answer.id !== id) return;
      socket.removeEventListener("message", receive);
      if (answer.result === undefined) reject(new Error(answer.error?.message));
      else resolve(answer.result);
    };
    socket.addEventListener("message", receive);
    socket.send(JSON.stringify({ id, method, params }));
  });
}
