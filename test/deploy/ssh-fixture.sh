#!/bin/sh
# What Ansible takes for ssh: runs the last argument, a shell's command, on the machine whose first process
# the argument before it is: the host. Everything before that is ssh's options.
for argument; do
  leader=${command-}
  command=$argument
done
exec nsenter -t "$leader" -a -- env -i HOME=/root LC_ALL=C.UTF-8 \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -c "$command"
