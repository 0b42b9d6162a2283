// What completions for bash, zsh and fish offer, from the tables of src: blocks of the files in
// deploy/completion, which hold the rest. The three offer the same: commands, options and their values,
// the words of control commands after `ctl`, instances that are installed.
import { CTL_COMMANDS } from "../../src/commands/help.ts";
import { findInstallation } from "../../src/commands/installation.ts";
import { COMMANDS, type Option } from "../../src/spec.ts";
import { STATUSES } from "../../src/state/state.ts";

const NAMES = COMMANDS.map(({ name }) => name).join(" ");

/** The settings files of instances; a shell's pattern. */
const INSTANCES = findInstallation("*").settingsFile;

/** The commands that have options. */
const WITH_OPTIONS = COMMANDS.flatMap(({ name, options }) => (options ? [{ name, options }] : []));

const OPTIONS = WITH_OPTIONS.flatMap(({ name, options }) =>
  options.map((option) => ({ command: name, ...option })),
);

/** What may follow the words of a control command: a shell's words, by these words. */
const FOLLOWING = [...listFollowing()].map(([said, words]) => [said, words.join(" ")] as const);

function listFollowing(): Map<string, string[]> {
  const following = new Map<string, string[]>();
  for (const { name } of CTL_COMMANDS) {
    const words = name.split(" ");
    for (const [i, word] of words.entries()) {
      const before = words.slice(0, i).join(" ");
      const known = following.get(before) ?? [];
      if (!known.includes(word)) following.set(before, [...known, word]);
    }
  }
  return following.set("set status", [...STATUSES]).set("change", [...STATUSES]);
}

/** Text between single quotes: for zsh and fish alike after a backslash that is outside of them. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function formatBash(): Record<string, string> {
  const flags = WITH_OPTIONS.map(({ name, options }) => {
    return `local ${name}="${options.map((option) => `--${option.name}`).join(" ")}"`;
  });
  const values = OPTIONS.filter(({ name, value }) => value && name !== "instance");
  return {
    words: [`local commands="${NAMES}" instances="${INSTANCES}"`, ...flags].join("\n"),
    values: values
      .map(({ command, name, words = [] }) => {
        const offer = words.length > 0 ? `words="${words.join(" ")}" ` : "";
        return `*" ${command} --${name}") ${offer};;`;
      })
      .join("\n"),
    control: FOLLOWING.map(([said, words]) => `"${said}") words="${words}" ;;`).join("\n"),
  };
}

function formatZsh(): Record<string, string> {
  const describe = (text: string) => text.replaceAll(/[[\]:]/g, "\\$&");
  const offer = ({ name, value, words }: Option) => {
    if (!value) return "";
    if (name === "instance") return ":NAME:_hapgent_instances";
    return `:${value}:${words ? `(${words.join(" ")})` : " "}`;
  };
  const options = WITH_OPTIONS.map(({ name, options: all }) => {
    const lines = all.map(
      (option) => `  ${quote(`--${option.name}[${describe(option.meaning)}]${offer(option)}`)}`,
    );
    return [`${name}_options=(`, ...lines, ")"].join("\n");
  });
  return {
    instances: `instances=(${INSTANCES}(N:t:r))`,
    control: FOLLOWING.map(([said, words]) => `${quote(said)}) compadd -- ${words} ;;`).join("\n"),
    commands: COMMANDS.map(({ name, meaning }) => quote(`${name}:${describe(meaning)}`)).join("\n"),
    options: options.join("\n"),
  };
}

function formatFish(): Record<string, string> {
  const offer = (when: string, rest: string) => `complete -c hapgent -n '${when}' ${rest}`;
  const values = ({ name, value, words }: Option) => {
    if (!value) return "";
    if (name === "instance") return " -x -a '(__hapgent_instances)'";
    return words ? ` -x -a '${words.join(" ")}'` : " -x";
  };
  const lines = [
    ...COMMANDS.map(({ name, meaning }) =>
      offer("__fish_is_first_arg", `-a ${name} -d ${quote(meaning)}`),
    ),
    offer("__hapgent_runs help; and test (count (commandline -opc)) -eq 2", `-a '${NAMES}'`),
    ...OPTIONS.map((option) => {
      const when = option.command === "ctl" ? "__hapgent_said" : `__hapgent_runs ${option.command}`;
      return offer(when, `-l ${option.name}${values(option)} -d ${quote(option.meaning)}`);
    }),
    ...FOLLOWING.map(([said, words]) => offer(`__hapgent_said ${said}`.trim(), `-a '${words}'`)),
  ];
  return { instances: `set -l files ${INSTANCES}`, offers: lines.join("\n") };
}

/** The blocks of each file by their names. */
export const COMPLETIONS: Readonly<Record<string, Record<string, string>>> = {
  "deploy/completion/hapgent.bash": formatBash(),
  "deploy/completion/_hapgent": formatZsh(),
  "deploy/completion/hapgent.fish": formatFish(),
};
