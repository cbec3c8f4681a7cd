"""How a system differs from what is declared, and what has to be done about it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from bai_manager.errors import InvalidInput
from bai_manager.services.manifest.forms import FORMS
from bai_manager.services.manifest.types import (
    Change,
    Difference,
    Entry,
    Manifest,
    Plan,
    Problem,
    Section,
    Verb,
)
from bai_manager.types.errors import closest
from bai_manager.types.status import UserStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from bai_manager.services.manifest.types import SiteState
    from bai_manager.types.json import JsonObject, JsonValue

OF_MAIN_KEY: Final = ("keypair_resource_policy", "rate_limit")
"""Fields of a user that are those of its main key pair; absent where there is none."""
_KEPT: Final = frozenset({Section.DOMAINS, Section.GROUPS, Section.USERS})
"""What is deactivated rather than deleted."""


def plan_of(
    wanted: Manifest, state: SiteState, *, prune: bool, requester: UUID | None
) -> tuple[Plan, list[Problem]]:
    """What makes the system what is wanted, and what of that cannot be.

    What the document does not name stays; ``prune`` removes it, in the sections that there are.
    Whoever asks is never deactivated for not being named. What is not changed is not looked at:
    rows of a cluster may hold what would be refused today.
    """
    keep = None if requester is None else state.emails.get(requester)
    planner = _Planner(wanted, state, prune=prune, keep=keep)
    put = [change for section in Section for change in planner.put(section)]
    unlisted = [change for section in reversed(Section) for change in planner.unlisted(section)]
    done = tuple(unlisted) if prune else ()
    return Plan(changes=(*put, *done), unlisted=len(unlisted) - len(done)), planner.problems


@dataclass
class _Planner:
    wanted: Manifest
    state: SiteState
    prune: bool = field(kw_only=True)
    keep: str | None = field(kw_only=True)
    problems: list[Problem] = field(default_factory=list)

    def put(self, section: Section) -> Iterator[Change]:
        """What is to be created or changed, by name."""
        current = self.state.manifest.entries(section)
        for name, given in sorted(self.wanted.entries(section).items()):
            entry, before = self._called(given), current.get(name)
            differing = tuple(_differences(entry, before))
            if before is not None and not differing:
                continue
            change = Change(
                verb=Verb.CREATE if before is None else Verb.UPDATE,
                section=section,
                name=name,
                differences=differing,
                line=entry.line,
            )
            self._check(entry, before, fields_of(change))
            yield change

    def unlisted(self, section: Section) -> Iterator[Change]:
        """What is in a section of the document, by name, but not in the document."""
        if section not in self.wanted.sections:
            return
        listed = self.wanted.entries(section)
        for name, entry in sorted(self.state.manifest.entries(section).items()):
            if name in listed or (section is Section.USERS and name == self.keep):
                continue
            if section not in _KEPT:
                yield _removal(Verb.DELETE, entry, tuple(_contents(entry)))
            elif (difference := _deactivation(entry)) is not None:
                yield _removal(Verb.DEACTIVATE, entry, (difference,))

    def _called(self, entry: Entry) -> Entry:
        """The same entry, whose main key pairs are called by the e-mails of their users."""
        keys = names_in(entry.fields.get("keypairs"))
        if not any(key in self.state.access_keys for key in keys):
            return entry
        called = sorted({self.state.access_keys.get(key, key) for key in keys})
        return replace(entry, fields={**entry.fields, "keypairs": [*called]})

    def _check(self, entry: Entry, before: Entry | None, changed: frozenset[str]) -> None:
        form = FORMS[entry.section]
        if before is None:
            for name in form.needed:
                if name not in entry.lines:
                    self._wrong(entry, name, f"a new {form.noun} needs {name!r}")
            changed |= set(form.keys)
        for name in changed.intersection(form.fixed) if before is not None else ():
            self._wrong(entry, name, f"the {name} of a {form.noun} cannot be changed")
        self._check_values(entry, before, changed)
        for name, section in form.refers.items():
            if name in changed:
                self._check_names(entry, before, name, section)
        if entry.section is Section.GROUPS:
            self._check_members(entry, before)
        if entry.section is Section.USERS and before is not None:
            self._check_main_key(entry, before, changed)

    def _check_values(self, entry: Entry, before: Entry | None, changed: frozenset[str]) -> None:
        """Field by field, so that each is reported; those of a preset go together."""
        form = FORMS[entry.section]
        if entry.section is Section.PRESETS:
            fields = entry.fields if before is None else {**before.fields, **entry.fields}
            self._try(replace(entry, fields=fields), "", form.meant(replace(entry, fields=fields)))
            return
        for name in sorted(changed):
            self._try(entry, name, form.meant(entry, frozenset({name})))

    def _try(self, entry: Entry, name: str, meant: Mapping[str, object]) -> None:
        form = FORMS[entry.section]
        given = {key: value for key, value in meant.items() if value is not None}
        try:
            form.check(form.spec(**{**form.base, **given}))
        except InvalidInput as error:
            hint = f" ({error.hint})" if error.hint else ""
            self._wrong(entry, name, f"{name}{': ' if name else ''}{error.message}{hint}")

    def _check_main_key(self, entry: Entry, before: Entry, changed: frozenset[str]) -> None:
        if OF_MAIN_KEY[0] in before.fields:
            return
        for name in changed.intersection(OF_MAIN_KEY):
            self._wrong(entry, name, f"{name}: the user has no main key pair")

    def _check_names(self, entry: Entry, before: Entry | None, name: str, section: Section) -> None:
        """That what a field names is there, or will be."""
        known = self._known(section)
        if (entry.section, section) == (Section.SCALING_GROUPS, Section.USERS):
            known |= set(self.state.access_keys)
        there = () if before is None else names_in(before.fields.get(name))
        for missing in names_in(entry.fields.get(name)):
            if missing in known or missing in there:
                continue
            similar = " or ".join(closest(missing, known))
            hint = f"; did you mean {similar}?" if similar else ""
            self._wrong(entry, name, f"{name}: there is no {FORMS[section].noun} {missing}{hint}")

    def _known(self, section: Section) -> set[str]:
        listed = set(self.wanted.entries(section))
        if self.prune and section in self.wanted.sections and section not in _KEPT:
            return listed
        return listed | set(self.state.manifest.entries(section))

    def _check_members(self, entry: Entry, before: Entry | None) -> None:
        """Members are of the project's own domain; those that there are stay."""
        there = () if before is None else names_in(before.fields.get("members"))
        for email in names_in(entry.fields.get("members")):
            domain = self._domain_of(email)
            if email not in there and domain not in {None, entry.fields["domain_name"]}:
                said = f"members: {email} is a user of another domain, {domain}"
                self._wrong(entry, "members", said)

    def _domain_of(self, email: str) -> JsonValue:
        for manifest in (self.wanted, self.state.manifest):
            found = manifest.entries(Section.USERS).get(email)
            if found is not None and "domain_name" in found.fields:
                return found.fields["domain_name"]
        return None

    def _wrong(self, entry: Entry, name: str, message: str) -> None:
        said = f"{FORMS[entry.section].noun} {entry.name}: {message}"
        self.problems.append(Problem(line=entry.line_of(name), message=said))


