"""A key pair is proof only when all of it is right and all of it is active."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bai_manager.actions.actor import Credentials, Identity
from bai_manager.actions.errors import AuthorizationFailed, InsufficientPrivilege
from bai_manager.actions.validators.authentication import AuthenticationValidator
from bai_manager.types.credentials import Secret
from bai_manager.types.status import UserRole, UserStatus
from tests.actions.parts import actor

if TYPE_CHECKING:
    from bai_manager.actions.actor import Actor

ROOT = actor(UserRole.SUPERADMIN, user=1)
ALICE = actor(user=2)
SECRET = Secret("right")


class Identities:
    """What the database would say."""

    def __init__(self, *identities: Identity) -> None:
        self._known = {identity.actor.access_key: identity for identity in identities}

    async def identity_of(self, access_key: str) -> Identity | None:
        return self._known.get(access_key)


def _identity(who: Actor) -> Identity:
    return Identity(actor=who, secret_key=SECRET, keypair_active=True, user_status="active")


def _credentials(who: Actor, offered: str = "right", act_as: Actor | None = None) -> Credentials:
    return Credentials(
        access_key=who.access_key,
        secret_key=Secret(offered),
        act_as=act_as.access_key if act_as else None,
    )


async def _authenticate(credentials: Credentials, *identities: Identity) -> Actor:
    return await AuthenticationValidator(Identities(*identities)).authenticate(credentials)


async def test_the_right_key_pair_is_its_user() -> None:
    assert await _authenticate(_credentials(ALICE), _identity(ALICE)) == ALICE


async def test_an_unknown_key_and_a_wrong_secret_are_refused_with_the_same_words() -> None:
    with pytest.raises(AuthorizationFailed) as unknown:
        await _authenticate(_credentials(ALICE))
    with pytest.raises(AuthorizationFailed) as wrong:
        await _authenticate(_credentials(ALICE, "wrong"), _identity(ALICE))
    assert unknown.value.message == wrong.value.message
    assert "wrong" not in wrong.value.message.replace("is wrong", "")


async def test_the_secret_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare_digest(mine: bytes, theirs: bytes) -> bool:
        compared.append({mine, theirs})
        return mine == theirs

    monkeypatch.setattr(hmac, "compare_digest", compare_digest)
    with pytest.raises(AuthorizationFailed):
        await _authenticate(_credentials(ALICE, "wrong"), _identity(ALICE))
    assert compared == [{b"right", b"wrong"}]


async def test_an_inactive_key_pair_is_refused() -> None:
    inactive = replace(_identity(ALICE), keypair_active=False)
    with pytest.raises(AuthorizationFailed, match="is inactive"):
        await _authenticate(_credentials(ALICE), inactive)


@pytest.mark.parametrize(
    "status", [status.value for status in UserStatus if status is not UserStatus.ACTIVE]
)
async def test_a_user_who_is_not_active_is_refused(status: str) -> None:
    with pytest.raises(AuthorizationFailed, match=f"is {status}, not active"):
        await _authenticate(_credentials(ALICE), replace(_identity(ALICE), user_status=status))


async def test_somebody_inactive_with_a_wrong_secret_learns_nothing_about_the_account() -> None:
    inactive = replace(_identity(ALICE), keypair_active=False)
    with pytest.raises(AuthorizationFailed, match="unknown or its secret key is wrong"):
        await _authenticate(_credentials(ALICE, "wrong"), inactive)


async def test_a_superadmin_may_act_as_another_and_is_named_with_it() -> None:
    both = await _authenticate(_credentials(ROOT, act_as=ALICE), _identity(ROOT), _identity(ALICE))
    assert both == replace(ALICE, authenticated_by=ROOT.access_key)


async def test_acting_as_a_superadmin_s_victim_has_no_more_rights_than_that_one() -> None:
    both = await _authenticate(_credentials(ROOT, act_as=ALICE), _identity(ROOT), _identity(ALICE))
    assert both.role is UserRole.USER


@pytest.mark.parametrize("role", [role for role in UserRole if role is not UserRole.SUPERADMIN])
async def test_nobody_else_may_act_as_another(role: UserRole) -> None:
    who = actor(role, user=3)
    with pytest.raises(InsufficientPrivilege, match="may not act as another"):
        await _authenticate(_credentials(who, act_as=ALICE), _identity(who), _identity(ALICE))


@pytest.mark.parametrize(
    "changed", [{"keypair_active": False}, {"user_status": "inactive"}], ids=["key pair", "user"]
)
async def test_nobody_acts_as_an_inactive_one(changed: dict[str, object]) -> None:
    inactive = replace(_identity(ALICE), **changed)  # type: ignore[arg-type]
    with pytest.raises(AuthorizationFailed):
        await _authenticate(_credentials(ROOT, act_as=ALICE), _identity(ROOT), inactive)


async def test_acting_as_nobody_is_refused() -> None:
    with pytest.raises(AuthorizationFailed, match="There is no key pair"):
        await _authenticate(_credentials(ROOT, act_as=ALICE), _identity(ROOT))


async def test_an_inactive_superadmin_acts_as_nobody() -> None:
    inactive = replace(_identity(ROOT), keypair_active=False)
    with pytest.raises(AuthorizationFailed, match="is inactive"):
        await _authenticate(_credentials(ROOT, act_as=ALICE), inactive, _identity(ALICE))
