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

set -l commands serve put get stat ls rm reconcile help
set -l clients put get stat ls rm
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
complete -c sangraha -n "not __fish_seen_subcommand_from $commands" -a help -d 'List the commands, or what one takes'
complete -c sangraha -n "not __fish_seen_subcommand_from $commands" -l version -d 'Print the version'
complete -c sangraha -n '__fish_seen_subcommand_from help' -a "$commands"
complete -c sangraha -n '__fish_seen_subcommand_from serve' -F -a '(__sangraha_settings serve)'
complete -c sangraha -n '__fish_seen_subcommand_from reconcile' -F -a '(__sangraha_settings reconcile)'

complete -c sangraha -n "__fish_seen_subcommand_from $clients" -l json -d 'Print JSON, one object a line'
complete -c sangraha -n "__fish_seen_subcommand_from $clients" -s u -l url -x -d 'The server'
complete -c sangraha -n "__fish_seen_subcommand_from $clients" -l api-token -x -d 'Token to send'
complete -c sangraha -n "__fish_seen_subcommand_from $clients" -l api-token-file -r -F -d 'File that holds the token'
complete -c sangraha -n "__fish_seen_subcommand_from $clients" -l ca-file -r -F -d 'Certificates to check the server by'
complete -c sangraha -n "__fish_seen_subcommand_from $clients" -l timeout -x -d 'Wait and try again for so long'
complete -c sangraha -n "__fish_seen_subcommand_from $clients" -s h -l help -d 'Print help'
complete -c sangraha -n '__fish_seen_subcommand_from put get stat rm' -s j -l jobs -x -d 'Do so many at a time'
complete -c sangraha -n '__fish_seen_subcommand_from put get ls' -s q -l quiet -d 'Print less'
complete -c sangraha -n '__fish_seen_subcommand_from put get' -l no-progress -d 'Show no progress'

complete -c sangraha -n '__fish_seen_subcommand_from put' -F
complete -c sangraha -n '__fish_seen_subcommand_from put ls' -s t -l type -x -a "$types" -d 'Of this type only'
complete -c sangraha -n '__fish_seen_subcommand_from put' -s c -l content-type -x -a "$media" -d 'Declare a media type'
complete -c sangraha -n '__fish_seen_subcommand_from put' -s n -l filename -x -d 'Name to keep with the object'
complete -c sangraha -n '__fish_seen_subcommand_from put' -s m -l meta -x -d 'Metadata, name=value'
complete -c sangraha -n '__fish_seen_subcommand_from put' -s k -l idempotency-key -x -d 'Repeats with one key are one object'

complete -c sangraha -n '__fish_seen_subcommand_from get' -s o -l output -r -F -d 'File or folder to write to'
complete -c sangraha -n '__fish_seen_subcommand_from get' -s f -l force -d 'Overwrite files that exist'
complete -c sangraha -n '__fish_seen_subcommand_from get' -s r -l range -x -d 'Only these bytes, FIRST-LAST'
complete -c sangraha -n '__fish_seen_subcommand_from ls' -s n -l limit -x -d 'List so many at most'
complete -c sangraha -n '__fish_seen_subcommand_from rm' -s f -l ignore-missing -d 'What is not there was deleted well'
complete -c sangraha -n '__fish_seen_subcommand_from rm' -s v -l verbose -d 'Print what was deleted'
complete -c sangraha -n '__fish_seen_subcommand_from get stat rm' -a '(__sangraha_references)'
