#!/bin/sh
# Boots a root directory in namespaces of its own: boot.sh NAME BASE UPPER BINDS INIT...
#
# NAME is the name of the machine and of its control groups, BASE the directory that it is a copy of (by
# overlayfs), UPPER the one that takes its changes, and BINDS are lines of "SOURCE TARGET" to bind-mount,
# read-only. Runs in the world that lab.ts makes; everything is gone when the machine's first process dies.
set -eu

if [ "${1-}" != --inside ]; then
  name=$1
  IFS=:
  for group in $LAB_GROUPS; do
    mkdir -p "$group/$name"
    echo $$ >"$group/$name/cgroup.procs"
  done
  unset IFS
  # The control group namespace's root is the group that the process is in.
  exec unshare --cgroup --mount --pid --fork --kill-child --uts --ipc --net --propagation private \
    "$0" --inside "$@"
fi

name=$2 base=$3 upper=$4 binds=$5
shift 5
root=$upper.root
mkdir -p "$root" "$upper.work"
mount -t overlay -o "lowerdir=$base,upperdir=$upper,workdir=$upper.work" machine "$root"
printf '%s' "$binds" | while read -r source target; do
  if [ -d "$source" ]; then
    mkdir -p "$root/$target"
  else
    mkdir -p "$(dirname "$root/$target")"
    touch "$root/$target"
  fi
  mount --bind "$source" "$root/$target"
  mount -o remount,bind,ro "$root/$target"
done
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd

# Version 2 alone is mounted where the machine expects it; beside version 1, each hierarchy has its directory.
case $LAB_GROUPS in
*:*)
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  IFS=:
  for group in $LAB_GROUPS; do
    mountpoint=${group%/hapgent-lab-*}
    rest=${mountpoint#/sys/fs/cgroup/}
    hierarchy=${rest%%/*}
    mkdir "sys/fs/cgroup/$hierarchy"
    case $hierarchy in
    unified) mount -t cgroup2 cgroup2 sys/fs/cgroup/unified ;;
    systemd) mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd ;;
    *) mount -t cgroup -o "$hierarchy" cgroup "sys/fs/cgroup/$hierarchy" ;;
    esac
  done
  unset IFS
  mount -o remount,ro sys/fs/cgroup
  ;;
*) mount -t cgroup2 cgroup2 sys/fs/cgroup ;;
esac

hostname "$name"
ip link set lo up
pivot_root . .
umount --lazy .
cd /
exec env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
