# bash bash.sh SCRIPT LINE…: prints what Tab would offer at the end of each LINE, and an empty line after each.
source "$1"
shift
# The builtin works within a completion alone.
compopt() { :; }
[[ $(complete -p vm-sentinel) =~ -F\ ([^ ]+) ]]
for COMP_LINE; do
  COMP_POINT=${#COMP_LINE}
  read -ra COMP_WORDS <<<"$COMP_LINE"
  [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=("")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  COMPREPLY=()
  "${BASH_REMATCH[1]}" vm-sentinel "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
  ((${#COMPREPLY[@]})) && printf '%s\n' "${COMPREPLY[@]}"
  echo
done
