"""What a system is declared to be, and how that differs from what it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from bai_manager.types.json import JsonObject, JsonValue

FORMAT: Final = 1
"""The version of the document's form."""


class Section(StrEnum):
    """The parts of a document, in the order in which they are written and carried out.

    What comes later refers to what comes earlier.
    """

    KEYPAIR_POLICIES = "keypair_policies"
    USER_POLICIES = "user_policies"
    PROJECT_POLICIES = "project_policies"
    DOMAINS = "domains"
    USERS = "users"
    GROUPS = "groups"
    SCALING_GROUPS = "scaling_groups"
    PRESETS = "presets"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One thing of a section, called by a name that is unique there.

    ``fields`` are as a document has them. ``lines`` says where each was found, 0 for none.
    """

    section: Section
    name: str
    fields: JsonObject
    line: int = 0
    lines: Mapping[str, int] = field(default_factory=dict)

    def line_of(self, name: str) -> int:
        return self.lines.get(name, self.line)


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """Entries by name, of the sections that there are."""

    sections: Mapping[Section, Mapping[str, Entry]]

    def entries(self, section: Section) -> Mapping[str, Entry]:
        return self.sections.get(section, {})


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteState:
    """What a system is: all sections, with every field; and names that a document may use.

    ``access_keys`` maps each to what a document calls it: the e-mail of whose main one it is.
    """

    manifest: Manifest
    access_keys: Mapping[str, str]
    emails: Mapping[UUID, str]


class Verb(StrEnum):
    """What is done to one thing; ``deactivate`` is what 'delete' does to people and tenants."""

    CREATE = "create"
    UPDATE = "update"
    DEACTIVATE = "deactivate"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One field, or one entry of a map or list in it (``total_resource_slots.cpu``).

    ``before`` and ``after`` are None where there is nothing.
    """

    field: str
    before: JsonValue
    after: JsonValue


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What becomes of one thing. ``line`` is where the document says so, 0 where it does not."""

    verb: Verb
    section: Section
    name: str
    differences: tuple[Difference, ...]
    line: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All that has to be done, in order.

    ``unlisted`` counts what is in the system and in the sections of the document, but not in the
    document, and stays.
    """

    changes: tuple[Change, ...]
    unlisted: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What is wrong with a document, and on which line."""

    line: int
    message: str
