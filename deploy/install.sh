#!/bin/sh
# Installs hapgent from a release: sh install.sh --from URL. URL is the directory of the release's files (https://,
# http:// or file://). A second run changes nothing. Your state and your settings are never touched.
set -eu
umask 022

# The keys that may sign a release, as in allowed_signers; scripts/release.ts writes them here.
SIGNERS=''

BIN=/usr/local/bin
SHARE=/usr/local/share
DOC=$SHARE/doc/hapgent
UNITS=/usr/local/lib/systemd/system
STATE=/var/lib/hapgent
SETTINGS=/etc/default/hapgent

# MB of address space that the executable needs to start.
ADDRESS_SPACE=400

usage() {
  cat <<END
usage: install.sh --from URL [--signers FILE] [--insecure] [--allow-downgrade] [--dry-run]
       install.sh --uninstall [--dry-run]

  --from URL         the directory of a release: https://, http:// or file://
  --signers FILE     keys that may sign it, instead of those in this script
  --insecure         go by the checksums alone where there is no ssh-keygen to check the signature
  --allow-downgrade  replace a newer version
  --dry-run          download and verify, but only say what would change
  --uninstall        remove everything except the state and the settings
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

# The files for every init: name in the archive, target, mode. A file that the archive lacks is left out.
list_files() {
  cat <<END
hapgent $BIN/hapgent 755
LICENSE $DOC/LICENSE 644
THIRD_PARTY_NOTICES $DOC/THIRD_PARTY_NOTICES 644
deploy/scripts/hapgent-deploy $BIN/hapgent-deploy 755
deploy/scripts/hapgent-follow $BIN/hapgent-follow 755
deploy/scripts/hapgent-follow.cron $DOC/hapgent-follow.cron 644
deploy/man/hapgent.8 $SHARE/man/man8/hapgent.8 644
deploy/man/hapgent-deploy.8 $SHARE/man/man8/hapgent-deploy.8 644
deploy/man/hapgent-follow.8 $SHARE/man/man8/hapgent-follow.8 644
deploy/completion/hapgent.bash $SHARE/bash-completion/completions/hapgent 644
deploy/completion/_hapgent $SHARE/zsh/site-functions/_hapgent 644
deploy/completion/hapgent.fish $SHARE/fish/vendor_completions.d/hapgent.fish 644
END
}

list_systemd_files() {
  cat <<END
deploy/systemd/hapgent.service $UNITS/hapgent.service 644
deploy/systemd/hapgent.socket $UNITS/hapgent.socket 644
deploy/systemd/hapgent@.service $UNITS/hapgent@.service 644
deploy/systemd/hapgent@.socket $UNITS/hapgent@.socket 644
deploy/scripts/hapgent-follow@.service $UNITS/hapgent-follow@.service 644
deploy/scripts/hapgent-follow@.timer $UNITS/hapgent-follow@.timer 644
END
}

list_sysv_files() {
  cat <<END
deploy/sysv/hapgent.init /etc/init.d/hapgent 755
deploy/sysv/hapgent.logrotate /etc/logrotate.d/hapgent 644
END
}

# The architecture and the C library of this machine, as the files are named after them.
find_target() {
  case $(uname -m) in
  x86_64 | amd64) target=linux-x64 ;;
  aarch64 | arm64) target=linux-arm64 ;;
  *) fail "there is no executable for $(uname -sm)" ;;
  esac
  [ "$(uname -s)" = Linux ] || fail "there is no executable for $(uname -sm)"
  libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || target=$target-musl
}

# Refuses a machine that the executable cannot run on: there it would die of a signal or fail without a reason.
check_machine() {
  [ -e /proc/cpuinfo ] || fail "/proc is not mounted: the executable needs it"
  case $target in
  linux-x64*)
    grep -qw sse4_2 /proc/cpuinfo ||
      fail "this processor has no SSE4.2, which the executable needs; a virtual machine may get it with another CPU model"
    ;;
  esac
  case $target in
  *-musl)
    for library in libstdc++.so.6 libgcc_s.so.1; do
      [ -e "/usr/lib/$library" ] || [ -e "/usr/local/lib/$library" ] || [ -e "/lib/$library" ] ||
        fail "$library is missing, which the executable needs (Alpine: apk add libstdc++)"
    done
    ;;
  *)
    is_older "${libc#glibc }.0" 2.17.0 && fail "the executable needs glibc 2.17 or newer, this is $libc"
    ;;
  esac
  space=$(awk '/^Max address space/ && $4 != "unlimited" { print int($4 / 1000000) }' /proc/self/limits)
  if [ "${space:-$ADDRESS_SPACE}" -lt $ADDRESS_SPACE ]; then
    fail "the address space is limited to $space MB (ulimit -v); the executable needs $ADDRESS_SPACE MB"
  fi
}

