// What the shells complete, with the shells themselves: keys are typed on a terminal and the command
// that runs is looked at (bash, zsh), or the shell is asked what it offers (fish).
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { outcome, ROOT } from "../../scripts/lib/shell.ts";
import { temporaryDirectory } from "../../scripts/lib/temporary.ts";

const COMPLETION = `${ROOT}deploy/completion`;

/** What is typed, each tab a key, and the words that the command then has. */
const TYPED: [typed: string, words: string[]][] = [
  ["st\t", ["status"]],
  ["che\t--con\t", ["check", "--config"]],
  ["check st\tso\t", ["check", "stäte files/so me.json"]],
  ["ctl se\tstatu\tMA\t", ["ctl", "set", "status", "MAINT"]],
  ["ctl --instance web rel\t", ["ctl", "--instance", "web", "reload"]],
  ["ctl @web se\tstatu\tDR\t", ["ctl", "@web", "set", "status", "DRAIN"]],
  ["dep\t--sta\tMA\t", ["deploy", "--status", "MAINT"]],
  ["deploy --dr\t5 --por\t", ["deploy", "--drain", "5", "--port"]],
];

/** Types the command lines into an interactive shell, and returns the words that it made of each. */
async function type(shell: string, setup: string): Promise<string[][]> {
  using directory = temporaryDirectory();
  mkdirSync(`${directory.path}/stäte files`);
  writeFileSync(`${directory.path}/stäte files/so me.json`, "");
  const probe = `hapgent() { printf '<%s>' "$@"; echo; }`;
  const lines = TYPED.map(([typed]) => `hapgent ${typed}`);
  // script(1) gives it a terminal.
  const { stdout } = await outcome(["script", "-qec", shell, "/dev/null"], {
    cwd: directory.path,
    env: { TERM: "dumb", HOME: directory.path, LC_ALL: "C.UTF-8", PS1: "$ " },
    input: [setup, probe, ...lines, "exit", ""].join("\n"),
    isClean: true,
    limit: 150,
  });
  const printed = stdout.split("\n").filter((line) => line.startsWith("<"));
  return printed.map((line) => [...line.matchAll(/<(.*?)>/g)].map(([, word]) => word ?? ""));
}

test.each([
  ["bash", "bash --norc --noprofile -i", `. '${COMPLETION}/hapgent.bash'`],
  ["zsh", "zsh -f -i", `autoload -Uz compinit; compinit -u -D; . '${COMPLETION}/_hapgent'`],
])("%s completes what is typed", async (_, shell, setup) => {
  expect(await type(shell, setup)).toEqual(TYPED.map(([, words]) => words));
});

test.each([
  ["", ["check", "ctl", "deploy", "help", "status"]],
  ["ctl ", ["change", "follow", "forget", "help", "reload", "set", "show", "wait"]],
  ["ctl @web --instance api set ", ["maxconn", "state", "status", "weight"]],
  ["ctl wait ", []],
])("fish offers after %j %j", async (typed, offers) => {
  using directory = temporaryDirectory();
  const script = `source '${COMPLETION}/hapgent.fish'; complete -C 'hapgent ${typed}'`;
  const { stdout, stderr } = await outcome(["fish", "--no-config", "-c", script], {
    env: { HOME: directory.path },
    isClean: true,
  });
  expect(stderr).toBe("");
  const words = stdout.split("\n").map((line) => line.split("\t")[0] ?? "");
  expect(words.filter(Boolean).toSorted()).toEqual(offers);
});
