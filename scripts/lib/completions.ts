// Completions for bash, zsh and fish, from the tables of src. The three offer the same: commands, options
// and their values, the words of control commands after `ctl`, instances that are installed.
import { findInstallation } from "../../src/commands/installation.ts";
import { CONTROL_COMMANDS } from "../../src/controls.ts";
import { COMMANDS, type Command, type Option } from "../../src/spec.ts";
import { STATUSES } from "../../src/state/state.ts";

const NAMES = COMMANDS.map(({ name }) => name);

/** What may come first on a command line. */
const TOP = [...NAMES, "--help", "--version"];

/** The settings files of instances; a shell's pattern. */
const INSTANCES = findInstallation("*").settingsFile;

/** What may follow the words of a control command, by these words. */
const FOLLOWING: ReadonlyMap<string, readonly string[]> = listFollowing();

function listFollowing(): Map<string, string[]> {
  const following = new Map<string, string[]>();
  for (const { name } of CONTROL_COMMANDS) {
    const words = name.split(" ");
    for (const [i, word] of words.entries()) {
      const before = words.slice(0, i).join(" ");
      const known = following.get(before) ?? [];
      if (!known.includes(word)) following.set(before, [...known, word]);
    }
  }
  return following.set("set status", [...STATUSES]).set("change", [...STATUSES]);
}

function optionsOf(name: string): readonly Option[] {
  return COMMANDS.find((command) => command.name === name)?.options ?? [];
}

/** The words of a list, and of the options of a command. */
function join(words: readonly string[]): string {
  return words.join(" ");
}

function flagsOf(name: string): string {
  return join(optionsOf(name).map((option) => `--${option.name}`));
}

/** Text between single quotes: for zsh and fish alike after a backslash that is outside of them. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The completion for bash. */
export function formatBash(): string {
  const cases = [...FOLLOWING].map(
    ([said, words]) => `        "${said}") words="${join(words)}" ;;`,
  );
  const values = COMMANDS.flatMap(({ name, options = [] }: Command) =>
    options.flatMap(({ name: option, value, words = [] }) => {
      if (!value || option === "instance") return [];
      const offer = words.length > 0 ? `words="${join(words)}" ` : "";
      return `    *" ${name} --${option}") ${offer};;`;
    }),
  );
  return `# bash completion for hapgent

_hapgent() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} words='' said='' i
  COMPREPLY=()
  case "$COMP_CWORD \${COMP_WORDS[1]} $previous" in
    "1 "*) words="${join(TOP)}" ;;
    *" --instance")
      for i in ${INSTANCES}; do
        [ -e "$i" ] && i=\${i##*/} && words+=" \${i%.env}"
      done
      ;;
${values.join("\n")}
    "2 help "*) words="${join(NAMES)}" ;;
    *" check "*)
      words="${flagsOf("check")}"
      # Files, which readline itself completes and quotes.
      [[ $current == -* ]] || { compopt -o default 2>/dev/null; return; }
      ;;
    *" status "*) [[ $current == -* ]] && words="${flagsOf("status")}" ;;
    *" deploy "*)
      words="${flagsOf("deploy")}"
      [[ $current == -* ]] || { compopt -o default 2>/dev/null; return; }
      ;;
    *" ctl "*)
      # What was said so far, without options and the service.
      for ((i = 2; i < COMP_CWORD; i++)); do
        case \${COMP_WORDS[i]} in
          --instance | @) ((i++)) ;;
          -* | @*) ;;
          *) said+="\${said:+ }\${COMP_WORDS[i]}" ;;
        esac
      done
      case $said in
${cases.join("\n")}
      esac
      [[ -z $said && $current == -* ]] && words="${flagsOf("ctl")}"
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _hapgent hapgent
`;
}

