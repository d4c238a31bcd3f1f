# fish fish.fish SCRIPT LINE…: prints what Tab would offer at the end of each LINE, and an empty line after each.
source $argv[1]
for line in $argv[2..]
    complete -C $line | string split -f1 \t
    echo
end
