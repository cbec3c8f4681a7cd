"""The layers hold, and the contracts that say so would notice if they did not."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.architecture import catalogue

ROOT = catalogue.PACKAGE.parent
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
LONGEST = 700
"""Lines; about 400 is the aim."""
CARRYING_OUT = {"runner", "gate", "kernels", "idle_step", "idle_facts"}
"""The modules of sokovan that act; all others decide."""


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and its contracts, to be spoilt."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(
        catalogue.PACKAGE, folder / "bai_manager", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / ".importlinter", folder)
    return folder


def _broken(output: str) -> set[str]:
    return set(re.findall(r"^(.+) BROKEN", output, re.MULTILINE))


def test_the_contracts_are_kept() -> None:
    done = _lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert _broken(done.stdout) == set()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("cli/session", "from bai_manager.repositories import session", "Commands build actions"),
        ("cli/agent", "import sqlalchemy", "Commands build actions"),
        ("cli/image", "from bai_manager.services.image import service", "Commands build actions"),
        ("services/image/service", "import rich", "Only the command line"),
        ("services/image/service", "from bai_manager.cli import root", "Services know nothing"),
        ("services/image/service", "import sqlalchemy", "Services reach databases"),
        (
            "services/image/service",
            "from bai_manager.services.session import service",
            "The service of one noun",
        ),
        ("services/image/actions", "from bai_manager.models import image", "The words of a noun"),
        ("actions/base", "from bai_manager.services.image import actions", "The framework"),
        ("sokovan/quota", "from bai_manager.repositories import image", "The scheduler decides"),
        ("repositories/image", "from bai_manager import app", "Imports point down"),
        ("models/image", "from bai_manager.actions import base", "The schema knows"),
        ("types/text", "import sqlalchemy", "Only repositories"),
        ("repositories/image", "from bai_manager.services.image import service", "Nothing below"),
    ],
)
def test_a_contract_notices_what_it_forbids(
    copy: Path, module: str, line: str, contract: str
) -> None:
    path = copy / "bai_manager" / f"{module}.py"
    before = path.read_text(encoding="utf-8")
    path.write_text(f"{before}\n{line}\n", encoding="utf-8")
    try:
        done = _lint(copy)
    finally:
        path.write_text(before, encoding="utf-8")
    assert done.returncode == 1
    assert any(broken.startswith(contract) for broken in _broken(done.stdout)), done.stdout


def test_every_module_of_the_scheduler_that_decides_is_under_its_contract() -> None:
    contracts = ConfigParser()
    contracts.read(ROOT / ".importlinter")
    listed = contracts["importlinter:contract:scheduler"]["source_modules"].split()
    there = {path.stem for path in (catalogue.PACKAGE / "sokovan").glob("[a-z]*.py")}
    assert set(listed) == {f"bai_manager.sokovan.{stem}" for stem in there - CARRYING_OUT}


@pytest.mark.parametrize("noun", catalogue.service_nouns())
def test_a_service_asks_for_no_role(noun: str) -> None:
    for path in (catalogue.PACKAGE / "services" / noun).glob("*.py"):
        if path.stem in {"types", "actions", "errors"}:
            continue
        names = {
            node.id if isinstance(node, ast.Name) else node.attr
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Name | ast.Attribute)
        }
        assert not names & {"UserRole", "Actor", "is_superadmin", "role"}, path.name


def test_a_repository_has_no_method_that_skips_the_rules() -> None:
    names = {
        node.name
        for path in (catalogue.PACKAGE / "repositories").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert [name for name in names if re.search(r"_force|force_|unchecked|as_admin", name)] == []


def test_no_module_is_too_long_to_read_in_one_sitting() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in catalogue.PACKAGE.rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}
