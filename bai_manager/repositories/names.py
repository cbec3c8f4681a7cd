"""Names for tab completion: one short look at a database that runs, with psycopg alone.

SQLAlchemy would take longer to load than a person waits for a list. What is offered is what the
access rules let the key pair find (``repositories/access.py``), and nothing is ever written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import psycopg

from bai_manager.types.credentials import Secret
from bai_manager.types.status import SESSION_DEAD, ImageStatus, UserRole, UserStatus

if TYPE_CHECKING:
    from bai_manager.actions.actor import Credentials

Completable: TypeAlias = Literal[
    "session",
    "kernel",
    "image",
    "agent",
    "user",
    "keypair",
    "group",
    "domain",
    "scaling_group",
    "preset",
    "keypair_policy",
    "user_policy",
    "project_policy",
    "vfolder",
]

STATEMENT_TIMEOUT: Final = 0.7
MOST: Final = 200

_SEES_ALL: Final = frozenset({UserRole.SUPERADMIN, UserRole.MONITOR})
_DEAD: Final = sorted(status.value for status in SESSION_DEAD)
"""Those of kernels have the same names."""

_IDENTITY: Final = """
    SELECT u.uuid, u.role::text, u.domain_name, k.secret_key
    FROM keypairs k JOIN users u ON u.uuid = k."user"
    WHERE k.access_key = %s AND k.is_active AND u.status::text = %s
"""
_VISIBLE: Final = """
    (%(all)s OR (%(admin)s AND domain_name = %(domain)s) OR user_uuid = %(user)s)
    AND (%(owner)s::text IS NULL OR access_key = %(owner)s)
"""
_STATEMENTS: Final[dict[Completable, str]] = {
    "session": f"""
        SELECT name, status FROM sessions
        WHERE starts_with(name, %(prefix)s) AND status <> ALL(%(dead)s) AND {_VISIBLE}
        ORDER BY created_at DESC LIMIT %(most)s
    """,  # noqa: S608 - a constant of this module
    "kernel": f"""
        SELECT id::text, session_name || ' ' || cluster_hostname FROM kernels
        WHERE starts_with(id::text, %(prefix)s) AND status <> ALL(%(dead)s) AND {_VISIBLE}
        ORDER BY created_at DESC LIMIT %(most)s
    """,  # noqa: S608 - as above
    "image": """
        SELECT found.name, found.about FROM (
            SELECT name, 'image' AS about, status FROM images
            UNION SELECT a.alias, i.name, i.status
            FROM image_aliases a JOIN images i ON i.id = a.image
        ) AS found
        WHERE starts_with(found.name, %(prefix)s) AND found.status::text = %(alive)s
        ORDER BY found.name LIMIT %(most)s
    """,
    "agent": """
        SELECT id, status::text FROM agents
        WHERE starts_with(id, %(prefix)s) AND %(all)s
        ORDER BY id LIMIT %(most)s
    """,
    "user": """
        SELECT email, coalesce(role::text, 'user') FROM users
        WHERE starts_with(email, %(prefix)s)
        AND (%(all)s OR (%(admin)s AND domain_name = %(domain)s) OR uuid = %(user)s)
        ORDER BY email LIMIT %(most)s
    """,
    "keypair": """
        SELECT k.access_key, u.email FROM keypairs k JOIN users u ON u.uuid = k."user"
        WHERE starts_with(k.access_key, %(prefix)s)
        AND (%(all)s OR (%(admin)s AND u.domain_name = %(domain)s) OR u.uuid = %(user)s)
        ORDER BY u.email, k.access_key LIMIT %(most)s
    """,
    "group": """
        SELECT name, 'project of ' || domain_name FROM groups
        WHERE starts_with(name, %(prefix)s)
        AND (%(all)s OR (%(admin)s AND domain_name = %(domain)s) OR id IN (
            SELECT group_id FROM association_groups_users WHERE user_id = %(user)s
        ))
        ORDER BY name LIMIT %(most)s
    """,
    "domain": """
        SELECT name, 'domain' FROM domains
        WHERE starts_with(name, %(prefix)s) AND (%(all)s OR name = %(domain)s)
        ORDER BY name LIMIT %(most)s
    """,
    "scaling_group": """
        SELECT name, 'resource group' FROM scaling_groups
        WHERE starts_with(name, %(prefix)s) AND (%(all)s OR (is_active AND is_public AND name IN (
            SELECT scaling_group FROM sgroups_for_domains WHERE domain = %(domain)s
        )))
        ORDER BY name LIMIT %(most)s
    """,
    "preset": """
        SELECT DISTINCT name, 'preset' FROM resource_presets
        WHERE starts_with(name, %(prefix)s) AND (%(all)s OR scaling_group_name IS NULL)
        ORDER BY name LIMIT %(most)s
    """,
    "keypair_policy": """
        SELECT name, 'keypair policy' FROM keypair_resource_policies
        WHERE starts_with(name, %(prefix)s) AND %(all)s
        ORDER BY name LIMIT %(most)s
    """,
    "user_policy": """
        SELECT name, 'user policy' FROM user_resource_policies
        WHERE starts_with(name, %(prefix)s) AND %(all)s
        ORDER BY name LIMIT %(most)s
    """,
    "project_policy": """
        SELECT name, 'project policy' FROM project_resource_policies
        WHERE starts_with(name, %(prefix)s) AND %(all)s
        ORDER BY name LIMIT %(most)s
    """,
    "vfolder": """
        SELECT name, status FROM vfolders
        WHERE starts_with(name, %(prefix)s) AND status <> 'delete-complete' AND (
            "user" = %(user)s
            OR id IN (SELECT vfolder FROM vfolder_permissions WHERE "user" = %(user)s)
            OR "group" IN (SELECT group_id FROM association_groups_users WHERE user_id = %(user)s)
        )
        ORDER BY name LIMIT %(most)s
    """,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What begins with ``prefix``; ``owner`` narrows it to one access key."""

    noun: Completable
    prefix: str
    owner: str | None = None