# Whether a version comes before another one: is_older 1.2.3-rc.1 1.2.3 (semver.org, section 11).
is_older() {
  LC_ALL=C awk -v a="$1" -v b="$2" '
    function compare(x, y) { return x < y ? -1 : x > y }
    function compare_parts(x, y,  xs, ys, i, n, m, order) {
      n = split(x, xs, "."); m = split(y, ys, ".")
      for (i = 1; i <= n && i <= m; i++) {
        if (xs[i] ~ /^[0-9]+$/ && ys[i] ~ /^[0-9]+$/) order = compare(xs[i] + 0, ys[i] + 0)
        else if (xs[i] ~ /^[0-9]+$/) order = -1
        else if (ys[i] ~ /^[0-9]+$/) order = 1
        else order = compare(xs[i] "", ys[i] "")
        if (order != 0) return order
      }
      return compare(n, m)
    }
    BEGIN {
      sub(/\+.*/, "", a); sub(/\+.*/, "", b)
      core_a = a; core_b = b; sub(/-.*/, "", core_a); sub(/-.*/, "", core_b)
      order = compare_parts(core_a, core_b)
      # A release comes after its prereleases.
      if (order == 0 && a != core_a && b == core_b) order = -1
      if (order == 0 && a != core_a && b != core_b)
        order = compare_parts(substr(a, length(core_a) + 2), substr(b, length(core_b) + 2))
      exit order >= 0
    }'
}

# Downloads a file of the release into the working directory. It follows no redirect from https to http.
fetch() {
  case $from in
  file://*) cp "${from#file://}/$1" "$1" ;;
  https://*)
    if has curl; then
      curl --proto =https --fail --silent --show-error --location --output "$1" "$from/$1"
    elif has wget && wget --version >/dev/null 2>&1; then
      # Wget has no option for that, so http gets a proxy that cannot exist.
      http_proxy=http://127.0.0.1:0 wget -q -O "$1" "$from/$1"
    else
      fail "curl or GNU wget is needed: busybox's wget follows redirects from https to http"
    fi
    ;;
  *)
    if has curl; then
      curl --fail --silent --show-error --location --output "$1" "$from/$1"
    elif has wget; then
      wget -q -O "$1" "$from/$1"
    else
      fail "curl or wget is needed"
    fi
    ;;
  esac || return 1
}

# Verifies that a release key signed the list of checksums, and says whether it could.
verify_sums() {
  if [ -n "$signers" ]; then cp "$signers" signers; else printf '%s\n' "$SIGNERS" >signers; fi
  if ! grep -q '^[^#]' signers; then
    say "signature not checked: no release key is published yet"
  elif ! has ssh-keygen && [ $insecure = yes ]; then
    say "signature not checked: there is no ssh-keygen"
  elif ! has ssh-keygen; then
    fail "the signature cannot be checked: install ssh-keygen (openssh-client, on RHEL openssh), or use --insecure"
  else
    fetch SHA256SUMS.sig || fail "the release has no signature: $from/SHA256SUMS.sig"
    ssh-keygen -Y verify -f signers -I hapgent -n file -s SHA256SUMS.sig <SHA256SUMS >said 2>&1 ||
      fail "SHA256SUMS is not signed by a release key: $(cat said)"
    say "signature checked"
  fi
}

