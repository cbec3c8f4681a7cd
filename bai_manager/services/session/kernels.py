"""Which kernel of a session is meant, and what of its log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.session.errors import KernelNotReady

if TYPE_CHECKING:
    from bai_manager.services.session.types import KernelData, SessionData


def chosen_kernel(session: SessionData, wanted: str | None) -> KernelData:
    """The main kernel, or one by host name, id or prefix; raises ``KernelNotReady``."""
    if wanted is None:
        chosen = session.main_kernel
    else:
        matches = [
            kernel
            for kernel in session.kernels
            if wanted in {kernel.cluster_hostname, str(kernel.id)}
            or str(kernel.id).startswith(wanted)
        ]
        chosen = matches[0] if len(matches) == 1 else None
    if chosen is None:
        names = ", ".join(kernel.cluster_hostname for kernel in session.kernels)
        raise KernelNotReady(
            f"Session {session.name!r} has no kernel {wanted or 'main'!r}.",
            hint=f"Its kernels: {names or 'none'}.",
        )
    return chosen


def last_lines(logs: str, lines: int | None) -> str:
    """The last lines, all where no number is given."""
    if lines is None:
        return logs
    return "".join(logs.splitlines(keepends=True)[-lines:]) if lines else ""


def ssh_ports(kernel: KernelData) -> list[int]:
    """The host's ports of SFTP, else of SSH; raises ``KernelNotReady`` when it has none yet."""
    ports: dict[str, list[int]] = {}
    for service in kernel.service_ports:
        if isinstance(service, dict):
            found = service.get("host_ports")
            ports[str(service.get("name"))] = [
                port for port in (found if isinstance(found, list) else []) if isinstance(port, int)
            ]
    if not kernel.service_ports:
        raise KernelNotReady(
            f"Kernel {kernel.id} has no service ports yet.",
            hint=f"Wait for it with 'bai-manager session wait {kernel.session_name}'.",
        )
    return ports.get("sftpd") or ports.get("sshd") or []
