# bash completion for hapgent

_hapgent() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words='' said='' i
  # block: words
  local commands="check status ctl deploy help" instances="/etc/hapgent/*.env"
  local check="--config --instance --json"
  local status="--send --expect --timeout --wait --instance --json"
  local ctl="--instance --json"
  local deploy="--url --until --answer --settle --status --drain --port --wait --pollers --forget-silent --from-any --up --young --instance"
  # end
  COMPREPLY=()
  case "$COMP_CWORD ${COMP_WORDS[1]} $previous" in
    "1 "*) words="$commands --help --version" ;;
    *" --instance")
      for i in $instances; do
        [ -e "$i" ] && i=${i##*/} && words+=" ${i%.env}"
      done
      ;;
    # block: values
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
    # end
    "2 help "*) words=$commands ;;
    *" check "* | *" deploy "*)
      # Files, which readline itself completes and quotes.
      [[ $current == -* ]] || { compopt -o default 2>/dev/null; return; }
      [[ ${COMP_WORDS[1]} == check ]] && words=$check || words=$deploy
      ;;
    *" status "*) [[ $current == -* ]] && words=$status ;;
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
        # block: control
        "") words="show set change follow reload wait forget help" ;;
        "show") words="state services pollers" ;;
        "set") words="status weight maxconn state" ;;
        "forget") words="silent" ;;
        "set status") words="UP DOWN READY DRAIN FAIL MAINT STOPPED" ;;
        "change") words="UP DOWN READY DRAIN FAIL MAINT STOPPED" ;;
        # end
      esac
      [[ -z $said && $current == -* ]] && words=$ctl
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _hapgent hapgent
