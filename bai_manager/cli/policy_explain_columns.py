"""How limits in force are shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bai_manager.cli.amounts import amount_column, amount_text
from bai_manager.cli.limits import host_text
from bai_manager.cli.output.columns import Column
from bai_manager.services.policy.types import Scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from bai_manager.services.policy.types import (
        GroupOutlook,
        LimitLine,
        LimitsInForce,
        SpecOutlook,
    )

ANY = "any number"

_POLICY: Final = re.compile(r"^(?:(?:key pair|user|project) policy|project|domain) ([^:,]+)")


def _short_source(line: LimitLine) -> str:
    """The name of the policy, project, domain or resource group: ``wide`` says which and where."""
    if line.scope is Scope.RESOURCE_GROUP:
        return line.name
    found = _POLICY.match(line.source)
    return found[1] if found else line.source


_FIRST: tuple[Column[LimitLine], ...] = (
    Column("resource", lambda line: line.resource),
    Column(
        "scope",
        lambda line: line.scope,
        title="Of",
        short=lambda line: "agents" if line.scope is Scope.RESOURCE_GROUP else line.scope.value,
        keep=True,
    ),
    Column("name", lambda line: line.name, wide=True),
    amount_column("limit", lambda line: line.limit, lambda line: line.unit),
)
_ASKED: tuple[Column[LimitLine], ...] = (
    amount_column("requested", lambda line: line.requested, lambda line: line.unit, title="Takes"),
    Column("fits", lambda line: line.fits, title="Fit", justify="right", keep=True),
)
_LAST: tuple[Column[LimitLine], ...] = (
    Column(
        "binds",
        lambda line: line.binds,
        human=lambda line: "first" if line.binds else "",
        keep=True,
    ),
    Column("source", lambda line: line.source, title="From", short=_short_source),
    Column("kind", lambda line: line.kind, wide=True),
    Column("unit", lambda line: line.unit, wide=True),
    Column("unknown", lambda line: line.unknown, wide=True),
)


def _known(
    name: str, value: Callable[[LimitLine], Decimal | None], *, wide: bool = False
) -> Column[LimitLine]:
    """An amount, or that it is unknown."""

    def human(line: LimitLine) -> str | None:
        if line.unknown:
            return "unknown"
        amount = value(line)
        return None if amount is None else amount_text(amount, line.unit)

    return Column(name, value, human=human, justify="right", wide=wide, keep=True)


def _used(*, wide: bool) -> Column[LimitLine]:
    return _known("used", lambda line: line.used, wide=wide)


_LEFT = _known("left", lambda line: line.left)
LIMIT_COLUMNS = (*_FIRST, _used(wide=True), _LEFT, *_ASKED, *_LAST)
LIMIT_COLUMNS_WITHOUT_REQUEST = (*_FIRST, _used(wide=False), _LEFT, *_LAST)


def _nearest(line: LimitLine | None) -> str:
    if line is None:
        return "nothing is limited"
    left, limit = amount_text(line.left, line.unit), amount_text(line.limit, line.unit)
    return f"{line.resource} of {line.scope.value} {line.name}: {left} of {limit} left"


def _asked(found: SpecOutlook) -> str:
    kernels = f"{found.spec.cluster_size} kernels" if found.spec.cluster_size > 1 else "1 kernel"
    return f"{found.spec.session_type.value}, {kernels}, {found.requested} in all"


def _allowed(found: SpecOutlook) -> str:
    return ANY if found.allowed is None else str(found.allowed)


def _group(group: GroupOutlook) -> str:
    """``default: 3, then No agent …``."""
    if group.more:
        return f"{group.name}: {group.fits} or more"
    if group.stopped_by is not None and group.fits:
        return f"{group.name}: {group.fits}, then {group.stopped_by}"
    said = [f"{group.name}: none", *(f"  because {reason}" for reason in group.reasons)]
    return "\n".join([*said, *(f"  unless you {change}" for change in group.changes[:1])])


_WHO: tuple[Column[LimitsInForce], ...] = (
    Column("user_email", lambda found: found.user_email, title="User"),
    Column("access_key", lambda found: found.access_key),
    Column("project", lambda found: f"{found.domain_name}/{found.project_name}"),
    Column(
        "policies",
        lambda found: (
            f"key pair {found.keypair_policy}, user {found.user_policy},"
            f" project {found.project_policy}"
        ),
    ),
    Column("scaling_groups", lambda found: found.scaling_groups, title="Resource groups"),
    Column(
        "hosts",
        lambda found: (
            "\n".join(
                f"{host_text(line.host, line.permissions)} ({', '.join(line.sources)})"
                for line in found.hosts
            )
            or "none is allowed"
        ),
        title="Storage hosts",
    ),
)
HEADER: tuple[Column[LimitsInForce], ...] = (
    *_WHO,
    Column("nearest", lambda found: _nearest(found.nearest), title="Nearest limit"),
)


def header_with_request(found: SpecOutlook) -> tuple[Column[LimitsInForce], ...]:
    """What stands above the limits where a session was asked about."""
    return (
        *_WHO,
        Column("spec", lambda _: _asked(found), title="Such a session"),
        Column("allowed", lambda _: _allowed(found), title="Allowed by limits"),
        Column("groups", lambda _: "\n".join(map(_group, found.groups)), title="Would start now"),
        Column("hit", lambda _: "\n".join(found.hit) or "nothing", title="Reached first"),
    )
