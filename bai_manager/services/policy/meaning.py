"""What a changed field of a policy means for what is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bai_manager.services.policy.types import FieldOutlook, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bai_manager.sokovan.idle_facts import IdleView

_RUNS_ON: Final = "what runs goes on; nothing more starts for those over it until they use less"
_KEPT: Final = "what is there stays; nothing is added for those over it"
_SIZE: Final = (
    "given to a quota scope when it is made: those there are keep the limit of their storage"
    " ('vfolder quota set' changes it)"
)
_FIELDS: Final[Mapping[PolicyKind, Mapping[str, str]]] = {
    PolicyKind.KEYPAIR: {
        "default_for_unspecified": _RUNS_ON,
        "total_resource_slots": _RUNS_ON,
        "max_concurrent_sessions": _RUNS_ON,
        "max_concurrent_sftp_sessions": _RUNS_ON,
        "max_pending_session_count": "what waits goes on waiting; nothing more queues above it",
        "max_pending_session_resource_slots": (
            "what waits goes on waiting; nothing more queues above it"
        ),
        "max_containers_per_session": (
            "held against sessions when they are created: those over it go on, or start"
        ),
        "max_session_lifetime": "sessions past it are ended by the next idle check",
        "idle_timeout": "sessions idle for longer are ended by the next idle check",
        "allowed_vfolder_hosts": (
            "folders stay; those who lose a host can do nothing there, and mount nothing of it"
            " in new sessions"
        ),
    },
    PolicyKind.USER: {
        "max_vfolder_count": _KEPT,
        "max_quota_scope_size": _SIZE,
        "max_session_count_per_model_session": "replicas stay; nothing is scaled above it",
        "max_customized_image_count": _KEPT,
    },
    PolicyKind.PROJECT: {
        "max_vfolder_count": _KEPT,
        "max_quota_scope_size": _SIZE,
        "max_network_count": _KEPT,
    },
}
"""A test holds it against the fields of each kind."""
_NO_CHECK: Final = "no idle check that goes by it is enabled, so it ends nothing now"


def meanings(
    kind: PolicyKind, changed: tuple[str, ...], idle: IdleView
) -> tuple[FieldOutlook, ...]:
    """One for each changed field."""
    return tuple(_meaning(kind, field, idle) for field in changed)


def _meaning(kind: PolicyKind, field: str, idle: IdleView) -> FieldOutlook:
    said = _FIELDS[kind][field]
    if field == "max_quota_scope_size":
        return FieldOutlook(field=field, judged=False, meaning=said)
    if field != "idle_timeout":
        return FieldOutlook(field=field, judged=True, meaning=said)
    checked = idle.rules.network_timeout is not None or idle.rules.utilization is not None
    unknown = "; ".join(idle.unknown)
    if not checked:
        return FieldOutlook(field=field, judged=False, meaning=unknown or _NO_CHECK)
    meaning = f"{said}; {unknown}" if unknown else said
    return FieldOutlook(field=field, judged=True, meaning=meaning)
