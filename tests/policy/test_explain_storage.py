"""``policy explain``: what quota scopes hold, as their storages tell, or why that is not known."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from bai_manager.clients.storage_proxy.errors import QuotaScopeMissing, StorageUnreachable
from bai_manager.clients.storage_proxy.pool import StorageMap, StoragePool
from bai_manager.clients.storage_proxy.protocol import QuotaScopeUsage
from bai_manager.models.resource_policy import user_resource_policies
from bai_manager.repositories.storage import StorageRepository
from bai_manager.services.policy.actions import ExplainPolicyAction
from bai_manager.services.policy.storage_use import ScopeUses
from bai_manager.services.policy.types import Scope
from bai_manager.types.vfolder import QuotaScopeID, QuotaScopeType
from tests.people import folder
from tests.seeds import GIB

if TYPE_CHECKING:
    from bai_manager.services.policy.types import LimitLine
    from tests.tenants import Site

INF = Decimal("Infinity")


def _told(line: LimitLine) -> tuple[object, ...]:
    """Limit, use and what is left."""
    return line.limit, line.used, line.left


class Storage:
    """Answers for quota scopes whatever it was given, or fails as it was told."""

    def __init__(self, answer: QuotaScopeUsage | Exception | None) -> None:
        self._answer = answer

    async def quota_scope(self, _volume: str, _scope: QuotaScopeID) -> QuotaScopeUsage:
        if self._answer is None:
            await asyncio.sleep(60)
        if isinstance(self._answer, QuotaScopeUsage):
            return self._answer
        raise self._answer or AssertionError

    async def aclose(self) -> None: ...


async def _with_storage(
    site: Site, *answers: QuotaScopeUsage | Exception | None
) -> list[LimitLine]:
    """The lines on what alice's quota scope holds, on one storage for each answer."""
    alice = site.world.alice
    await site.execute(
        *(folder(f"f{at}", alice, host=f"s{at}:v") for at in range(len(answers))),
        update(user_resource_policies).values(max_quota_scope_size=10 * GIB),
    )
    clients: Any = {f"s{at}": lambda one=one: Storage(one) for at, one in enumerate(answers)}

    async def load() -> StorageMap:
        return StorageMap(clients=clients)

    app = site.app(alice)
    pool = StoragePool(load)
    app.policy_service._uses = ScopeUses(
        storage=StorageRepository(app.database), storages=pool, patience=0.05
    )
    found = (await app.processor.run(ExplainPolicyAction())).explained.limits
    return [one for one in found if one.scope is Scope.USER and one.resource.startswith("storage")]


async def test_a_quota_scope_without_folders_holds_nothing(site: Site) -> None:
    await site.execute(update(user_resource_policies).values(max_quota_scope_size=10 * GIB))
    found = (await site.run(ExplainPolicyAction(), site.world.alice)).explained
    told = {one.scope: _told(one) for one in found.limits if one.resource == "storage"}
    assert told == {Scope.USER: (10 * GIB, 0, 10 * GIB), Scope.PROJECT: (INF, 0, INF)}


async def test_what_a_quota_scope_holds_is_told_by_each_storage(shaped_site: Site) -> None:
    """The limit that the storage has wins; the policy gave one when the scope was made."""
    usual, own = await _with_storage(
        shaped_site,
        QuotaScopeUsage(used_bytes=4 * GIB, limit_bytes=None),
        QuotaScopeUsage(used_bytes=3 * GIB, limit_bytes=2 * GIB),
    )
    assert (usual.resource, own.resource) == ("storage on s0:v", "storage on s1:v")
    assert _told(usual) == (10 * GIB, 4 * GIB, 6 * GIB)
    assert _told(own) == (2 * GIB, 3 * GIB, -GIB)
    assert own.source == "quota scope on s1:v"


async def test_a_storage_that_does_not_tell_leaves_it_unknown_and_says_why(site: Site) -> None:
    told = await _with_storage(
        site,
        None,
        StorageUnreachable("s1", "it is away"),
        QuotaScopeUsage(used_bytes=None, limit_bytes=None),
        QuotaScopeMissing("s3", "v", QuotaScopeID(QuotaScopeType.USER, site.world.alice.user_id)),
    )
    assert [one.used for one in told] == [None, None, None, 0]
    assert [one.unknown for one in told] == [
        "s0:v did not count within 0.05 s",
        "Storage s1 does not answer: it is away",
        "s2:v does not count what a quota scope holds",
        None,
    ]


async def test_storages_that_are_not_known_leave_it_unknown(site: Site) -> None:
    """The profile of the test names no etcd and no storage; one folder's host is none at all."""
    alice = site.world.alice
    await site.execute(folder("one", alice), folder("odd", alice, host="odd"))
    found = (await site.run(ExplainPolicyAction(), alice)).explained
    lines = [one for one in found.limits if one.scope is Scope.USER and one.unknown]
    assert [one.resource for one in lines] == ["storage on local:volume1", "storage on odd"]