def fields_of(change: Change) -> frozenset[str]:
    """The fields of an entry in which something differs."""
    return frozenset(one.field.partition(".")[0] for one in change.differences)


def _removal(verb: Verb, entry: Entry, differences: tuple[Difference, ...]) -> Change:
    return Change(
        verb=verb, section=entry.section, name=entry.name, differences=differences, line=0
    )


def _deactivation(entry: Entry) -> Difference | None:
    """What deactivating changes; None where that was done before."""
    if entry.section is Section.USERS:
        status, deleted = entry.fields["status"], UserStatus.DELETED.value
        return (
            None if status == deleted else Difference(field="status", before=status, after=deleted)
        )
    active = entry.fields["is_active"]
    return Difference(field="is_active", before=True, after=False) if active else None


def _differences(entry: Entry, before: Entry | None) -> Iterator[Difference]:
    """Fields that are given and have another value, down to the members of maps and lists."""
    form = FORMS[entry.section]
    for name, becomes in entry.fields.items():
        if name not in form.keys:
            was = None if before is None else before.fields.get(name)
            yield from _differing(
                name, was, becomes, each=form.values[name].each and before is not None
            )


def _contents(entry: Entry) -> Iterator[Difference]:
    """What is lost with an entry."""
    for name, value in entry.fields.items():
        if name not in FORMS[entry.section].keys and value not in (None, {}, []):
            yield Difference(field=name, before=value, after=None)


def _differing(
    name: str, was: JsonValue, becomes: JsonValue, *, each: bool
) -> Iterator[Difference]:
    if (was == becomes and type(was) is type(becomes)) or (was is None and becomes in ({}, [])):
        return
    if isinstance(was, dict) and isinstance(becomes, dict):
        yield from _in_maps(name, was, becomes)
    elif each:
        old, new = names_in(was), names_in(becomes)
        for gone in sorted(set(old) - set(new)):
            yield Difference(field=name, before=gone, after=None)
        for come in sorted(set(new) - set(old)):
            yield Difference(field=name, before=None, after=come)
    else:
        yield Difference(field=name, before=was, after=becomes)


def _in_maps(name: str, was: JsonObject, becomes: JsonObject) -> Iterator[Difference]:
    for key in sorted({*was, *becomes}):
        if was.get(key) != becomes.get(key) or (key in was) is not (key in becomes):
            yield Difference(field=f"{name}.{key}", before=was.get(key), after=becomes.get(key))


def names_in(value: JsonValue) -> tuple[str, ...]:
    """The names in a field that holds one, or a list of them."""
    if value is None:
        return ()
    return tuple(str(one) for one in value) if isinstance(value, list) else (str(value),)
