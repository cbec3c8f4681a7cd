"""Global options: accepted before the noun and anywhere after it, up to ``--``."""

from __future__ import annotations

from dataclasses import dataclass

_WITH_VALUE = frozenset({"--profile", "-o", "--output", "--columns", "--color", "--as"})
_SWITCHES = frozenset(
    {"--debug", "--dry-run", "--trace", "--quiet", "-q", "--no-header", "--yes", "-y"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Flags:
    """The global options as given; None means not given."""

    profile: str | None = None
    output: str | None = None
    columns: str | None = None
    color: str | None = None
    act_as: str | None = None
    debug: bool = False
    dry_run: bool = False
    trace: bool = False
    quiet: bool = False
    no_header: bool = False
    yes: bool = False


def hoist(args: list[str]) -> list[str]:
    """Move global options to the front, so that ``session list -o json`` reads as it is typed.

    Whatever follows ``--`` belongs to the command and stays where it is.
    """
    end = args.index("--") if "--" in args else len(args)
    hoisted: list[str] = []
    rest: list[str] = []
    position = 0
    while position < end:
        word = args[position]
        takes_value = word in _WITH_VALUE and position + 1 < end
        if takes_value:
            hoisted += args[position : position + 2]
        elif word in _SWITCHES or word.partition("=")[0] in _WITH_VALUE or _short_value(word):
            hoisted.append(word)
        else:
            rest.append(word)
        position += 2 if takes_value else 1
    return hoisted + rest + args[end:]


def _short_value(word: str) -> bool:
    return word.startswith("-o") and not word.startswith("--") and len(word) > len("-o")
