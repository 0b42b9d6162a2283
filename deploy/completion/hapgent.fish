# fish completion for hapgent

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
    # block: instances
    set -l files /etc/hapgent/*.env
    # end
    for file in $files
        basename $file .env
    end
end

complete -c hapgent -f
complete -c hapgent -n '__fish_is_first_arg' -l help -d 'print the help'
complete -c hapgent -n '__fish_is_first_arg' -l version -d 'print the version'
complete -c hapgent -n '__hapgent_runs check' -F
# block: offers
complete -c hapgent -n '__fish_is_first_arg' -a check -d 'print the replies that state files give, and warnings; - is stdin'
complete -c hapgent -n '__fish_is_first_arg' -a status -d 'ask an agent as HAProxy does, by default on HAPGENT_PORT; print its reply'
complete -c hapgent -n '__fish_is_first_arg' -a ctl -d 'send a command to the control socket'
complete -c hapgent -n '__fish_is_first_arg' -a deploy -d 'take the service out of rotation, run a command, put it back'
complete -c hapgent -n '__fish_is_first_arg' -a help -d 'print the help, or the part about one command'
complete -c hapgent -n '__hapgent_runs help; and test (count (commandline -opc)) -eq 2' -a 'check status ctl deploy help'
complete -c hapgent -n '__hapgent_runs check' -l config -d 'check the settings as a start would, and no file'
complete -c hapgent -n '__hapgent_runs check' -l instance -x -a '(__hapgent_instances)' -d 'use the installed agent hapgent@NAME'
complete -c hapgent -n '__hapgent_runs check' -l json -d 'print JSON in place of text'
complete -c hapgent -n '__hapgent_runs status' -l send -x -d 'ask for the service of this name'
complete -c hapgent -n '__hapgent_runs status' -l expect -x -a 'UP DOWN READY DRAIN FAIL MAINT STOPPED' -d 'be a monitor'\''s probe: exit 2 unless the status is in LIST'
complete -c hapgent -n '__hapgent_runs status' -l timeout -x -d 'give up a check after S seconds (2)'
complete -c hapgent -n '__hapgent_runs status' -l wait -x -d 'try again for S seconds (0)'
complete -c hapgent -n '__hapgent_runs status' -l instance -x -a '(__hapgent_instances)' -d 'use the installed agent hapgent@NAME'
complete -c hapgent -n '__hapgent_runs status' -l json -d 'print JSON in place of text'
complete -c hapgent -n '__hapgent_said' -l instance -x -a '(__hapgent_instances)' -d 'use the installed agent hapgent@NAME'
complete -c hapgent -n '__hapgent_said' -l json -d 'print JSON in place of text'
complete -c hapgent -n '__hapgent_runs deploy' -l url -x -d 'put it back only once this URL answers'
complete -c hapgent -n '__hapgent_runs deploy' -l until -x -d 'put it back only once this shell command succeeds'
complete -c hapgent -n '__hapgent_runs deploy' -l answer -x -d 'seconds that the service has to answer (60)'
complete -c hapgent -n '__hapgent_runs deploy' -l settle -x -d 'seconds to stay out after that: rise times inter (5)'
complete -c hapgent -n '__hapgent_runs deploy' -l status -x -a 'DRAIN MAINT' -d 'DRAIN, or MAINT where sessions stick (DRAIN)'
complete -c hapgent -n '__hapgent_runs deploy' -l drain -x -d 'let requests under way end, for up to S seconds'
complete -c hapgent -n '__hapgent_runs deploy' -l port -x -d 'the port of the service, for --drain'
complete -c hapgent -n '__hapgent_runs deploy' -l wait -x -d 'seconds that every load balancer has to ask (30)'
complete -c hapgent -n '__hapgent_runs deploy' -l pollers -x -d 'there are at least N load balancers, 0: maybe none'
complete -c hapgent -n '__hapgent_runs deploy' -l forget-silent -x -d 'load balancers silent for S seconds are gone'
complete -c hapgent -n '__hapgent_runs deploy' -l from-any -d 'begin from any status, not only UP and READY'
complete -c hapgent -n '__hapgent_runs deploy' -l up -d 'end at UP, whatever it began from'
complete -c hapgent -n '__hapgent_runs deploy' -l young -d 'believe an agent that has just started'
complete -c hapgent -n '__hapgent_runs deploy' -l instance -x -a '(__hapgent_instances)' -d 'use the installed agent hapgent@NAME'
complete -c hapgent -n '__hapgent_said' -a 'show set change follow reload wait forget help'
complete -c hapgent -n '__hapgent_said show' -a 'state services pollers'
complete -c hapgent -n '__hapgent_said set' -a 'status weight maxconn state'
complete -c hapgent -n '__hapgent_said forget' -a 'silent'
complete -c hapgent -n '__hapgent_said set status' -a 'UP DOWN READY DRAIN FAIL MAINT STOPPED'
complete -c hapgent -n '__hapgent_said change' -a 'UP DOWN READY DRAIN FAIL MAINT STOPPED'
# end
