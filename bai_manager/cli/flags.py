"""Global options: accepted before the noun and anywhere after it, up to ``--``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS = frozenset({"table", "wide", "json", "jsonl", "yaml", "csv", "tsv", "name"})

_OUTPUT = frozenset({"-o", "--output"})
_WITH_VALUE = _OUTPUT | {"--profile", "--columns", "--color", "--as"}
_SWITCHES = frozenset(
    {"--debug", "--dry-run", "--trace", "--quiet", "-q", "--no-header", "--yes", "-y"}
)
RUN_WITH_VALUE = frozenset(
    {"--name", "-n", "--resource", "-r", "--env", "-e", "--group", "--project", "-g", "--owner"}
    | {"--timeout", "--mount", "-v"}
)
"""Options of ``session run`` that take the next word, which is then no part of the job."""

_RUN = ("session", "run")


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

    def of_profile(self, profile: str) -> Flags:
        """The same options for another profile."""
        return replace(self, profile=profile)


def hoist(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part the global options from the rest, so that ``session list -o json`` reads as typed.

    Whatever follows ``--`` belongs to the command and stays in the rest, as does a job from its
    first word on: ``session run python train.py --debug`` is read as if ``--`` stood before
    ``train.py``. Without the value it needs, a global option is the last word that is left:
    parsing then says what is missing.
    """
    end = args.index("--") if "--" in args else len(args)
    if (job := _first_word_of_job(args[:end])) is not None:
        args, end = [*args[:job], "--", *args[job:]], job
    options: list[str] = []
    rest: list[str] = []
    words = iter(args[:end])
    for word in words:
        if word in _WITH_VALUE:
            value = next(words, None)
            if value is None:
                return [*options, word], []
            options += word, value
        elif word in _SWITCHES or word.partition("=")[0] in _WITH_VALUE or _short_format(word):
            options.append(word)
        else:
            rest.append(word)
    return options, [*rest, *args[end:]]


def _first_word_of_job(words: Sequence[str]) -> int | None:
    """Where the job of ``session run IMAGE JOB…`` begins."""
    plain: list[str] = []
    skipped = False
    for index, word in enumerate(words):
        with_value = _WITH_VALUE | (RUN_WITH_VALUE if len(plain) > 1 else frozenset())
        if skipped or (word.startswith("-") and word != "-"):
            skipped = not skipped and word in with_value
            continue
        plain.append(word)
        if len(plain) <= len(_RUN) and tuple(plain) != _RUN[: len(plain)]:
            return None
        if len(plain) == len(_RUN) + 2:
            return index
    return None


def value_of(options: Sequence[str], long: str, short: str | None = None) -> str | None:
    """The value of one of the hoisted options: the last one, as it will be parsed."""
    found = None
    for word, following in zip(options, [*options[1:], None], strict=False):
        if word in {long, short}:
            found = following
        elif word.startswith(f"{long}="):
            found = word.removeprefix(f"{long}=")
        elif short == "-o" and _short_format(word):
            found = word.removeprefix("-o")
    return found


def _short_format(word: str) -> bool:
    """``-ojson``, but not the ``-operation`` of ``--sort -operation``."""
    return word.startswith("-o") and word.removeprefix("-o") in FORMATS
