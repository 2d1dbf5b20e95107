"""``sidewall completion SHELL``: a static script for bash, zsh, fish or PowerShell, made from the table of options.

Knows: the four shells' completion languages.  Must not know: what verbs do.  A script asks no running Sidewall for
anything, so completing costs nothing and works where Sidewall is not installed.
"""

from __future__ import annotations

import sys

from sidewall.cli import options
from sidewall.cli.options import Operand, Option, Verb
from sidewall.cli.verbs import VERBS
from sidewall.policy import profiles
from sidewall.policy.model import GUARANTEES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

GLOBAL = ("--help", "--version")
_FILES = (options.PATH, options.FILE)


def main(arguments: Namespace) -> int:
    """Prints the script."""
    sys.stdout.write(script(arguments.shell))
    return 0


def script(shell: str) -> str:
    """The completion script for ``shell``, one of ``verbs.SHELLS``."""
    return {"bash": bash, "zsh": zsh, "fish": fish, "powershell": powershell}[shell]()


def words(thing: Option | Operand) -> tuple[str, ...]:
    """What can stand there; empty when it cannot be listed."""
    if thing.choices:
        return thing.choices
    if thing.kind == options.PROFILE:
        return profiles.names()
    return ("all", "none", *GUARANTEES) if thing.kind == options.REQUIRE else ()


def _valued(verb: Verb) -> list[tuple[str, Option]]:
    """Options that take a value, by each of their spellings."""
    found = [("--" + option.name, option) for option in verb.options if option.metavar]
    return found + [("-" + option.short, option) for option in verb.options if option.metavar and option.short]


def bash() -> str:
    """For bash, 3.2 and later.  Words are split here, not by COMP_WORDBREAKS: ``:workspace`` and ``--name=`` hold."""
    takes, values, plain, places = [], [], [], []
    for verb in VERBS:
        for spelling, option in _valued(verb):
            takes.append(f'"{verb.name} {spelling}"')
            values.append(f'            "{verb.name} {spelling}") {_bash_value(option)} ;;')
        spelled = " ".join(["--help", *("--" + option.name for option in verb.options)])
        plain.append(f'            {verb.name}) options="{spelled}" ;;')
        places += [f'                {verb.name}{number}) {_bash_value(operand)} ;;'
                   for number, operand in enumerate(verb.operands) if operand.kind != options.COMMAND]
    return _BASH.format(verbs=" ".join([*(verb.name for verb in VERBS), *GLOBAL]), takes="|".join(takes),
                        values="\n".join(values), options="\n".join(plain), places="\n".join(places))


def _bash_value(thing: Option | Operand) -> str:
    listed = " ".join(words(thing))
    if thing.kind == options.REQUIRE:
        return f'_sidewall_list "{listed}"'
    if listed:
        return f'_sidewall_words "{listed}"'
    return "_sidewall_files" if thing.kind in _FILES else ":"


