# fish completion for berth. It asks the program itself, so
# that it needs no change when there are more commands and flags.

function __berth_complete
    set -l words (commandline -opc)
    set -l cur (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] "$cur" 2>/dev/null)
        set -l fields (string split -m 1 \t -- $line)
        switch $fields[1]
            case :files :folders
                set -l part "$fields[2]"
                set -l lead (string sub -l (math (string length -- "$cur") - (string length -- "$part")) -- "$cur")
                for path in (__fish_complete_path "$part")
                    if test $fields[1] = :files; or string match -q -r '/(\t|$)' -- $path
                        echo "$lead$path"
                    end
                end
            case '*'
                echo $line
        end
    end
end

complete -c berth -f -a '(__berth_complete)'
