#!/bin/sh
# Installs hapgent from a release: sh install.sh --from URL, where URL is the directory of the release's files
# (https://, http:// or file://). Twice is once; a state that is there is never touched.
set -eu
umask 022

# The keys that may sign a release, as in allowed_signers; scripts/release.ts writes them here.
SIGNERS=''

BIN=/usr/local/bin
SHARE=/usr/local/share
UNITS=/usr/local/lib/systemd/system
STATE=/var/lib/hapgent

usage() {
  cat <<END
usage: install.sh --from URL [--signers FILE] [--dry-run]
       install.sh --uninstall [--dry-run]

  --from URL      the directory of a release: https://, http:// or file://
  --signers FILE  the keys that may sign it, in place of those in this script
  --dry-run       download and verify, but only say what would change
  --uninstall     remove all but the state and the settings
END
}

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

say() {
  echo "$*"
}

# Does a step, or says it in a dry run.
act() {
  if [ "$dry_run" = yes ]; then say "would: $*"; else "$@"; fi
}

has() {
  command -v "$1" >/dev/null 2>&1
}

# The architecture and the C library of this machine, as the files are named after them.
find_target() {
  case $(uname -m) in
  x86_64 | amd64) target=linux-x64 ;;
  aarch64 | arm64) target=linux-arm64 ;;
  *) fail "there is no executable for $(uname -sm)" ;;
  esac
  [ "$(uname -s)" = Linux ] || fail "there is no executable for $(uname -sm)"
  if getconf GNU_LIBC_VERSION >/dev/null 2>&1; then return; fi
  target=$target-musl
}

# Downloads a file of the release into the working directory.
fetch() {
  case $from in
  file://*) cp "${from#file://}/$1" "$1" || return 1 ;;
  *)
    if has curl; then
      curl --fail --silent --show-error --location --output "$1" "$from/$1" || return 1
    elif has wget; then
      wget -q -O "$1" "$from/$1" || return 1
    else
      fail "curl or wget is needed"
    fi
    ;;
  esac
}

# The list of checksums has to be signed by a key that we know; what is checked is said.
verify_sums() {
  if [ -n "$signers" ]; then cp "$signers" signers; else printf '%s\n' "$SIGNERS" >signers; fi
  if ! grep -q '^[^#]' signers; then
    say "signature not checked: no release key is published yet"
  elif ! has ssh-keygen; then
    say "signature not checked: there is no ssh-keygen"
  else
    fetch SHA256SUMS.sig || fail "the release has no signature: $from/SHA256SUMS.sig"
    ssh-keygen -Y verify -f signers -I hapgent -n file -s SHA256SUMS.sig <SHA256SUMS >said 2>&1 ||
      fail "SHA256SUMS is not signed by a release key: $(cat said)"
    say "signature checked"
  fi
}

