"""The settings of a profile: their names, types, defaults, and what each is for.

Imported when a configuration is loaded, not before. Values come from the layers in
``layers.py``, never from the process environment.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
)

from bai_manager.types.credentials import Secret
from bai_manager.types.errors import InvalidDuration

if TYPE_CHECKING:
    from collections.abc import Callable

Kind: TypeAlias = Literal["embedded", "cluster"]
Format: TypeAlias = Literal["table", "wide", "json", "jsonl", "yaml", "csv", "tsv", "name"]
Color: TypeAlias = Literal["auto", "always", "never"]

_MOST = 1000
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[^@:/?#,\[\]\s]*)(?::[0-9]*)?"
_DSN = re.compile(
    rf"postgres(?:ql)?://(?:[^@/?#\s]*@)?{_HOST}(?:,{_HOST})*(?:/[^@/?#\s]*)?(?:\?[^#\s]*)?"
)
_METRIC = re.compile(r"[a-z][a-z0-9_]*")
_PERCENT = re.compile(r"[0-9]{1,3}(?:\.[0-9]+)?")


def _word(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("it may not begin or end with a space, or hold control characters")
    return text


def _secret(value: object) -> Secret:
    text = value.reveal() if isinstance(value, Secret) else value
    if not isinstance(text, str) or not text:
        raise ValueError("a secret is a text that is not empty")
    return Secret(text)


def _dsn(secret: Secret) -> Secret:
    text = secret.reveal()
    if not text.isascii() or not _DSN.fullmatch(text):
        raise ValueError(
            "it must look like postgresql://USER:PASSWORD@HOST:PORT/DATABASE, "
            "with %XX for special characters in the password"
        )
    return secret


def _thresholds(text: str) -> str:
    for word in text.split(","):
        metric, _, percent = word.partition("=")
        if not _METRIC.fullmatch(metric) or not _PERCENT.fullmatch(percent):
            raise ValueError("it must look like cpu_util=30,mem=10: percentages by metric")
    return text


def _absolute(path: Path) -> Path:
    if not path.is_absolute() or not str(path).isprintable():
        raise ValueError("it must be an absolute path, or begin with ~/")
    return path


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    from bai_manager.types.duration import parse_timedelta  # noqa: PLC0415 - only a text needs it

    try:
        return parse_timedelta(value).total_seconds()
    except InvalidDuration as error:
        raise ValueError(f"{error.details['reason']} ({error.hint})") from None


def _url(*schemes: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        complaint = f"it must look like {schemes[0]}://HOST:PORT"
        try:
            url = urlsplit(text)
            _ = url.port
        except ValueError:  # whose text could quote a password
            raise ValueError(complaint) from None
        if url.scheme not in schemes or not (url.hostname or url.scheme == "unix"):
            raise ValueError(complaint)
        if url.password is not None:
            raise ValueError("a password does not belong in an address; it has its own setting")
        return text

    return check


Word: TypeAlias = Annotated[str, Field(min_length=1, max_length=_MOST), AfterValidator(_word)]
SecretText: TypeAlias = Annotated[
    Secret, PlainValidator(_secret), PlainSerializer(str, when_used="json")
]
Dsn: TypeAlias = Annotated[SecretText, AfterValidator(_dsn)]
AbsolutePath: TypeAlias = Annotated[Path, AfterValidator(_absolute)]
HttpUrl: TypeAlias = Annotated[Word, AfterValidator(_url("http", "https"))]
ValkeyUrl: TypeAlias = Annotated[Word, AfterValidator(_url("redis", "rediss", "unix"))]
Thresholds: TypeAlias = Annotated[str, AfterValidator(_thresholds)]
Seconds: TypeAlias = Annotated[float, BeforeValidator(_seconds), Field(gt=0, allow_inf_nan=False)]


class _Group(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True
    )


class DatabaseSettings(_Group):
    dsn: Dsn | None = Field(default=None, description="Address of a cluster's PostgreSQL.")
    connect_timeout: Seconds = Field(default=5.0, description="How long to wait for a connection.")
    statement_timeout: Seconds = Field(
        default=60.0, description="How long one SQL statement may take."
    )
    autostart: bool = Field(
        default=True, description="Start the embedded PostgreSQL when it is needed."
    )


class AuditSettings(_Group):
    reads: bool = Field(
        default=False, description="Audit reads too; writes and denials always are."
    )


class AgentSettings(_Group):
    local_root: AbsolutePath | None = Field(
        default=None,
        description="Work folder of the local agent; default: agents in the data folder.",
    )
    rpc_manager_keypair: AbsolutePath | None = Field(
        default=None, description="The manager's CURVE key file, for agents that ask for one."
    )
    timeout: Seconds = Field(default=10.0, description="How long to wait for an agent's answer.")


class StorageSettings(_Group):
    """What etcd would say about one storage proxy (``reference/storage-proxy.md`` §2)."""

    manager_url: HttpUrl | None = Field(
        default=None, description="Address of its manager-facing API."
    )
    client_url: HttpUrl | None = Field(default=None, description="Address that users reach.")
    secret: SecretText | None = Field(default=None, description="Token of its manager-facing API.")
    verify_tls: bool = Field(default=True, description="Check its certificate.")
    ca_file: AbsolutePath | None = Field(
        default=None, description="Authorities to trust instead of the system's (PEM)."
    )
    listing_limit: int = Field(
        default=1000, ge=1, description="Its scandir-limit: entries it tells of a folder."
    )
    path: AbsolutePath | None = Field(default=None, description="A folder of this machine instead.")


class EtcdSettings(_Group):
    url: HttpUrl | None = Field(default=None, description="Address of the cluster's etcd.")
    namespace: Word = Field(default="local", description="Keys are below /sorna/NAMESPACE.")
    user: Word | None = Field(default=None, description="User of etcd.")
    password: SecretText | None = Field(default=None, description="Password of that user.")
    timeout: Seconds = Field(default=5.0, description="How long to wait for etcd's answer.")


class ValkeySettings(_Group):
    url: ValkeyUrl | None = Field(
        default=None, description="Address of the cluster's Valkey or Redis."
    )
    password: SecretText | None = Field(default=None, description="Password of Valkey.")
    timeout: Seconds = Field(default=5.0, description="How long to wait for Valkey's answer.")


class PrometheusSettings(_Group):
    url: HttpUrl | None = Field(default=None, description="Address of Prometheus.")
    user: Word | None = Field(default=None, description="User for basic authentication.")
    password: SecretText | None = Field(default=None, description="Password of that user.")
    token: SecretText | None = Field(
        default=None, description="Bearer token instead of a password."
    )
    ca_file: AbsolutePath | None = Field(
        default=None, description="Authorities to trust instead of the system's (PEM)."
    )
    timeout: Seconds = Field(default=30.0, description="How long to wait for an answer.")


class SchedulerSettings(_Group):
    """``retry_after`` is the 10 s of ``reference/state-machines.md`` §7."""

    lock_timeout: Seconds = Field(
        default=10.0, description="How long to wait for another scheduler."
    )
    retry_after: Seconds = Field(
        default=10.0, description="When a session that does not start is stuck."
    )


class IdleSettings(_Group):
    """The idle checks of this machine's scheduler (``reference/value-types.md`` §15).

    A cluster's manager has its own, in etcd. Lifetimes are checked always, by the policy.
    """

    network_timeout: Seconds | None = Field(
        default=None, description="End sessions that nobody used for so long (not batch)."
    )
    utilization: Thresholds | None = Field(
        default=None, description="End sessions that use less than cpu_util=30,mem=10 percent."
    )
    operator: Literal["and", "or"] = Field(
        default="and", description="Whether all of those are to be below, or one is enough."
    )
    window: Seconds = Field(default=43_200.0, description="Over how long use is averaged.")
    initial_grace: Seconds = Field(
        default=300.0, description="How long use is not looked at after the start."
    )
    user_grace: Seconds | None = Field(
        default=None, description="How long a new user's sessions are left alone."
    )


class DefaultSettings(_Group):
    domain: Word | None = Field(default=None, description="Domain when a command names none.")
    project: Word | None = Field(
        default=None, description="Project (group) when a command names none."
    )
    scaling_group: Word | None = Field(default=None, description="Scaling group likewise.")
    output: Format | None = Field(default=None, description="Output format, as -o.")
    color: Color = Field(default="auto", description="Colour, as --color.")
    pager: bool = Field(default=False, description="Page what is longer than the screen.")
    timeout: Seconds | None = Field(default=None, description="How long --wait waits.")


class Settings(BaseModel):
    """One profile, complete and validated; secrets print as ``***``."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True
    )

    kind: Kind = Field(
        default="embedded",
        description="embedded (this machine) or cluster; a database.dsn alone means cluster.",
    )
    access_key: Word | None = Field(default=None, description="Who acts.")
    secret_key: SecretText | None = Field(default=None, description="Proves who acts.")
    admin_password: SecretText | None = Field(
        default=None, description="First administrator's password, as made by init."
    )
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    audit: AuditSettings = Field(default_factory=AuditSettings)
    agent: AgentSettings = Field(default_factory=AgentSettings)
    storage: dict[Word, StorageSettings] = Field(default_factory=dict)
    etcd: EtcdSettings = Field(default_factory=EtcdSettings)
    valkey: ValkeySettings = Field(default_factory=ValkeySettings)
    prometheus: PrometheusSettings = Field(default_factory=PrometheusSettings)
    scheduler: SchedulerSettings = Field(default_factory=SchedulerSettings)
    idle: IdleSettings = Field(default_factory=IdleSettings)
    defaults: DefaultSettings = Field(default_factory=DefaultSettings)
