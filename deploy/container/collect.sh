#!/bin/sh
# Collects what the image holds beside the Dockerfile: the executable, and the C library of this machine.
#   sh deploy/container/collect.sh && buildah bud deploy/container
# The executable is that of an unpacked release, or of a checkout (dist/hapgent), or the one that you name.
set -eu
umask 022

# Of the executable that is named, before the directory changes.
executable=${1:+$(realpath "$1")}
cd "$(dirname "$0")"
for path in ../../hapgent ../../dist/hapgent; do
  if [ -z "$executable" ] && [ -f $path ]; then executable=$path; fi
done
if [ -z "$executable" ]; then
  echo "collect.sh: there is no executable; in a checkout, bun run build makes it" >&2
  exit 1
fi
case $(uname -m) in
x86_64 | amd64) root=amd64 ;;
aarch64 | arm64) root=arm64 ;;
*) echo "collect.sh: there is no image for $(uname -m)" >&2 && exit 1 ;;
esac

rm -rf "$root" state
install -D -m 755 "$executable" "$root/usr/bin/hapgent"
# Lines of "NAME => PATH (ADDRESS)", and the loader's, "PATH (ADDRESS)".
ldd "$executable" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' | while read -r library; do
  install -D -m 755 "$library" "$root$library"
done
for text in LICENSE THIRD_PARTY_NOTICES; do
  if [ -f ../../$text ]; then install -D -m 644 ../../$text "$root/usr/share/doc/hapgent/$text"; fi
done
# Here, or it would belong to the user of the state.
mkdir -p "$root/var/lib"
install -D -m 644 ../state.json state/state.json