# Downloads, verifies and unpacks the archive for this machine; $content is then what was in it.
get_archive() {
  fetch SHA256SUMS || fail "there is no release at $from: it has no SHA256SUMS"
  verify_sums
  suffix=gz
  if has zstd; then suffix=zst; fi
  line=$(grep -E "^[0-9a-f]{64}  hapgent-[0-9][^ /]*-$target\.tar\.$suffix\$" SHA256SUMS) ||
    fail "the release has no archive for $target"
  [ "$(echo "$line" | wc -l)" -eq 1 ] || fail "the release has more than one archive for $target"
  archive=${line#*  }
  say "getting $archive"
  fetch "$archive" || fail "cannot get $from/$archive"
  echo "$line" | sha256sum -c - >/dev/null 2>&1 ||
    fail "$archive was changed, or is not whole: its checksum is not the one in SHA256SUMS"
  say "checksum checked"
  if [ $suffix = zst ]; then zstd -dcq "$archive"; else gzip -dc "$archive"; fi | tar -xf -
  content=$directory/${archive%.tar.*}
  rm "$archive"
  version=$("$content/hapgent" --version) ||
    fail "the executable does not run from $directory (Alpine lacks: apk add libstdc++)"
}

# Puts a file in its place, at once and only if it differs: put FILE TARGET MODE.
put() {
  if cmp -s "$1" "$2"; then return; fi
  changed=yes
  act mkdir -p "$(dirname "$2")"
  act cp "$1" "$2.new"
  act chmod "$3" "$2.new"
  act mv -f "$2.new" "$2"
}

make_user() {
  if getent passwd hapgent >/dev/null 2>&1 || grep -q '^hapgent:' /etc/passwd; then return; fi
  changed=yes
  if has useradd; then
    act useradd --system --user-group --home-dir $STATE --no-create-home \
      --shell /usr/sbin/nologin hapgent
  else
    act addgroup -S hapgent
    act adduser -S -D -H -h $STATE -s /sbin/nologin -G hapgent hapgent
  fi
}

# The first state; one that is there stays, and so does a directory that the operator emptied.
make_state() {
  if [ -e $STATE ]; then return; fi
  changed=yes
  act mkdir -p $STATE
  act cp "$content/deploy/state.json" $STATE/state.json
  act chown -R hapgent:hapgent $STATE
}

start_systemd() {
  if [ $changed = yes ]; then act systemctl daemon-reload; fi
  systemctl is-enabled --quiet hapgent 2>/dev/null || act systemctl enable --quiet hapgent
  if ! systemctl is-active --quiet hapgent; then
    act systemctl start hapgent
  elif [ $changed = yes ]; then
    act systemctl restart hapgent
    act systemctl try-restart 'hapgent@*.service'
  fi
}

start_sysv() {
  if has update-rc.d && ! ls /etc/rc2.d/S??hapgent >/dev/null 2>&1; then
    act update-rc.d hapgent defaults
  fi
  if ! /etc/init.d/hapgent status >/dev/null 2>&1; then
    act /etc/init.d/hapgent start
  elif [ $changed = yes ]; then
    act /etc/init.d/hapgent restart
  fi
}

install_all() {
  if [ -e /usr/bin/hapgent ]; then fail "a package has installed /usr/bin/hapgent: use that one"; fi
  find_target
  get_archive
  put "$content/hapgent" $BIN/hapgent 755
  put "$content/deploy/man/hapgent.8" $SHARE/man/man8/hapgent.8 644
  put "$content/deploy/completion/hapgent.bash" $SHARE/bash-completion/completions/hapgent 644
  make_user
  make_state
  if [ -d /run/systemd/system ]; then
    for unit in hapgent.service hapgent.socket hapgent@.service; do
      put "$content/deploy/systemd/$unit" $UNITS/$unit 644
    done
    start_systemd
  elif has start-stop-daemon && [ -e /lib/lsb/init-functions ]; then
    put "$content/deploy/sysv/hapgent.init" /etc/init.d/hapgent 755
    put "$content/deploy/sysv/hapgent.logrotate" /etc/logrotate.d/hapgent 644
    start_sysv
  else
    say "no systemd and no Debian init here: start $BIN/hapgent as the user hapgent yourself," \
      "with HAPGENT_STATE_FILE=$STATE/state.json"
  fi
  if [ $changed = no ]; then say "nothing to change: $version"; else say "installed: $version"; fi
}

remove() {
  for path; do
    if [ -e "$path" ]; then
      act rm "$path"
      changed=yes
    fi
  done
}

uninstall_all() {
  if [ -d /run/systemd/system ] && [ -e $UNITS/hapgent.service ]; then
    act systemctl disable --quiet --now hapgent.socket hapgent.service
    act systemctl stop 'hapgent@*.service'
  elif [ ! -d /run/systemd/system ] && [ -e $BIN/hapgent ] && [ -e /etc/init.d/hapgent ]; then
    act /etc/init.d/hapgent stop
  fi
  if [ -e $BIN/hapgent ]; then
    remove /etc/init.d/hapgent /etc/logrotate.d/hapgent
    if has update-rc.d; then act update-rc.d hapgent remove; fi
  fi
  remove $BIN/hapgent $SHARE/man/man8/hapgent.8 $SHARE/bash-completion/completions/hapgent
  remove $UNITS/hapgent.service $UNITS/hapgent.socket $UNITS/hapgent@.service
  if [ $changed = no ]; then
    say "nothing to remove"
    return
  fi
  if [ -d /run/systemd/system ]; then act systemctl daemon-reload; fi
  say "removed; what stays: $STATE, /etc/default/hapgent, /etc/hapgent and the user hapgent"
}

# All in functions: a script that arrives cut off does nothing.
main() {
  from='' signers='' dry_run=no action=install changed=no
  while [ $# -gt 0 ]; do
    case $1 in
    --from) from=${2?--from needs a URL} && shift ;;
    --signers) signers=$(realpath "${2?--signers needs a file}") && shift ;;
    --dry-run) dry_run=yes ;;
    --uninstall) action=uninstall ;;
    --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
  done
  if [ $action = install ] && [ -z "$from" ]; then usage >&2 && exit 2; fi
  from=${from%/}
  case $from in
  '' | https://* | http://* | file:///*) ;;
  *) fail "expected a URL of https://, http:// or file:///, got $from" ;;
  esac
  if [ $dry_run = no ] && [ "$(id -u)" -ne 0 ]; then fail "this needs root; --dry-run does not"; fi

  directory=$(mktemp -d)
  trap 'rm -rf "$directory"' EXIT
  trap 'exit 1' HUP INT TERM
  cd "$directory"
  "${action}_all"
}

main "$@"