_BASH = """\
# bash completion for sidewall: source this file, or put it into ~/.local/share/bash-completion/completions/sidewall
_sidewall_words() {{
    COMPREPLY+=($(compgen -W "$1" -- "$cur"))
}}
_sidewall_list() {{
    local done=""
    [[ $cur == *,* ]] && done="${{cur%,*}},"
    COMPREPLY+=($(compgen -P "$done" -W "$1" -- "${{cur##*,}}"))
}}
_sidewall_files() {{
    local IFS=$'\\n'
    compopt -o filenames 2> /dev/null
    COMPREPLY+=($(compgen -f -- "$cur"))
}}
_sidewall() {{
    local line="${{COMP_LINE:0:COMP_POINT}}" cur="" option="" verb="" options="" began=0 place=0 i word broken
    local -a words
    read -a words <<< "$line"
    if [[ $line != *[[:space:]] || $line == *\\\\[[:space:]] ]]; then
        cur="${{words[${{#words[@]}}-1]}}"
        unset "words[${{#words[@]}}-1]"
    fi
    COMPREPLY=()
    for ((i = 1; i < ${{#words[@]}}; i++)); do
        word="${{words[i]}}"
        if [[ -n $option ]]; then
            option=""
        elif [[ -z $verb ]]; then
            [[ $word == -* ]] || verb="$word"
        elif [[ $verb == run && $word != -?* || $word == -- ]]; then
            began=1
            break
        elif [[ $word == -* ]]; then
            case "$verb $word" in
                {takes}) option="$word" ;;
            esac
        else
            place=$((place + 1))
        fi
    done
    if [[ $began == 1 ]]; then
        for ((i = 1; i < COMP_CWORD; i++)); do
            if [[ ${{COMP_WORDS[i]}} == -- ]] && declare -F _command_offset > /dev/null; then
                _command_offset $((i + 1))
                return
            fi
        done
        [[ ${{words[${{#words[@]}}-1]}} == -- ]] && COMPREPLY+=($(compgen -c -- "$cur"))
        _sidewall_files
        return
    fi
    if [[ -z $option && $cur == --*=* ]]; then
        option="${{cur%%=*}}"
        cur="${{cur#*=}}"
    fi
    if [[ -z $verb ]]; then
        _sidewall_words "{verbs}"
    elif [[ -n $option ]]; then
        case "$verb $option" in
{values}
        esac
    elif [[ $cur == -* ]]; then
        case "$verb" in
{options}
        esac
        _sidewall_words "$options"
    elif [[ $verb == run ]]; then
        COMPREPLY+=($(compgen -c -- "$cur"))
    else
        case "$verb$place" in
{places}
        esac
    fi
    if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
        broken="${{cur%"${{cur##*:}}"}}"
        COMPREPLY=("${{COMPREPLY[@]#"$broken"}}")
    fi
}}
complete -F _sidewall sidewall
"""


def zsh() -> str:
    """For zsh, by ``_arguments``."""
    cases = []
    for verb in VERBS:
        specs = ["'(- *)'{-h,--help}'[show help]'"]
        specs += [_single(_zsh_option(option)) for option in verb.options]
        specs += [_single(_zsh_operand(operand, number)) for number, operand in enumerate(verb.operands, 1)]
        joined = " \\\n                        ".join(specs)
        cases.append(f"                {verb.name})\n                    _arguments -S {joined} ;;")
    verbs = [f"        {_single(verb.name + ':' + verb.help)}" for verb in VERBS]
    return _ZSH.format(verbs="\n".join(verbs), cases="\n".join(cases))


_ZSH = """\
#compdef sidewall
# zsh completion for sidewall: put this file as _sidewall into a directory of $fpath
_sidewall() {{
    local curcontext="$curcontext" state line
    local -a verbs
    verbs=(
{verbs}
    )
    _arguments -C '(- *)'{{-h,--help}}'[show help]' '(- *)'{{-V,--version}}'[show the version]' \\
        '1: :->verb' '*:: :->rest'
    case $state in
        verb) _describe -t verbs verb verbs ;;
        rest)
            case "$words[1]" in
{cases}
            esac
            ;;
    esac
}}
if [ "$funcstack[1]" = _sidewall ]; then _sidewall "$@"; else compdef _sidewall sidewall; fi
"""


def _single(text: str) -> str:
    """One word in POSIX single quotes; fish and zsh read it the same way."""
    return "'" + text.replace("'", "'\\''") + "'"


