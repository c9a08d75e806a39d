# bash completion for berth. It asks the program itself, so
# that it needs no change when there are more commands and flags.

_berth() {
	COMPREPLY=()
	# The words in front of the cursor as they were typed: readline also splits
	# at "=" and ":".
	local line=${COMP_LINE:0:COMP_POINT} rest word blank i
	local -a words=()
	rest=$line
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		blank=${rest%%[![:space:]]*}
		rest=${rest#"$blank"}
		((i == COMP_CWORD)) && word=$rest
		rest=${rest#"$word"}
		if ((i > 0)) && [[ -z $blank ]]; then
			words[${#words[@]} - 1]+=$word
		else
			words+=("$word")
		fi
	done
	local cur=${words[${#words[@]} - 1]}

	# readline replaces what stands behind the last of its word breaks.
	local lead="" part about path
	case $cur in
	*[=:]*) [[ $COMP_WORDBREAKS == *=* && $COMP_WORDBREAKS == *:* ]] && lead=${cur%"${cur##*[=:]}"} ;;
	esac
	while IFS=$'\t' read -r word about; do
		case $word in
		:files | :folders)
			part=$about
			compopt -o filenames 2>/dev/null
			local kind=-f
			[[ $word == :folders ]] && kind=-d
			while IFS= read -r path; do
				path=${cur%"$part"}$path
				COMPREPLY+=("${path#"$lead"}")
			done < <(compgen "$kind" -- "$part")
			;;
		*) COMPREPLY+=("${word#"$lead"}") ;;
		esac
	done < <("${words[0]/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null)
	if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:] ]]; then
		compopt -o nospace 2>/dev/null
	fi
	return 0
}

complete -F _berth berth
