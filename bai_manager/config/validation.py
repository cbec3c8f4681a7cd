"""Layers of raw values made into ``Settings``."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, cast

from pydantic import ValidationError

from bai_manager.config.errors import InvalidGivenValue, InvalidSetting
from bai_manager.config.keys import find_key, require_key, values_of
from bai_manager.config.layers import Layer, Layers, nested, wrapped
from bai_manager.config.origin import Origin
from bai_manager.config.settings import Settings
from bai_manager.types.errors import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.config.keys import Key

_PASSWORD_INSIDE = re.compile(r"://.*@")
_NUMBER = re.compile(r"\d{1,12}(\.\d{1,9})?")


def settings_from(layers: Layers) -> Settings:
    """Put the layers' values over the defaults.

    Raises InvalidSetting, which says where the bad value came from; InvalidGivenValue when that
    is the command line.
    """
    try:
        settings = _build(layers)
    except ValidationError as error:
        raise _invalid(*_first_problem(error), layers) from None
    _check_kind(settings, layers)
    return settings


def toml_value(name: str, text: str) -> bool | int | float | str:
    """Turn ``text`` into what a file holds: a truth value or a number where it means one.

    Raises UnknownSetting, InvalidGivenValue.
    """
    key = require_key(name)
    given = Layer({name: wrapped(key, text, os.environ)}, lambda _: Origin("flag", "config set"))
    try:
        settings = _build(Layers((given,)))
    except ValidationError as error:
        why = _first_problem(error)[1]
        raise InvalidGivenValue(name, why, given=_shown(key, text), hint=key.help) from None
    value = dict(values_of(settings))[name]
    if isinstance(value, bool):
        return value
    if isinstance(value, float) and _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def _build(layers: Layers) -> Settings:
    """Validate. Raises pydantic's ValidationError."""
    tree: dict[str, object] = {}
    for layer in reversed(layers.stack):
        _put_over(tree, nested(layer.values))
    return Settings.model_validate(tree)


def _put_over(tree: dict[str, object], stronger: Mapping[str, object]) -> None:
    """Lay one tree of values over another, table by table."""
    for name, value in stronger.items():
        weaker = tree.get(name)
        if isinstance(value, dict) and isinstance(weaker, dict):
            _put_over(weaker, value)
        elif isinstance(value, dict):
            tree[name] = {}
            _put_over(cast("dict[str, object]", tree[name]), value)
        else:
            tree[name] = value


def _check_kind(settings: Settings, layers: Layers) -> None:
    """Refuse a database address in an embedded profile: it is one mistake or another."""
    if settings.kind == "embedded" and settings.database.dsn is not None:
        raise InvalidSetting(
            str(layers.origin("kind")),
            "kind",
            f"the profile also has a database.dsn (from {layers.origin('database.dsn')})",
            given="'embedded'",
            hint="Set kind to cluster, or remove database.dsn.",
        )


def _first_problem(error: ValidationError) -> tuple[str, str]:
    """Pick the first dotted name, and what is wrong with its value."""
    problem = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    return name, problem["msg"].removeprefix("Value error, ")


def _invalid(name: str, why: str, layers: Layers) -> InvalidSetting | InvalidGivenValue:
    key, origin = find_key(name), layers.origin(name)
    shown = None if key is None else _shown(key, layers.value(name))
    if origin.kind == "flag":
        return InvalidGivenValue(origin.where, why, given=shown, hint=key.help if key else "")
    hint = (
        f"Correct or unset {origin.where}."
        if origin.kind == "environment"
        else f"Correct it, or: bai-manager config unset {name}"
    )
    return InvalidSetting(str(origin), name, why, given=shown, hint=hint)


def _shown(key: Key, value: object) -> str | None:
    """Quote a value for a message, unless it is or holds a secret."""
    hidden = key.is_secret or _PASSWORD_INSIDE.search(str(value))
    return None if hidden else quoted(value)
