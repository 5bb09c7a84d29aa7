# SPDX-License-Identifier: MIT
#
# Completion of sangraha(1) for bash; needs nothing but bash 4.4. It asks no server, unless
# SANGRAHA_COMPLETE_REFERENCES=1 allows it to list the references of 50 objects.

_sangraha_words() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

# With what names of files need: a slash behind folders, no blank behind these.
_sangraha_files() {
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
	compopt -o filenames 2>/dev/null
}

_sangraha_references() {
	[[ ${SANGRAHA_COMPLETE_REFERENCES:-} == 1 ]] || return 0
	# What is no reference could be a command in the eyes of compgen.
	_sangraha_words "$(sangraha ls -q --limit 50 --timeout 2 2>/dev/null | grep -Ex "[a-z0-9-]+/[0-9a-f-]{36}")" "$1"
}

_sangraha_options() {
	local server='--json --url --api-token --api-token-file --ca-file --timeout --help'
	case $1 in
	put) echo "--type --content-type --filename --meta --idempotency-key --jobs --quiet --no-progress $server" ;;
	get) echo "--output --force --range --jobs --quiet --no-progress $server" ;;
	stat) echo "--jobs $server" ;;
	ls) echo "--type --limit --quiet $server" ;;
	rm) echo "--ignore-missing --jobs --verbose $server" ;;
	dlq) echo "--help" ;;
	dlq\ *) echo "$(sangraha dlq "${1#dlq }" --help 2>/dev/null | grep -oE -- '^ +(-[a-z], )?--[a-z][a-z-]*|, --[a-z-]+-file' | grep -oE -- '--[a-z-]+' | sort -u)" ;;
	*) echo "$(sangraha "$1" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u) --help" ;;
	esac
}

# What may follow an option, which is $1, of the command $2; status 1 when it takes no value.
_sangraha_value() {
	case $2$1 in
	*--type | put-t | ls-t) _sangraha_words 'json image pdf' "$3" ;;
	dlq*--queue | dlq*-q) _sangraha_words 'write read' "$3" ;;
	dlq*--body | dlq*-b) _sangraha_files "$3" ;;
	dlq*--queue-type) _sangraha_words 'quorum classic' "$3" ;;
	dlq*--within | dlq*-[ntw]) ;;
	*--content-type | put-c)
		_sangraha_words 'application/json application/pdf image/gif image/jpeg image/png image/webp' "$3"
		;;
	*--output | get-o | *-file | *--config | *--data-dir) _sangraha_files "$3" ;;
	*--log-level) _sangraha_words 'error warn info debug' "$3" ;;
	*--filename | *--meta | *--idempotency-key | *--jobs | *--range | *--limit | *--url) ;;
	*--min-age | *--wait | *--longest | *--within | *--from | reconcile-[awltf]) ;;
	*--api-token | *--timeout | put-[nmkju] | get-[rju] | stat-[ju] | ls-[nu] | rm-[ju]) ;;
	*) return 1 ;;
	esac
}

_sangraha() {
	local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]:-} at=$COMP_CWORD i
	local commands='serve put get stat ls rm dlq reconcile help' letters='ls show replay drop'

	COMPREPLY=()
	if ((COMP_CWORD <= 1)); then
		_sangraha_words "$commands --help --version" "$current"
		return 0
	fi
	if [[ $command == dlq ]]; then
		if ((COMP_CWORD == 2)); then
			_sangraha_words "$letters --help" "$current"
			return 0
		fi
		command+=" ${COMP_WORDS[2]}"
	fi
	# bash makes three words of --type=json.
	if [[ $current == '=' ]]; then
		current=
	elif [[ ${COMP_WORDS[at - 1]} == '=' ]]; then
		at=$((at - 1))
	fi
	for ((i = 2; i < at; i++)); do
		if [[ ${COMP_WORDS[i]} == '--' ]]; then
			command+=' --'
			break
		fi
	done
	if [[ $command != *--* ]]; then
		_sangraha_value "${COMP_WORDS[at - 1]}" "$command" "$current" && return 0
		if [[ $current == -* ]]; then
			_sangraha_words "$(_sangraha_options "$command")" "$current"
			return 0
		fi
	fi
	case ${command% --} in
	put) _sangraha_files "$current" ;;
	get | stat | rm) _sangraha_references "$current" ;;
	help) _sangraha_words "$commands" "$current" ;;
	esac
	return 0
}

complete -F _sangraha sangraha
