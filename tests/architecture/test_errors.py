"""Every error has an exit code of the table and an error code of the reference's vocabulary."""

from __future__ import annotations

import re
from pathlib import Path

from bai_manager.cli.help_topics import exit_code_markdown, exit_code_rows
from bai_manager.errors import BackendAIError, ExitCode
from tests.architecture import catalogue
from tests.architecture.each import for_each

ERRORS = catalogue.errors()
README = Path(__file__).parents[2] / "README.md"

# reference/actions.md, section 5.1
DOMAINS = frozenset(
    """
    backendai api artifact artifact-registry artifact-association object-storage vfs-storage
    storage-namespace plugin bgtask leader-election kernel user keypair session group domain image
    image-alias template container-registry scaling-group instance endpoint endpoint-auto-scaling
    route dotfile vfolder quota-scope vfolder-invitation model-card model-service model-deployment
    resource-preset storage agent kernel-registry permission metric storage-proxy message-queue
    notification health-check
    """.split()  # noqa: SIM905 - the reference's list, as it is written there
)
OPERATIONS = frozenset(
    """
    generic create access read update start soft-delete purge list-query auth hook request parsing
    execute schedule setup grant check-limit
    """.split()  # noqa: SIM905
)
DETAILS = frozenset(
    """
    bad-request not-found gone conflict already-exists invalid-parameters data-expired forbidden
    unauthorized incomplete-user-profile not-ready invalid-data-format internal-error unavailable
    unreachable task-timeout canceled not-implemented deprecated mismatch timeout
    content-type-mismatch
    """.split()  # noqa: SIM905
)
# command-line.md, "exit codes"
TABLE = {0, 1, 2, 3, 4, 5, 6, 7, 8, 75, 78, 124, 130, 141}
NOT_OF_ERRORS = {
    ExitCode.OK,
    ExitCode.PARTIAL,
    ExitCode.FINDINGS,
    ExitCode.INTERRUPTED,
    ExitCode.CLOSED_PIPE,
}


def test_there_are_errors() -> None:
    assert {"SessionNotFound", "DatabaseBusy"} <= {error.__name__ for error in ERRORS}


@for_each(ERRORS)
def test_an_error_code_has_three_parts_of_the_vocabulary(error: type[BackendAIError]) -> None:
    domain, operation, detail = error.error_code.split("_")
    assert domain in DOMAINS
    assert operation in OPERATIONS
    assert detail in DETAILS


@for_each(ERRORS)
def test_an_error_ends_with_a_code_of_the_table(error: type[BackendAIError]) -> None:
    assert isinstance(error.exit_code, ExitCode)
    assert error.exit_code not in NOT_OF_ERRORS


def test_the_exit_codes_are_those_of_the_design() -> None:
    assert {code.value for code in ExitCode} == TABLE


def test_help_lists_every_exit_code_once_and_in_order() -> None:
    assert [row.code for row in exit_code_rows()] == sorted(TABLE)
    assert all(row.meaning for row in exit_code_rows())


def test_the_readme_has_the_same_table_of_exit_codes() -> None:
    assert exit_code_markdown() in README.read_text(encoding="utf-8")


def test_the_tree_in_the_docstring_names_every_family_with_its_exit_code() -> None:
    import bai_manager.errors as module  # noqa: PLC0415 - for its docstring

    drawn = dict(re.findall(r"(\w+) {2,}(\d+) ", module.__doc__ or ""))
    families = {error for error in ERRORS if error.__module__ == module.__name__}
    assert drawn == {family.__name__: str(int(family.exit_code)) for family in families}