/** The completion for zsh. */
export function formatZsh(): string {
  const describe = (text: string) => text.replaceAll(/[[\]:]/g, "\\$&");
  const action = ({ name, value, words }: Option) => {
    if (!value) return "";
    if (name === "instance") return ":NAME:_hapgent_instances";
    return `:${value}:${words ? `(${join(words)})` : " "}`;
  };
  const specs = (name: string) =>
    optionsOf(name).map(
      (option) =>
        `        ${quote(`--${option.name}[${describe(option.meaning)}]${action(option)}`)} \\`,
    );
  const commands = COMMANDS.map(
    ({ name, meaning }) => `    ${quote(`${name}:${describe(meaning)}`)}`,
  );
  const cases = [...FOLLOWING].map(
    ([said, words]) => `    ${quote(said)}) compadd -- ${join(words)} ;;`,
  );
  return `#compdef hapgent
# zsh completion for hapgent

_hapgent_instances() {
  local -a instances
  instances=(${INSTANCES}(N:t:r))
  compadd -- $instances
}

_hapgent_control() {
  # The service comes before the command.
  if [[ $words[1] == @* ]] && ((CURRENT > 1)); then
    shift words
    ((CURRENT--))
  fi
  case "\${(j: :)words[1,CURRENT-1]}" in
${cases.join("\n")}
  esac
}

_hapgent() {
  local context state state_descr line
  local -a commands
  typeset -A opt_args
  commands=(
${commands.join("\n")}
  )
  _arguments -C \\
    '(- *)--help[print the help]' '(- *)--version[print the version]' \\
    '1:command:->command' '*::argument:->argument' && return
  case "$state \${words[1]}" in
    command*) _describe command commands ;;
    "argument check")
      _arguments \\
${specs("check").join("\n")}
        '*:file:_files'
      ;;
    "argument status")
      _arguments \\
${specs("status").join("\n")}
        '1:address:_hosts'
      ;;
    "argument ctl")
      _arguments \\
${specs("ctl").join("\n")}
        '*::control command:_hapgent_control'
      ;;
    "argument deploy")
      _arguments \\
${specs("deploy").join("\n")}
        '1:reason:()' '*::command:_normal'
      ;;
    "argument help") ((CURRENT == 2)) && _describe command commands ;;
  esac
}

if [ "$funcstack[1]" = _hapgent ]; then _hapgent "$@"; else compdef _hapgent hapgent; fi
`;
}

/** The completion for fish. */
export function formatFish(): string {
  const offer = (when: string, rest: string) => `complete -c hapgent -n '${when}' ${rest}`;
  const values = ({ name, value, words }: Option) => {
    if (!value) return "";
    if (name === "instance") return " -x -a '(__hapgent_instances)'";
    return words ? ` -x -a '${join(words)}'` : " -x";
  };
  return `${[
    `# fish completion for hapgent

# Whether this is the command.
function __hapgent_runs
    set -l words (commandline -opc)
    test (count $words) -gt 1; and test "$words[2]" = "$argv"
end

# Whether this was said to the control socket, options and the service left out.
function __hapgent_said
    __hapgent_runs ctl; or return 1
    set -l words (commandline -opc)
    set -l said
    set -l isValue no
    for word in $words[3..]
        if test $isValue = yes
            set isValue no
        else if test "$word" = --instance
            set isValue yes
        else if not string match -qr '^[-@]' -- $word
            set -a said $word
        end
    end
    test "$said" = "$argv"
end

function __hapgent_instances
    set -l files ${INSTANCES}
    for file in $files
        basename $file .env
    end
end

complete -c hapgent -f`,
    ...COMMANDS.map(({ name, meaning }) =>
      offer("__fish_is_first_arg", `-a ${name} -d ${quote(meaning)}`),
    ),
    offer("__fish_is_first_arg", "-l help -d 'print the help'"),
    offer("__fish_is_first_arg", "-l version -d 'print the version'"),
    offer("__hapgent_runs help; and test (count (commandline -opc)) -eq 2", `-a '${join(NAMES)}'`),
    ...NAMES.flatMap((name) =>
      optionsOf(name).map((option) =>
        offer(
          name === "ctl" ? "__hapgent_said" : `__hapgent_runs ${name}`,
          `-l ${option.name}${values(option)} -d ${quote(option.meaning)}`,
        ),
      ),
    ),
    offer("__hapgent_runs check", "-F"),
    ...[...FOLLOWING].map(([said, words]) =>
      offer(`__hapgent_said ${said}`.trim(), `-a '${join(words)}'`),
    ),
  ].join("\n")}\n`;
}
