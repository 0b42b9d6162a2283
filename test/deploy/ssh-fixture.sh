#!/bin/sh
# What Ansible takes for ssh: runs the last argument, a shell's command, on the machine whose first process
# is LEADER. Everything before it is ssh's options and the host.
for command; do :; done
exec nsenter -t "$LEADER" -a -- env -i HOME=/root LC_ALL=C.UTF-8 \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -c "$command"
