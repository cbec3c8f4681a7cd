"""What can go wrong with storage hosts and quotas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bai_manager.types.vfolder import StorageHost


class QuotaScopeUnsupported(Conflict):
    """The storage holds nobody to a limit."""

    error_code = "quota-scope_update_not-implemented"

    def __init__(self, host: StorageHost, backend: str) -> None:
        super().__init__(
            f"Storage host {host} ({backend}) keeps no quotas.",
            hint="See which do with 'bai-manager vfolder hosts'.",
            details={"host": str(host), "backend": backend},
        )


class NoHostForQuota(InvalidInput):
    """No host was given, and the scope has folders on none, or on several."""

    error_code = "quota-scope_read_invalid-parameters"

    def __init__(self, hosts: Sequence[str] = ()) -> None:
        several = f" There are folders on {', '.join(hosts)}." if hosts else ""
        super().__init__(
            f"It takes a storage host.{several}",
            hint="Name it: --host PROXY:VOLUME; see 'bai-manager vfolder hosts'.",
            details={"hosts": [*hosts]},
        )
