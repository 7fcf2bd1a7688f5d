# bash completion for weir(1)                                              -*- shell-script -*-

_weir()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb=
	local verbs="check plugins help reference"
	local options="--config --inline-config --log --verbose --quiet --dry-run --strict --strict-config-value --show --workers
		--without-source --umask --config-file-type --version --help"

	[[ $COMP_CWORD -gt 1 ]] && verb=${COMP_WORDS[1]}
	COMPREPLY=()
	case $prev in
	-c | --config | -o | --log)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--config-file-type)
		mapfile -t COMPREPLY < <(compgen -W yaml -- "$cur")
		return
		;;
	-i | --inline-config | --workers | --umask)
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
	elif [[ $COMP_CWORD -eq 1 ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$cur")
	elif [[ $verb == help ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$("$1" plugins 2>/dev/null | awk '{ print $2 }')" -- "$cur")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
} && complete -o filenames -F _weir weir
