# bash completion for weir(1)                                              -*- shell-script -*-

# What there is to complete is asked of the program itself: its --help, and its list of plugins.
_weir()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb= words=
	[[ $COMP_CWORD -gt 1 && ${COMP_WORDS[1]} != -* ]] && verb=${COMP_WORDS[1]}
	COMPREPLY=()
	case $prev in
	-c | --config | -o | --log | --ca-file | --socket)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--config-file-type)
		mapfile -t COMPREPLY < <(compgen -W yaml -- "$cur")
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		words=$("$1" ${verb:+"$verb"} --help 2>/dev/null | grep -oE -e '--[a-z][a-z-]*' | sort -u)
	elif [[ $COMP_CWORD -eq 1 ]]; then
		words=$("$1" --help 2>/dev/null | sed -n 's/^       weir \([a-z][a-z-]*\) .*/\1/p')
	elif [[ $verb == help && $COMP_CWORD -eq 2 ]]; then
		words=$("$1" plugins 2>/dev/null | awk '{ print $2 }')
	elif [[ ( $verb == buffer || $verb == deadletter ) && $COMP_CWORD -eq 2 ]]; then
		words=$("$1" --help 2>/dev/null | sed -n "s/^       weir $verb \([a-z|]*\) .*/\1/p" | tr '|' ' ')
	fi
	if [[ -n $words ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
} && complete -o filenames -F _weir weir
