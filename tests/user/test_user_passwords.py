"""Passwords: five formats are read, one is written; who may change whose."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import bcrypt
import pytest
from sqlalchemy import update

from bai_manager.models.user import users
from bai_manager.services.auth.actions import UpdatePasswordAction
from bai_manager.services.auth.errors import (
    NewPasswordMismatch,
    OldPasswordMismatch,
    PasswordChanged,
)
from bai_manager.services.auth.service import AuthService
from bai_manager.services.user.actions import ResetUserPasswordAction, SetUserPasswordAction
from bai_manager.services.user.errors import UserNotFound
from bai_manager.types.credentials import Secret
from bai_manager.types.errors import InvalidPassword
from bai_manager.types.password import verify
from tests.people import one_row

if TYPE_CHECKING:
    from uuid import UUID

    from tests.tenants import Site

ALICE = "alice@example.com"
OLD, NEW = Secret("old password"), Secret("new password")


def _iterated(name: str) -> str:
    current = OLD.reveal()
    for _ in range(3):
        current = hashlib.new(name, f"abcd{current}".encode()).hexdigest()
    return f"{name}$3$abcd${current}"


def _stretched(name: str) -> str:
    digest = hashlib.pbkdf2_hmac(name, OLD.reveal().encode(), bytes.fromhex("abcd"), 3, 32)
    return f"pbkdf2_{name}$3$abcd${digest.hex()}"


FORMATS = {
    "bcrypt": bcrypt.hashpw(OLD.reveal().encode(), bcrypt.gensalt(4)).decode(),
    "sha256": _iterated("sha256"),
    "sha3_256": _iterated("sha3_256"),
    "pbkdf2_sha256": _stretched("sha256"),
    "pbkdf2_sha3_256": _stretched("sha3_256"),
}


async def _store(site: Site, stored: str | None) -> None:
    await site.execute(
        update(users)
        .where(users.c.email == ALICE)
        .values(password=stored, need_password_change=True)
    )


async def _stored(site: Site) -> str:
    row = await one_row(site, users, users.c.email == ALICE)
    return str(row.password)


def _own(old: Secret = OLD, new: Secret = NEW, again: Secret = NEW) -> UpdatePasswordAction:
    return UpdatePasswordAction(old_password=old, new_password=new, new_password_confirm=again)


@pytest.mark.parametrize("stored", FORMATS.values(), ids=FORMATS)
async def test_the_old_password_is_known_in_every_format_and_written_in_one(
    people: Site, stored: str
) -> None:
    await _store(people, stored)
    await people.run(_own(), people.world.alice)
    written = await _stored(people)
    assert written.startswith("pbkdf2_sha256$")
    assert verify(NEW, written)


async def test_changing_the_own_password_takes_away_the_mark_that_it_must_be(
    shaped_people: Site,
) -> None:
    await _store(shaped_people, FORMATS["pbkdf2_sha256"])
    await shaped_people.run(_own(), shaped_people.world.alice)
    row = await one_row(shaped_people, users, users.c.email == ALICE)
    assert row.need_password_change is False
    assert row.password_changed_at is not None


@pytest.mark.parametrize("stored", [FORMATS["sha256"], None, "no hash", "sha256$1$2"], ids=str)
async def test_a_wrong_old_password_is_denied_and_changes_nothing(
    people: Site, stored: str | None
) -> None:
    await _store(people, stored)
    error = await people.refused(_own(old=Secret("wrong")), OldPasswordMismatch, people.world.alice)
    assert (error.exit_code, error.error_code) == (4, "user_auth_unauthorized")
    row = await one_row(people, users, users.c.email == ALICE)
    assert row.password == stored


async def test_new_passwords_that_differ_are_refused_before_anything_is_looked_at(
    people: Site,
) -> None:
    await people.refused(_own(again=Secret("other")), NewPasswordMismatch, people.world.alice)


async def test_a_password_that_changed_in_the_same_moment_is_not_overwritten(people: Site) -> None:
    class Late:
        """Another change came between reading and writing."""

        async def password_of(self, _access_key: str) -> tuple[UUID, str | None]:
            return people.world.alice.user_id, FORMATS["sha256"]

        async def replace_password(self, *_: object, **__: object) -> bool:
            return False

    service = AuthService(
        owners=None,  # type: ignore[arg-type]
        passwords=Late(),  # type: ignore[arg-type]
        hash_password=lambda _: "hash",
        verify_password=verify,
    )
    with pytest.raises(PasswordChanged):
        await service.update_password(_own())


async def test_an_administrator_sets_a_password_without_the_old_one(shaped_people: Site) -> None:
    await _store(shaped_people, FORMATS["bcrypt"])
    result = await shaped_people.run(SetUserPasswordAction(user=ALICE, password=NEW))
    assert verify(NEW, await _stored(shaped_people))
    assert result.user.need_password_change is True


@pytest.mark.parametrize("need", [True, False])
async def test_whether_it_must_be_changed_is_set_when_said(people: Site, need: bool) -> None:
    action = SetUserPasswordAction(user=ALICE, password=NEW, need_password_change=need)
    assert (await people.run(action)).user.need_password_change is need


@pytest.mark.parametrize("text", ["", "\ud800"], ids=["empty", "no Unicode"])
async def test_what_can_be_no_password_is_refused(people: Site, text: str) -> None:
    action = SetUserPasswordAction(user=ALICE, password=Secret(text))
    await people.refused(action, InvalidPassword)


async def test_a_reset_makes_up_a_password_and_tells_it_once(shaped_people: Site) -> None:
    result = await shaped_people.run(ResetUserPasswordAction(user=ALICE))
    assert len(result.password.reveal()) == 20
    assert verify(result.password, await _stored(shaped_people))
    assert result.password.reveal() not in repr(result)


async def test_two_resets_make_up_two_passwords(people: Site) -> None:
    first = await people.run(ResetUserPasswordAction(user=ALICE))
    second = await people.run(ResetUserPasswordAction(user=ALICE))
    assert first.password != second.password


async def test_a_password_of_nobody_is_not_found(people: Site) -> None:
    await people.refused(SetUserPasswordAction(user="nobody", password=NEW), UserNotFound)
    await people.refused(ResetUserPasswordAction(user="nobody"), UserNotFound)


async def test_hashing_leaves_the_event_loop_free(people: Site) -> None:
    loop_ran = asyncio.Event()
    seen: list[bool] = []
    app = people.app()

    def slow(_password: Secret) -> str:
        asyncio.run_coroutine_threadsafe(_mark(), loop).result(timeout=10)
        seen.append(loop_ran.is_set())
        return "pbkdf2_sha256$1$ab$cd"

    async def _mark() -> None:
        loop_ran.set()

    loop = asyncio.get_running_loop()
    app.user_service._hash_password = slow
    await app.processor.run(SetUserPasswordAction(user=ALICE, password=NEW))
    assert seen == [True]
