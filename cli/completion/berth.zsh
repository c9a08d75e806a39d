#compdef berth
# zsh completion for berth. It asks the program itself, so
# that it needs no change when there are more commands and flags.

_berth() {
	local line word about part kind
	local -a whole whole_about open open_about typed
	typed=("${(@Q)words[2,CURRENT]}")
	# What stands behind the cursor is none of the word.
	(( $#typed )) && typed[-1]=${(Q)PREFIX}
	while IFS= read -r line; do
		word=${line%%$'\t'*}
		about=${line#*$'\t'}
		[[ $line == *$'\t'* ]] || about=
		case $word in
		:files|:folders)
			part=$about kind=$word
			;;
		*[=:])
			open+=("$word")
			open_about+=("$word${about:+  -- $about}")
			;;
		*)
			whole+=("$word")
			whole_about+=("$word${about:+  -- $about}")
			;;
		esac
	done < <("${(Q)words[1]/#\~/$HOME}" __complete "${typed[@]}" 2>/dev/null)

	local ret=1
	(( $#whole )) && compadd -l -d whole_about -a whole && ret=0
	(( $#open )) && compadd -l -S '' -d open_about -a open && ret=0
	if [[ -n $kind ]]; then
		compset -p $(( $#PREFIX - $#part ))
		case $kind in
		:folders) _path_files -/ && ret=0 ;;
		*) _files && ret=0 ;;
		esac
	fi
	return ret
}

if [[ ${funcstack[1]} == _berth ]]; then
	_berth "$@"
else
	compdef _berth berth
fi
