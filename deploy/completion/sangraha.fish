# SPDX-License-Identifier: MIT
#
# Completion of sangraha(1) for fish. It asks no server, unless SANGRAHA_COMPLETE_REFERENCES=1
# allows it to list the references of 50 objects.

function __sangraha_references
    test "$SANGRAHA_COMPLETE_REFERENCES" = 1
    and sangraha ls -q --limit 50 --timeout 2 2>/dev/null
end

function __sangraha_settings
    sangraha $argv[1] --help 2>/dev/null | string match -ra -- '--[a-z][a-z-]*' | sort -u
end

function __sangraha_client
    __fish_seen_subcommand_from put get stat ls rm; and not __fish_seen_subcommand_from dlq
end

set -l commands serve put get stat ls rm dlq reconcile help
set -l letters ls show replay drop
set -l types 'json image pdf'
set -l media 'application/json application/pdf image/gif image/jpeg image/png image/webp'

complete -c sangraha -f
complete -c sangraha -n "not __fish_seen_subcommand_from $commands" -a serve -d 'Run everything in one process'
complete -c sangraha -n "not __fish_seen_subcommand_from $commands" -a put -d 'Store files'
complete -c sangraha -n "not __fish_seen_subcommand_from $commands" -a get -d 'Fetch objects into files'
complete -c sangraha -n "not __fish_seen_subcommand_from $commands" -a stat -d 'Tell what is known about objects'
complete -c sangraha -n "not __fish_seen_subcommand_from $commands" -a ls -d 'List objects'
complete -c sangraha -n "not __fish_seen_subcommand_from $commands" -a rm -d 'Delete objects for good'
complete -c sangraha -n "not __fish_seen_subcommand_from $commands" -a reconcile -d 'Compare records, objects and dead letters'
complete -c sangraha -n "not __fish_seen_subcommand_from $commands" -a dlq -d 'Look at requests that failed'
complete -c sangraha -n "not __fish_seen_subcommand_from $commands" -a help -d 'List the commands, or what one takes'
complete -c sangraha -n "not __fish_seen_subcommand_from $commands" -l version -d 'Print the version'
complete -c sangraha -n '__fish_seen_subcommand_from help' -a "$commands"
complete -c sangraha -n '__fish_seen_subcommand_from serve' -F -a '(__sangraha_settings serve)'
complete -c sangraha -n '__fish_seen_subcommand_from reconcile' -F -a '(__sangraha_settings reconcile)'

complete -c sangraha -n __sangraha_client -l json -d 'Print JSON, one object a line'
complete -c sangraha -n __sangraha_client -s u -l url -x -d 'The server'
complete -c sangraha -n __sangraha_client -l api-token -x -d 'Token to send'
complete -c sangraha -n __sangraha_client -l api-token-file -r -F -d 'File that holds the token'
complete -c sangraha -n __sangraha_client -l ca-file -r -F -d 'Certificates to check the server by'
complete -c sangraha -n __sangraha_client -l timeout -x -d 'Wait and try again for so long'
complete -c sangraha -n __sangraha_client -s h -l help -d 'Print help'
complete -c sangraha -n '__fish_seen_subcommand_from put get stat rm' -s j -l jobs -x -d 'Do so many at a time'
complete -c sangraha -n '__fish_seen_subcommand_from put get ls; and not __fish_seen_subcommand_from dlq' -s q -l quiet -d 'Print less'
complete -c sangraha -n '__fish_seen_subcommand_from put get' -l no-progress -d 'Show no progress'

complete -c sangraha -n '__fish_seen_subcommand_from put' -F
complete -c sangraha -n '__fish_seen_subcommand_from put ls; and not __fish_seen_subcommand_from dlq' -s t -l type -x -a "$types" -d 'Of this type only'
complete -c sangraha -n '__fish_seen_subcommand_from put' -s c -l content-type -x -a "$media" -d 'Declare a media type'
complete -c sangraha -n '__fish_seen_subcommand_from put' -s n -l filename -x -d 'Name to keep with the object'
complete -c sangraha -n '__fish_seen_subcommand_from put' -s m -l meta -x -d 'Metadata, name=value'
complete -c sangraha -n '__fish_seen_subcommand_from put' -s k -l idempotency-key -x -d 'Repeats with one key are one object'

complete -c sangraha -n '__fish_seen_subcommand_from get' -s o -l output -r -F -d 'File or folder to write to'
complete -c sangraha -n '__fish_seen_subcommand_from get' -s f -l force -d 'Overwrite files that exist'
complete -c sangraha -n '__fish_seen_subcommand_from get' -s r -l range -x -d 'Only these bytes, FIRST-LAST'
complete -c sangraha -n '__fish_seen_subcommand_from ls; and not __fish_seen_subcommand_from dlq' -s n -l limit -x -d 'List so many at most'
complete -c sangraha -n '__fish_seen_subcommand_from rm' -s f -l ignore-missing -d 'What is not there was deleted well'
complete -c sangraha -n '__fish_seen_subcommand_from rm' -s v -l verbose -d 'Print what was deleted'
complete -c sangraha -n '__fish_seen_subcommand_from get stat rm' -a '(__sangraha_references)'

complete -c sangraha -n "__fish_seen_subcommand_from dlq; and not __fish_seen_subcommand_from $letters" -a "$letters"
complete -c sangraha -n '__fish_seen_subcommand_from dlq' -s q -l queue -x -a 'write read' -d 'Only letters of this queue'
complete -c sangraha -n '__fish_seen_subcommand_from dlq' -l json -d 'Print JSON, a line each'
complete -c sangraha -n '__fish_seen_subcommand_from dlq' -s t -l timeout -x -d 'Wait so long for each answer of the broker'
complete -c sangraha -n '__fish_seen_subcommand_from dlq' -l config -r -F -d 'INI file'
complete -c sangraha -n '__fish_seen_subcommand_from dlq' -l queue-url -x -d 'The broker'
complete -c sangraha -n '__fish_seen_subcommand_from dlq' -l data-dir -r -F -d 'Folder of the queue'
complete -c sangraha -n '__fish_seen_subcommand_from dlq' -s h -l help -d 'Print help'
complete -c sangraha -n '__fish_seen_subcommand_from dlq; and __fish_seen_subcommand_from ls' -s n -l limit -x -d 'List so many at most'
complete -c sangraha -n '__fish_seen_subcommand_from show' -s b -l body -r -F -d 'Write what it holds there'
complete -c sangraha -n '__fish_seen_subcommand_from show' -s f -l force -d 'Overwrite a file that exists'
complete -c sangraha -n '__fish_seen_subcommand_from replay drop' -s a -l all -d 'All letters'
complete -c sangraha -n '__fish_seen_subcommand_from replay' -s w -l within -x -d 'They are to be done by then'
complete -c sangraha -n '__fish_seen_subcommand_from drop' -s y -l yes -d 'Really'
