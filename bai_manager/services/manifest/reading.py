"""A document as text into entries, with all that is wrong with it and on which lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bai_manager.errors import InvalidInput
from bai_manager.services.manifest.errors import InvalidManifest
from bai_manager.services.manifest.forms import FORMS
from bai_manager.services.manifest.types import FORMAT, Entry, Manifest, Problem, Section
from bai_manager.types.errors import closest, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from yaml import MappingNode, Node, SafeLoader

    from bai_manager.services.manifest.forms import Form
    from bai_manager.types.json import JsonObject

_VERSION: Final = "version"


def read_manifest(text: str, source: str) -> tuple[Manifest, list[Problem]]:
    """The entries that can be read, and what is wrong with the others.

    Raises ``InvalidManifest`` for what is no YAML at all. JSON is YAML too.
    """
    import yaml  # noqa: PLC0415 - only documents need it

    loader_class: type[SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        loader = loader_class(text)
        root = loader.get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        line = 1 if mark is None else mark.line + 1
        raise InvalidManifest(source, [Problem(line=line, message=f"no YAML: {why}")]) from None
    except RecursionError:
        problem = Problem(line=1, message="no YAML: nested too deeply")
        raise InvalidManifest(source, [problem]) from None
    reader = _Reader(loader)
    return reader.read(root), reader.problems


@dataclass
class _Reader:
    loader: SafeLoader
    problems: list[Problem] = field(default_factory=list)

    def read(self, root: Node | None) -> Manifest:
        sections: dict[Section, dict[str, Entry]] = {}
        known = [_VERSION, *Section]
        for key, node in self._members(root, "the document", known) if root else ():
            if key == _VERSION:
                self._check_version(node)
            else:
                section = Section(key)
                sections[section] = self._section(section, node)
        return Manifest(sections=sections)

    def _check_version(self, node: Node) -> None:
        if (found := self._plain(node)) != FORMAT:
            self._wrong(node, f"version {quoted(found)} is not known; it is {FORMAT}")

    def _section(self, section: Section, node: Node) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for item in self._items(node, section):
            entry = self._entry(section, item)
            if entry is None:
                continue
            if (before := entries.get(entry.name)) is not None:
                said = f"{FORMS[section].noun} {entry.name} is on line {before.line} already"
                self._wrong(item, said)
                continue
            entries[entry.name] = entry
        return entries

    def _entry(self, section: Section, node: Node) -> Entry | None:
        form = FORMS[section]
        found: JsonObject = {}
        lines: dict[str, int] = {}
        sound = True
        for key, value in self._members(node, f"a {form.noun}", form.values):
            lines[key] = _line(value)
            try:
                found[key] = form.values[key].canonical(self._plain(value))
            except InvalidInput as error:
                hint = f" ({error.hint})" if error.hint else ""
                self._wrong(value, f"{key}: {error.message}{hint}")
                sound = sound and key not in form.keys
        for key in self._missing_keys(form, lines):
            self._wrong(node, f"a {form.noun} needs {key!r}")
            sound = False
        if not sound:
            return None
        return Entry(
            section=section, name=form.name_of(found), fields=found, line=_line(node), lines=lines
        )

    def _missing_keys(self, form: Form, lines: Iterable[str]) -> Iterator[str]:
        """Presets for all resource groups need not say so."""
        given = set(lines)
        for key in form.keys:
            if key not in given and key != "scaling_group_name":
                yield key

    def _members(self, node: Node, what: str, known: Iterable[str]) -> Iterator[tuple[str, Node]]:
        """Members of a map whose keys are known, each key once."""
        if _kind(node) != "mapping":
            self._wrong(node, f"{what} is a map of {', '.join(known)}")
            return
        words = [*known]
        seen: dict[str, int] = {}
        for key_node, value in _mapping(node).value:
            key = str(key_node.value)
            if key in seen:
                self._wrong(key_node, f"{key!r} is on line {seen[key]} already")
            elif key not in words:
                similar = " or ".join(closest(key, words))
                hint = f"did you mean {similar}?" if similar else f"known: {', '.join(words)}"
                self._wrong(key_node, f"{key!r} is no key of {what}; {hint}")
            else:
                seen[key] = _line(key_node)
                yield key, value

    def _items(self, node: Node, section: Section) -> Iterator[Node]:
        if _kind(node) == "scalar" and self._plain(node) is None:
            return
        if _kind(node) != "sequence":
            self._wrong(node, f"{section.value} is a list")
            return
        yield from node.value

    def _plain(self, node: Node) -> object:
        """The value itself; what no value can be made of is a problem and None."""
        import yaml  # noqa: PLC0415 - as above

        try:
            self._check_twice(node)
            return self.loader.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            self._wrong(node, str(getattr(error, "problem", None) or error))
            return None

    def _check_twice(self, node: Node) -> None:
        """YAML itself lets the last of two equal keys win."""
        if _kind(node) != "mapping":
            return
        seen: dict[str, int] = {}
        for key, value in _mapping(node).value:
            name = str(key.value)
            if name in seen:
                self._wrong(key, f"{name!r} is on line {seen[name]} already")
            seen[name] = _line(key)
            self._check_twice(value)

    def _wrong(self, node: Node, message: str) -> None:
        self.problems.append(Problem(line=_line(node), message=message))


def _kind(node: Node) -> str:
    """``mapping``, ``sequence`` or ``scalar``."""
    return str(getattr(node, "id", ""))


def _mapping(node: Node) -> MappingNode:
    found: MappingNode = node  # type: ignore[assignment]
    return found


def _line(node: Node) -> int:
    line: int = node.start_mark.line
    return line + 1
