# bash completion for hapgent

_hapgent() {
  local current=${COMP_WORDS[COMP_CWORD]} words=
  case "${COMP_WORDS[*]:1:COMP_CWORD-1}" in
    "") words="check status ctl help --help --version" ;;
    check*) words="--config --instance --json $(compgen -f -- "$current")" ;;
    status*) words="--send --expect --timeout --wait --instance --json" ;;
    ctl) words="show set reload wait forget help" ;;
    "ctl show") words="state services pollers" ;;
    "ctl set") words="status weight maxconn" ;;
    "ctl set status") words="UP DOWN READY DRAIN FAIL MAINT STOPPED" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _hapgent hapgent
