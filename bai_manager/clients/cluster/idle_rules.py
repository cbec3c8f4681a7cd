"""The idle checks of a cluster, as its etcd says (``reference/value-types.md`` §15).

``config/idle/enabled`` lists the checkers, ``config/idle/checkers/<checker>/…`` sets them.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from bai_manager.sokovan.idle import IdleRules, Operator, UtilizationRules
from bai_manager.types.duration import parse_timedelta
from bai_manager.types.errors import InvalidDuration
from bai_manager.types.idle import CHECKERS, NETWORK, UTILIZATION

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "config/idle/"
_SET: Final = f"{PREFIX}checkers/"
_GRACE: Final = f"{_SET}user_grace_period/user_initial_grace_period"
_THRESHOLDS: Final = f"{_SET}{UTILIZATION}/resource-thresholds/"
_AVERAGE: Final = "/average"
_NOTHING: Final = frozenset({"", "null", "none"})
_DEFAULT_TIMEOUT: Final = timedelta(minutes=10)


def idle_rules_of(config: Mapping[str, str]) -> IdleRules:
    """Read what is below ``config/idle/``; a checker that cannot be read is in ``unclear``."""
    unclear: dict[str, str] = {}
    enabled = {word.strip() for word in config.get(f"{PREFIX}enabled", "").split(",")}
    network = utilization = grace = None
    if NETWORK in enabled:
        try:
            found = _duration(config, f"{_SET}{NETWORK}/threshold")
            network = found or _DEFAULT_TIMEOUT
        except ValueError as error:
            unclear[NETWORK] = str(error)
    if UTILIZATION in enabled:
        try:
            utilization = _utilization(config)
        except ValueError as error:
            unclear[UTILIZATION] = str(error)
    try:
        grace = _duration(config, _GRACE)
    except ValueError as error:
        unclear |= dict.fromkeys(CHECKERS, str(error))
    return IdleRules(
        network_timeout=network, utilization=utilization, user_grace=grace, unclear=unclear
    )


def _utilization(config: Mapping[str, str]) -> UtilizationRules:
    """Raise ``ValueError``."""
    where = f"{_SET}{UTILIZATION}/"
    window = _duration(config, f"{where}time-window")
    grace = _duration(config, f"{where}initial-grace-period")
    if window is None or grace is None:
        raise ValueError(f"{where}time-window or initial-grace-period is not set")
    key = f"{where}thresholds-check-operator"
    word = config.get(key, "")
    if word.lower() not in _NOTHING | set(Operator):
        raise ValueError(f"{key} is {word!r}")
    thresholds = {
        key.removeprefix(_THRESHOLDS).removesuffix(_AVERAGE): _percent(key, text)
        for key, text in config.items()
        if key.startswith(_THRESHOLDS) and key.endswith(_AVERAGE) and _is_set(text)
    }
    return UtilizationRules(
        window=window,
        initial_grace=grace,
        thresholds=thresholds,
        operator=Operator.AND if word.lower() in _NOTHING else Operator(word.lower()),
    )


def _duration(config: Mapping[str, str], key: str) -> timedelta | None:
    text = config.get(key, "")
    if not _is_set(text):
        return None
    try:
        return parse_timedelta(text)
    except InvalidDuration as error:
        raise ValueError(f"{key} is {text!r}") from error


def _percent(key: str, text: str) -> float:
    try:
        percent = float(text)
    except ValueError as error:
        raise ValueError(f"{key} is {text!r}") from error
    if not math.isfinite(percent):
        raise ValueError(f"{key} is {text!r}")
    return percent


def _is_set(text: str) -> bool:
    return text.strip().lower() not in _NOTHING