def _zsh_plain(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:").replace("[", "\\[").replace("]", "\\]")


def _zsh_option(option: Option) -> str:
    many = "*" if option.many else ""
    if not option.metavar:
        return f"--{option.name}[{_zsh_plain(option.help)}]"
    return f"{many}--{option.name}=[{_zsh_plain(option.help)}]:{option.metavar}:{_zsh_value(option)}"


def _zsh_value(thing: Option | Operand) -> str:
    listed = " ".join(_zsh_plain(word) for word in words(thing))
    if thing.kind == options.REQUIRE:
        return f"_sequence -s , compadd - {listed}"
    return f"({listed})" if listed else "_files" if thing.kind in _FILES else " "


def _zsh_operand(operand: Operand, number: int) -> str:
    if operand.kind == options.COMMAND:
        return "*::command:_normal"
    colon = "::" if operand.count == "?" else ":"
    return f"{number}{colon}{operand.name}:{_zsh_value(operand)}"


def fish() -> str:
    """For fish, 3 and later."""
    lines = ["# fish completion for sidewall: put this file as sidewall.fish into ~/.config/fish/completions",
             "function __sidewall_command",
             "    set -l tokens (commandline -opc)",
             "    set -l at (contains -i -- -- $tokens); or return 1",
             "    set -l rest $tokens[(math $at + 1)..-1]",
             "    complete -C (string join ' ' -- (string escape -- $rest) (commandline -ct))",
             "end",
             "complete -c sidewall -f",
             "complete -c sidewall -n __fish_use_subcommand -s h -l help -d 'show help'",
             "complete -c sidewall -n __fish_use_subcommand -s V -l version -d 'show the version'"]
    for verb in VERBS:
        lines.append(f"complete -c sidewall -n __fish_use_subcommand -a {verb.name} -d {_fish_text(verb.help)}")
        seen, past = f"__fish_seen_subcommand_from {verb.name}", "contains -- -- (commandline -opc)"
        here = f"complete -c sidewall -n '{seen}; and not {past}'"
        lines += [f"{here} {_fish_option(option)} -d {_fish_text(option.help)}" for option in verb.options]
        for operand in verb.operands:
            listed = " ".join(words(operand))
            if operand.kind == options.COMMAND:
                lines.append(f"complete -c sidewall -n '{seen}; and {past}' -a '(__sidewall_command)'")
            elif listed:
                lines.append(f"{here} -a {_fish_text(listed)}")
            elif operand.kind in _FILES:
                lines.append(f"{here} -F")
    return "\n".join([*lines, ""])


def _fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish_option(option: Option) -> str:
    spelling = f"-l {option.name}" + (f" -s {option.short}" if option.short else "")
    if not option.metavar:
        return spelling
    listed = " ".join(words(option))
    if option.kind == options.REQUIRE:
        return f"{spelling} -x -a '(__fish_append , {listed})'"
    if listed:
        return f"{spelling} -x -a {_fish_text(listed)}"
    return f"{spelling} -r -F" if option.kind in _FILES else f"{spelling} -x"


def powershell() -> str:
    """For PowerShell 5.1 and later."""
    verbs, values, places = [], [], []
    for verb in VERBS:
        listed = ", ".join(_power_text("--" + option.name) for option in verb.options)
        verbs.append(f"        {_power_text(verb.name)} = @({listed})")
        values += [_power_entry(f"{verb.name} {spelling}", option) for spelling, option in _valued(verb)]
        places += [_power_entry(verb.name, operand) for operand in verb.operands[:1] if words(operand)]
    return _POWERSHELL.format(verbs="\n".join(verbs), values="\n".join(values), places="\n".join(places))


def _power_entry(key: str, thing: Option | Operand) -> str:
    return f"        {_power_text(key)} = @({', '.join(map(_power_text, words(thing)))})"


def _power_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_POWERSHELL = """\
# PowerShell completion for sidewall: add this to the file that $PROFILE names
Register-ArgumentCompleter -Native -CommandName sidewall -ScriptBlock {{
    param($wordToComplete, $commandAst, $cursorPosition)
    $options = @{{
{verbs}
    }}
    $values = @{{
{values}
    }}
    $places = @{{
{places}
    }}
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object {{ $_.Extent.EndOffset -lt $cursorPosition }} | ForEach-Object {{ $_.ToString() }})
    if ($words -contains '--') {{ return }}
    $offered = if ($words.Count -eq 0) {{ @($options.Keys | Sort-Object) + @('--help', '--version') }}
    elseif ($values.ContainsKey("$($words[0]) $($words[-1])")) {{ $values["$($words[0]) $($words[-1])"] }}
    elseif ($wordToComplete -like '-*') {{ @('--help') + $options[$words[0]] }}
    elseif ($words.Count -eq 1) {{ $places[$words[0]] }}
    $offered | Where-Object {{ $_ -and $_.StartsWith($wordToComplete) }} | ForEach-Object {{
        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
    }}
}}
"""
