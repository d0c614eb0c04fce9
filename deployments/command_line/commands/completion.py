"""Implement `report-exports completion`, which prints a completion script for bash or zsh.

The script contains all commands and options of the parser, so completing a command does not start Python. zsh
loads the bash script through bashcompinit.
"""

import argparse
import sys
from collections.abc import Iterator

from deployments.command_line.exit_codes import DONE
from deployments.command_line.options.export_options import Commands

_SCRIPT = """\
{start}_report_exports() {{
  local word words path=
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$path $word" in
      {commands}) path="${{path:+$path }}$word" ;;
    esac
  done
  case "$path" in
{words}
  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _report_exports report-exports
"""
_START = {"bash": "", "zsh": "autoload -U +X bashcompinit && bashcompinit\n"}


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "completion",
        help="print a script that completes commands in a shell",
        description="Print a script that completes commands and options in bash or zsh.",
        allow_abbrev=False,
    )
    parser.add_argument("shell", choices=list(_START))


def run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    sys.stdout.write(script(parser, arguments.shell))
    return DONE


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    parsers = dict(_parsers(parser, ""))
    return _SCRIPT.format(
        start=_START[shell],
        commands="|".join(f'"{_before(path)} {_last(path)}"' for path in parsers if path),
        words="\n".join(_case(path, _words(command)) for path, command in parsers.items()),
    )


def _parsers(parser: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield the path and the parser of each command.

    A path looks like `schedules list`. The path of the main parser is empty.
    """
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from _parsers(child, f"{path} {name}".strip())


def _words(parser: argparse.ArgumentParser) -> list[str]:
    """Return the subcommands, argument choices and long options of a command."""
    names = [str(word) for action in parser._actions for word in action.choices or ()]
    options = [option for action in parser._actions for option in action.option_strings]
    return [*names, *(option for option in options if option.startswith("--"))]


def _case(pattern: str, words: list[str]) -> str:
    return f'    "{pattern}") words="{" ".join(words)}" ;;'


def _before(path: str) -> str:
    return path.rpartition(" ")[0]


def _last(path: str) -> str:
    return path.rpartition(" ")[2]