def find_names(dsn: str, credentials: Credentials, wanted: Wanted) -> list[tuple[str, str]]:
    """Names with a remark each, newest or first in the alphabet first, at most ``MOST``.

    Nothing for a key pair that is wrong, inactive or may not act as another. Raises
    ``psycopg.Error``, after ``STATEMENT_TIMEOUT`` at the latest once connected.
    """
    with psycopg.connect(
        dsn,
        autocommit=True,
        connect_timeout=2,
        application_name="bai-manager completion",
        options=f"-c statement_timeout={round(STATEMENT_TIMEOUT * 1000)}"
        " -c default_transaction_read_only=on",
    ) as connection:
        visible = _visible_to(connection, credentials)
        if visible is None:
            return []
        parameters = {
            **visible,
            "owner": wanted.owner,
            "prefix": wanted.prefix,
            "dead": _DEAD,
            "alive": ImageStatus.ALIVE.value,
            "most": MOST,
        }
        found = connection.execute(_STATEMENTS[wanted.noun].encode(), parameters)
        return [(str(name), str(about)) for name, about in found]


def _visible_to(
    connection: psycopg.Connection[tuple[object, ...]], credentials: Credentials
) -> dict[str, object] | None:
    """The parameters of ``_VISIBLE``; None for whom nothing is visible."""
    row = _identity(connection, credentials.access_key)
    if row is None or Secret(str(row[3])) != credentials.secret_key:
        return None
    if credentials.act_as is not None:
        if _role(row) is not UserRole.SUPERADMIN:
            return None
        row = _identity(connection, credentials.act_as)
        if row is None:
            return None
    role = _role(row)
    return {
        "all": role in _SEES_ALL,
        "admin": role is UserRole.ADMIN,
        "domain": row[2],
        "user": row[0],
    }


def _identity(
    connection: psycopg.Connection[tuple[object, ...]], access_key: str
) -> tuple[object, ...] | None:
    return connection.execute(_IDENTITY, [access_key, UserStatus.ACTIVE.value]).fetchone()


def _role(row: tuple[object, ...]) -> UserRole:
    return UserRole.parse(str(row[1] or UserRole.USER.value))
