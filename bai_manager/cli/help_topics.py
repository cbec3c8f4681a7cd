"""What ``bai-manager help TOPIC`` prints: plain text, an example first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bai_manager.errors import ExitCode, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_MEANINGS: Mapping[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.FAILURE: "failed",
    ExitCode.USAGE: "the command was not understood",
    ExitCode.NOT_FOUND: "not found, or not visible to you",
    ExitCode.DENIED: "you may not do this",
    ExitCode.CONFLICT: "a conflict, an unmet precondition or a quota",
    ExitCode.UNREACHABLE: "a dependency is unreachable (database, agent, storage, metrics, proxy)",
    ExitCode.PARTIAL: "part of a call with several targets failed",
    ExitCode.FINDINGS: "differences or findings (diff, check)",
    ExitCode.TRY_AGAIN: "temporary, try again",
    ExitCode.CONFIGURATION: "the configuration is wrong",
    ExitCode.TIMED_OUT: "timed out while waiting; nothing was undone",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.CLOSED_PIPE: "the reader of the output went away",
}


class UnknownTopic(NotFound):
    """``help`` was asked about something it has no text for."""

    error_code = "api_read_not-found"


class ExitCodeRow(NamedTuple):
    """One line of the table of exit codes."""

    code: int
    meaning: str


def exit_code_rows() -> Sequence[ExitCodeRow]:
    """List every exit code in order; the same table is in the README and in ``--help``."""
    return [ExitCodeRow(int(code), _MEANINGS[code]) for code in sorted(ExitCode)]


def exit_code_markdown() -> str:
    """Write the table as it stands in the README."""
    lines = ["| code | meaning |", "|---|---|"]
    lines += [f"| {row.code} | {row.meaning} |" for row in exit_code_rows()]
    return "\n".join(lines) + "\n"


def topic(name: str) -> str:
    """Write the text of a topic. Raises UnknownTopic."""
    if name not in TOPICS:
        raise UnknownTopic(f'there is no help about "{name}"', hint=f"Topics: {', '.join(TOPICS)}.")
    return TOPICS[name]().strip("\n") + "\n"


def _exit_codes() -> str:
    table = "\n".join(f"{row.code:>5}  {row.meaning}" for row in exit_code_rows())
    return f"""
Example:
  bai-manager session show my-work || echo "exit code $?"

Exit codes:
{table}

"session run" exits with the exit code of the job itself.
"""


def _formats() -> str:
    return """
Example:
  bai-manager session list -o json | jq '.[].id'

Formats (-o, --output):
  table   columns for a person; the default on a terminal
  wide    as table, with all columns and nothing cut
  json    an array for a list, an object for one thing
  jsonl   one JSON object a line
  yaml    a sequence for a list, a mapping for one thing
  csv     RFC 4180 with a header, values exact
  tsv     tab separated with a header; the default in a pipe
  name    only what selects the thing in another command

json, jsonl and yaml carry the whole object, csv and tsv the columns. Times are RFC 3339 in UTC,
sizes are bytes, resource slots are decimal strings, and what is absent is null or empty. Keys
and columns are only ever added. "bai-manager schema NOUN" prints the JSON Schema.

In tsv, tabs, line ends and backslashes inside a value are written \\t, \\n, \\r and \\\\. In tsv,
name and the tables, control characters are made visible; json and yaml escape them, so the value
read back is exact. csv is exact too: a cell may begin with =, +, - or @, so import it into a
spreadsheet as text.

  --columns id,name,status   these columns, in this order (in json: these keys)
  --no-header                csv, tsv and tables without the first line
  --quiet, -q                no notes on stderr
  --color auto|always|never  colour only repeats what a word says
  --watch [SECONDS]          show it again and again; with jsonl, print what changes:
                             {"change": "added"|"changed"|"removed", "object": {...}}
  --dry-run                  change nothing; an object result has "dry_run": true, and stderr
                             says so for the other formats. What is denied is audited even so

Results go to stdout; notes, questions, progress and errors go to stderr. With -o json an error
is one line on stderr: {"error": {"code", "message", "hint", "details"}}.
"""


def _environment() -> str:
    from bai_manager.config.keys import known_keys  # noqa: PLC0415 - imports pydantic

    keys = known_keys().values()
    width = max(len(key.variable) for key in keys)
    settings = "\n".join(f"  {key.variable:{width}}  {key.help}" for key in keys)
    return f"""
Example:
  BAI_PROFILE=staging bai-manager session list

Flags win over these variables, and these over the profile in
$XDG_CONFIG_HOME/bai-manager/config.toml and over /etc/bai-manager/config.toml.
"bai-manager config show --origin" says where each value came from. A secret may be given by a
file instead: BAI_SECRET_KEY_FILE names a file that holds what BAI_SECRET_KEY would.

What runs, and where its files are:
  BAI_PROFILE      the profile to use
  BAI_HOME         one folder for everything, instead of these:
  XDG_CONFIG_HOME  profiles; default ~/.config
  XDG_DATA_HOME    data of the local system; default ~/.local/share
  XDG_STATE_HOME   logs; default ~/.local/state
  XDG_CACHE_HOME   what can be made again; default ~/.cache

Colour:
  NO_COLOR         any value: none
  CLICOLOR_FORCE   other than 0: even in a pipe
  TERM=dumb        none

Settings of the profile (NAME is that of a storage proxy):
{settings}
"""


def _filters() -> str:
    return """
Example:
  bai-manager session list --filter status=RUNNING --filter 'created_at>2d' --sort -created_at

Filters are applied by the database; several must all hold.

  status=RUNNING,PENDING  one of these
  status!=ERROR           none of these
  size>=10GiB             also >, < and <=, for numbers, sizes and times
  name~train              contains, in any case
  projects=vision         a list that has it; !=, that does not; ~, that has something like it
  total_resource_slots.cpu>=8  one slot of a map, also as a sort key
  name=a\\,b               a comma in a value

  Times      2026-01-31T08:00:00Z  2026-01-31  now  today  yesterday
             2d is two days ago, so created_at>2d is newer than that; +2h lies ahead
  Durations  90s  5m  1.5h  2h30m  7d  1w
  Sizes      10GiB  1.5g  512m  1048576

  --sort -created_at,name  newest first, then by name
  --limit 20               20 rows in all

A filter or sort key that is not known is exit code 2, and the message names those that are.
Lists for programs are complete unless limited; a table for a person that was cut says so.
"""


TOPICS: Mapping[str, Callable[[], str]] = {
    "exit-codes": _exit_codes,
    "formats": _formats,
    "environment": _environment,
    "filters": _filters,
}
