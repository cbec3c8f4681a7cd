"""Every action is data, has one door in and one method behind it."""

from __future__ import annotations

import ast
import json
from collections import Counter
from dataclasses import FrozenInstanceError, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING

import pytest

from bai_manager.actions.access import RULES, Rule
from bai_manager.actions.base import EntityType, Operation
from bai_manager.actions.processor import noun_of, service_methods
from bai_manager.types.jsonable import jsonschema_of, to_jsonable
from tests.architecture import catalogue
from tests.architecture.each import for_each

if TYPE_CHECKING:
    from bai_manager.actions.base import ActionResult
    from tests.architecture.catalogue import AnyAction

ACTIONS = catalogue.actions()
RESULTS = catalogue.results()

WITHOUT_COMMAND: dict[str, str] = {}
"""Action name → why no command builds it."""

OF_ANOTHER_ENTITY = {
    "CommitSessionAction": "what is kept is a session",
    "GetCommitStatusAction": "as above",
    "ConvertSessionToImageAction": "as above",
    "GetIdleChecksAction": "what may be idle is a session",
    "ListIdleChecksAction": "as above",
    "EndIdleSessionsAction": "as above",
    "ListServicesAction": "what a session serves is of the session",
    "StartServiceAction": "as above",
    "ShutdownServiceAction": "as above",
    "RenameSessionAction": "what is changed is a session",
    "UpdateSessionAction": "as above",
    "RestartSessionAction": "as above",
    "CheckAndTransitStatusAction": "as above",
    "CheckAndTransitStatusBatchAction": "as above",
    "ExecuteSessionAction": "what it reaches into is a session",
    "InterruptSessionAction": "as above",
    "CompleteAction": "as above",
    "GetContainerLogsAction": "as above",
    "ListFilesAction": "as above",
    "UploadFileAction": "as above",
    "DownloadFileAction": "as above",
    "DownloadFilesAction": "as above",
    "GetUsageAction": "as above",
    "MatchSessionsAction": "what is recorded is about a session",
    "GetStatusHistoryAction": "as above",
    "GetTimelineAction": "as above",
    "GetDependencyGraphAction": "as above",
    "GetDirectAccessInfoAction": "as above",
    "GetAbusingReportAction": "as above",
    "GetStatusAction": "what is asked how it is, is the system",
    "CheckUserImportAction": "what is imported are users",
    "ImportUsersAction": "what is imported are users",
    "DeleteVFolderFilesAction": "files are looked for, and audited, under their folder",
    "DownloadVFolderFilesAction": "files are looked for, and audited, under their folder",
    "ListVFolderFilesAction": "files are looked for, and audited, under their folder",
    "MakeVFolderPathAction": "files are looked for, and audited, under their folder",
    "MeasureVFolderFilesAction": "files are looked for, and audited, under their folder",
    "MoveVFolderFileAction": "files are looked for, and audited, under their folder",
    "ReadVFolderFileAction": "files are looked for, and audited, under their folder",
    "UploadVFolderFilesAction": "files are looked for, and audited, under their folder",
}
"""Action name → why its entity type is not the noun of its folder."""


@cache
def _built_by_commands() -> frozenset[str]:
    """Names of the classes that some module of the command line calls."""
    calls = (
        node.func.id
        for path in (catalogue.PACKAGE / "cli").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    )
    return frozenset(calls)


def test_there_are_actions() -> None:
    assert {"CreateSessionAction", "ListAgentsAction"} <= {action.__name__ for action in ACTIONS}


@for_each([*ACTIONS, *RESULTS])
def test_actions_and_results_are_frozen_keyword_only_slotted_dataclasses(kind: type) -> None:
    assert is_dataclass(kind)
    made = catalogue.sample(kind)
    assert not hasattr(made, "__dict__")
    assert all(field.kw_only for field in fields(kind))
    for field in fields(kind):
        with pytest.raises(FrozenInstanceError):
            setattr(made, field.name, None)


