# bash completion for hapgent

_hapgent() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words='' said='' i
  COMPREPLY=()
  case "$COMP_CWORD ${COMP_WORDS[1]} $previous" in
    "1 "*) words="check status ctl deploy help --help --version" ;;
    *" --instance")
      for i in /etc/hapgent/*.env; do
        [ -e "$i" ] && i=${i##*/} && words+=" ${i%.env}"
      done
      ;;
    *" status --send") ;;
    *" status --expect") words="UP DOWN READY DRAIN FAIL MAINT STOPPED" ;;
    *" status --timeout") ;;
    *" status --wait") ;;
    *" deploy --url") ;;
    *" deploy --until") ;;
    *" deploy --answer") ;;
    *" deploy --settle") ;;
    *" deploy --status") words="DRAIN MAINT" ;;
    *" deploy --drain") ;;
    *" deploy --port") ;;
    *" deploy --wait") ;;
    *" deploy --pollers") ;;
    *" deploy --forget-silent") ;;
    "2 help "*) words="check status ctl deploy help" ;;
    *" check "*)
      words="--config --instance --json"
      # Files, which readline itself completes and quotes.
      [[ $current == -* ]] || { compopt -o default 2>/dev/null; return; }
      ;;
    *" status "*) [[ $current == -* ]] && words="--send --expect --timeout --wait --instance --json" ;;
    *" deploy "*)
      words="--url --until --answer --settle --status --drain --port --wait --pollers --forget-silent --from-any --up --young --instance"
      [[ $current == -* ]] || { compopt -o default 2>/dev/null; return; }
      ;;
    *" ctl "*)
      # What was said so far, without options and the service.
      for ((i = 2; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
          --instance | @) ((i++)) ;;
          -* | @*) ;;
          *) said+="${said:+ }${COMP_WORDS[i]}" ;;
        esac
      done
      case $said in
        "") words="show set change follow hold reload wait forget help" ;;
        "show") words="state services pollers" ;;
        "set") words="status weight maxconn state" ;;
        "forget") words="silent" ;;
        "set status") words="UP DOWN READY DRAIN FAIL MAINT STOPPED" ;;
        "change") words="UP DOWN READY DRAIN FAIL MAINT STOPPED" ;;
      esac
      [[ -z $said && $current == -* ]] && words="--instance --json"
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _hapgent hapgent