# Finds the archive for this machine in the list of checksums: $archive, its $line and its $version.
find_archive() {
  fetch SHA256SUMS || fail "there is no release at $from: it has no SHA256SUMS"
  verify_sums
  suffix=gz
  if has zstd; then suffix=zst; fi
  line=$(grep -E "^[0-9a-f]{64}  hapgent-[0-9][0-9A-Za-z.+~-]*-$target\.tar\.$suffix\$" SHA256SUMS) ||
    fail "the release has no archive for $target"
  [ "$(echo "$line" | wc -l)" -eq 1 ] || fail "the release has more than one archive for $target"
  archive=${line#*  }
  version=${archive#hapgent-}
  version=${version%"-$target.tar.$suffix"}
}

# An old release has a valid signature too, and would bring its faults back.
check_version() {
  installed=$($BIN/hapgent --version 2>/dev/null) || installed=''
  old=${installed#hapgent }
  old=${old%% *}
  case $old in [0-9]*) ;; *) return ;; esac
  if ! is_older "$version" "$old"; then return; fi
  [ $allow_downgrade = yes ] ||
    fail "version $version is older than the installed $old; --allow-downgrade installs it nevertheless"
  say "downgrade from $old to $version"
}

# Downloads, verifies and unpacks the archive into $content. Nothing runs from there.
get_archive() {
  say "getting $archive"
  fetch "$archive" || fail "cannot get $from/$archive"
  echo "$line" | sha256sum -c - >/dev/null 2>&1 ||
    fail "$archive was changed, or is not whole: its checksum is not the one in SHA256SUMS"
  say "checksum checked"
  if [ "$suffix" = zst ]; then zstd -dcq "$archive"; else gzip -dc "$archive"; fi | tar -xf -
  content=$directory/${archive%.tar.*}
  rm "$archive"
  [ -e "$content/hapgent" ] || fail "$archive has no executable"
}

# Replaces a file in one step, if it differs: put FILE TARGET MODE.
put() {
  if cmp -s "$1" "$2"; then return; fi
  changed=yes
  act mkdir -p "$(dirname "$2")"
  act cp "$1" "$2.new"
  act chmod "$3" "$2.new"
  case $2 in
  "$BIN/hapgent")
    restart=yes
    if [ $dry_run = no ]; then try_executable "$2.new"; fi
    ;;
  *.service | /etc/init.d/*) restart=yes ;;
  esac
  act mv -f "$2.new" "$2"
}

# Installs the files of a list: put_files list_files.
put_files() {
  "$1" >list
  while read -r file path mode; do
    if [ -e "$content/$file" ]; then put "$content/$file" "$path" "$mode"; fi
  done <list
}

# Runs the new executable as the agent's user before it replaces the old one.
try_executable() {
  installed=$(run_as_agent "$1" --version 2>&1) || {
    rm "$1"
    fail "the executable does not run on this machine: $installed"
  }
  case $installed in
  "hapgent $version" | "hapgent $version "*) ;;
  *)
    rm "$1"
    fail "expected the executable to say hapgent $version, got $installed"
    ;;
  esac
}

run_as_agent() {
  # The user must be able to enter the working directory.
  cd /
  if setpriv --version >/dev/null 2>&1; then
    setpriv --reuid hapgent --regid hapgent --clear-groups --no-new-privs "$@"
  else
    su -s /bin/sh -c "$*" hapgent
  fi
}

# Whether there is a user or a group of this name: exists passwd|group.
exists() {
  getent "$1" hapgent >/dev/null 2>&1 || grep -q '^hapgent:' "/etc/$1"
}

make_user() {
  if exists passwd; then return; fi
  changed=yes
  if has useradd; then
    if exists group; then set -- --gid hapgent; else set -- --user-group; fi
    act useradd --system "$@" --home-dir $STATE --no-create-home --shell /usr/sbin/nologin hapgent
  else
    exists group || act addgroup -S hapgent
    act adduser -S -D -H -h $STATE -s /sbin/nologin -G hapgent hapgent
  fi
}

# Makes the first state. An existing directory stays as it is, also when you emptied it.
make_state() {
  if [ -e $STATE ]; then return; fi
  changed=yes
  act mkdir -p $STATE
  act cp "$content/deploy/state.json" $STATE/state.json
  act chown -R hapgent:hapgent $STATE
}

# Makes the first settings, and the directories for those of instances and for what they follow.
make_settings() {
  if [ ! -e /etc/hapgent/follow ]; then
    changed=yes
    act mkdir -p /etc/hapgent/follow
  fi
  if [ -e $SETTINGS ] || [ ! -e "$content/deploy/hapgent.default" ]; then return; fi
  changed=yes
  act mkdir -p "$(dirname $SETTINGS)"
  act cp "$content/deploy/hapgent.default" $SETTINGS
}

# Whether an agent runs another file than the installed one: an earlier run may have ended before the restart.
is_stale() {
  for pid; do
    if [ -e "/proc/$pid/exe" ] && ! cmp -s "/proc/$pid/exe" $BIN/hapgent; then return 0; fi
  done
  return 1
}

# Whether systemd knows another unit than the installed one, for the same reason.
is_reload_needed() {
  systemctl show --property=NeedDaemonReload hapgent 'hapgent@*.service' | grep -q yes
}

start_systemd() {
  if is_reload_needed; then changed=yes restart=yes; fi
  # shellcheck disable=SC2046 # one word a process
  if is_stale $(systemctl show --value --property=MainPID hapgent 'hapgent@*.service'); then
    changed=yes restart=yes
  fi
  if [ $changed = yes ]; then act systemctl daemon-reload; fi
  systemctl is-enabled --quiet hapgent 2>/dev/null || act systemctl enable --quiet hapgent
  if ! systemctl is-active --quiet hapgent; then
    act systemctl start hapgent || fail "the agent does not start; see journalctl --unit=hapgent"
  elif [ $restart = yes ]; then
    act systemctl restart hapgent || fail "the agent does not start; see journalctl --unit=hapgent"
    act systemctl try-restart 'hapgent@*.service'
  fi
}

start_sysv() {
  if has update-rc.d && ! ls /etc/rc2.d/S??hapgent >/dev/null 2>&1; then
    act update-rc.d hapgent defaults
  fi
  if is_stale "$(cat /run/hapgent.pid 2>/dev/null)"; then changed=yes restart=yes; fi
  # The command service gives the agent a clean environment.
  if ! service hapgent status >/dev/null 2>&1; then
    act service hapgent start || fail "the agent does not start; see /var/log/hapgent.log"
  elif [ $restart = yes ]; then
    act service hapgent restart || fail "the agent does not start; see /var/log/hapgent.log"
  fi
}

install_all() {
  if [ -e /usr/bin/hapgent ]; then fail "a package has installed /usr/bin/hapgent: use that one"; fi
  find_target
  check_machine
  find_archive
  check_version
  get_archive
  make_user
  put_files list_files
  for file in "$content"/deploy/haproxy/* "$content"/deploy/monitoring/* "$content"/deploy/nftables/* \
    "$content"/deploy/scripts/follow/*; do
    mode=644 path=${file#"$content"/deploy/}
    if [ -x "$file" ]; then mode=755; fi
    if [ -f "$file" ]; then put "$file" "$DOC/${path#scripts/}" $mode; fi
  done
  make_state
  make_settings
  if [ -d /run/systemd/system ]; then
    put_files list_systemd_files
    start_systemd
  elif has start-stop-daemon && [ -e /lib/lsb/init-functions ]; then
    put_files list_sysv_files
    start_sysv
  else
    say "neither systemd nor Debian's init runs here: start $BIN/hapgent yourself, as the user hapgent" \
      "and with HAPGENT_STATE_FILE=$STATE/state.json"
  fi
  if [ $changed = no ]; then
    say "nothing to change: $installed"
  elif [ $dry_run = yes ]; then
    say "would install: hapgent $version"
  else
    say "installed: $installed"
    say "To see what the agent answers:  hapgent status"
    say "To point HAProxy at it, add to its server line:  weight 100 check agent-check agent-port 9777" \
      "(samples: $DOC/haproxy)"
  fi
}

remove() {
  for path; do
    if [ -e "$path" ]; then
      act rm "$path"
      changed=yes
    fi
  done
}

# Removes the files of a list.
remove_files() {
  "$1" >list
  while read -r _ path _; do remove "$path"; done <list
}

uninstall_all() {
  if [ -d /run/systemd/system ] && [ -e $UNITS/hapgent.service ]; then
    # What follows a command first: without the agent it fails.
    act systemctl stop 'hapgent-follow@*.timer' 'hapgent-follow@*.service'
    act systemctl disable --quiet --now hapgent.socket hapgent.service
    for link in /etc/systemd/system/*.wants/hapgent@* /etc/systemd/system/*.wants/hapgent-follow@*; do
      if [ -L "$link" ]; then act systemctl disable --quiet --now "${link##*/}"; fi
    done
    act systemctl stop 'hapgent@*'
    act systemctl reset-failed 'hapgent-follow@*' || true
  elif [ ! -d /run/systemd/system ] && [ -e $BIN/hapgent ] && [ -e /etc/init.d/hapgent ]; then
    act service hapgent stop
  fi
  if [ -e $BIN/hapgent ]; then
    remove_files list_sysv_files
    if has update-rc.d; then act update-rc.d hapgent remove; fi
  fi
  remove_files list_files
  remove_files list_systemd_files
  if [ -d $DOC ]; then
    changed=yes
    act rm -r $DOC
  fi
  if [ $changed = no ]; then
    say "nothing to remove"
    return
  fi
  if [ -d /run/systemd/system ]; then act systemctl daemon-reload; fi
  if [ $dry_run = yes ]; then say "would remove hapgent, and keep:"; else say "removed; what stays:"; fi
  for kept in $STATE $SETTINGS /etc/hapgent /var/log/hapgent.log; do
    if [ -e "$kept" ]; then say "  $kept"; fi
  done
  say "  the user hapgent"
}

# Everything is in functions, so a script that arrives incomplete does nothing.
main() {
  # Anyone who can set one of these can run code in the executable.
  unset BUN_OPTIONS BUN_BE_BUN BUN_INSPECT BUN_INSPECT_PRELOAD BUN_INSPECT_CONNECT_TO
  from='' signers='' dry_run=no allow_downgrade=no insecure=no action=install changed=no restart=no installed=''
  while [ $# -gt 0 ]; do
    case $1 in
    --from) from=${2?--from needs a URL} && shift ;;
    --signers)
      # A failure inside of a substitution, or before &&, would not end this.
      signers=${2:?--signers needs a file}
      signers=$(realpath "$signers")
      shift
      ;;
    --insecure) insecure=yes ;;
    --allow-downgrade) allow_downgrade=yes ;;
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