@for_each(ACTIONS)
def test_an_action_is_json_with_every_field_and_with_defaults_alone(action: AnyAction) -> None:
    names = {field.name for field in fields(action)}
    for made in (catalogue.sample(action), catalogue.defaults(action)):
        text = json.dumps(to_jsonable(made))
        assert set(json.loads(text)) == names
        assert "hidden-secret" not in text


@for_each(RESULTS)
def test_a_result_is_json_and_its_schema_names_the_same_keys(result: type[ActionResult]) -> None:
    printed = json.loads(json.dumps(to_jsonable(catalogue.sample(result))))
    assert set(printed) == set(jsonschema_of(result)["properties"])  # type: ignore[arg-type]


@for_each(ACTIONS)
def test_an_action_names_its_entity_type_and_operation(action: AnyAction) -> None:
    assert isinstance(action.entity_type, EntityType)
    assert isinstance(action.operation, Operation)


@for_each(ACTIONS)
def test_the_entity_type_is_the_noun_of_the_folder_or_says_why_not(action: AnyAction) -> None:
    named_otherwise = action.entity_type.value != noun_of(action)
    assert named_otherwise is (action.__name__ in OF_ANOTHER_ENTITY)


def test_no_two_actions_have_one_entity_type_and_operation() -> None:
    pairs = Counter((action.entity_type, action.operation) for action in ACTIONS)
    assert [pair for pair, count in pairs.items() if count > 1] == []


@for_each(ACTIONS)
def test_an_action_has_exactly_one_service_method(action: AnyAction) -> None:
    service = catalogue.service_of(action)
    taking = [
        name
        for name, method in vars(service).items()
        if getattr(method, "__annotations__", {}).get("action") == action.__name__
        and not name.startswith("_")
    ]
    assert taking == [service_methods(service)[action.__name__]]


@pytest.mark.parametrize("noun", catalogue.service_nouns())
def test_every_public_method_of_a_service_takes_an_action_and_returns_its_result(noun: str) -> None:
    service = catalogue.service_class(noun)
    known = {action.__name__ for action in ACTIONS if noun_of(action) == noun}
    results = {result.__name__ for result in RESULTS}
    for name, method in vars(service).items():
        if name.startswith("_"):
            continue
        annotations = dict(method.__annotations__)
        assert annotations.pop("return") in results, name
        assert set(annotations) == {"action"}, name
        assert annotations["action"] in known, name


@for_each(ACTIONS)
def test_an_action_has_an_access_rule(action: AnyAction) -> None:
    assert (action.entity_type, action.operation) in RULES


def test_every_access_rule_is_that_of_an_action() -> None:
    assert set(RULES) == {(action.entity_type, action.operation) for action in ACTIONS}


def test_what_changes_things_is_not_open_to_monitors() -> None:
    monitored = {Rule.OWNER_OR_MONITOR, Rule.DOMAIN_ADMIN_OR_MONITOR, Rule.SUPERADMIN_OR_MONITOR}
    assert [pair for pair, rule in RULES.items() if pair[1].is_write and rule in monitored] == []


def test_every_operation_is_that_of_an_action() -> None:
    assert set(Operation) == {action.operation for action in ACTIONS}


def test_every_entity_type_is_that_of_an_action() -> None:
    assert set(EntityType) == {action.entity_type for action in ACTIONS}


@for_each(ACTIONS)
def test_an_action_is_built_by_a_command_or_says_why_not(action: AnyAction) -> None:
    built = action.__name__ in _built_by_commands()
    assert built is (action.__name__ not in WITHOUT_COMMAND)


def test_exceptions_are_actions_and_have_a_reason() -> None:
    reasons = {**WITHOUT_COMMAND, **OF_ANOTHER_ENTITY}
    assert set(reasons) <= {action.__name__ for action in ACTIONS}
    assert all(reason.strip() for reason in reasons.values())


@for_each(ACTIONS)
def test_an_action_says_what_it_does(action: AnyAction) -> None:
    documented = vars(action).get("__doc__") or ""
    assert documented.strip()
    assert not documented.startswith(f"{action.__name__}(")  # the one dataclass makes up
