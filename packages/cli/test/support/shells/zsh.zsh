# zsh zsh.zsh SCRIPT LINE…: prints what Tab would offer at the end of each LINE, and an empty line after each. Only a shell
# with a terminal completes.
zmodload zsh/zpty
zpty shell zsh -f -i
setup=$(mktemp)
print -r -- '
PS1= PS2=
autoload -U compinit && compinit -D -u
source '${(qq)1}'
compadd() {
  local -a hits
  # A call that only fills arrays offers nothing.
  [[ ${@[1,(i)(-|--)]} == *-[OAD]\ * ]] || { builtin compadd -A hits "$@"; print -rl -- "offer:"$^hits }
  builtin compadd "$@"
}
# zsh forgets the function once it has run.
finish() { print end: ; comppostfuncs=(finish) }
comppostfuncs=(finish)
print ready:
' > $setup
shift
zpty -w shell "source $setup; rm $setup"
# Lines of the shell, until it says so.
await() { local line; while zpty -r shell line; do [[ $line == *$1* ]] && return; print -r -- ${${line//$'\r'/}%$'\n'}; done }
await ready: >/dev/null
for line; do
  # ^U clears what the last line has become.
  zpty -w -n shell $'\x15'$line$'\t'
  await end: | sed -n 's/^.*offer://p'
  print
done
