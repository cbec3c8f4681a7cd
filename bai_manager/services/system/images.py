"""Images for what the local agent can run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.services.system.types import LocalImage

if TYPE_CHECKING:
    from bai_manager.clients.agent.local.host import HostFacts

REGISTRY = "local"
PROJECT = "stable"
_SERVICES = {
    "ai.backend.service-ports": "files:http:8080",
    "ai.backend.local.service.files": "exec python -P -m"
    " bai_manager.clients.agent.local.fileserver {port}",
    "ai.backend.local.service-path.files": "/{token}/",
}
_NO_SHARED_MEMORY = {"ai.backend.resource.preferred.shmem": "0"}


def local_images(host: HostFacts) -> tuple[LocalImage, ...]:
    """Python, and a shell where there is one."""
    python = _image(host, "python", f"{host.python_version}-host", "python", ("python", "python3"))
    if host.shell is None:
        return (python,)
    return python, _image(host, "shell", "bash-host", "shell", ("shell", "bash"))


def _image(
    host: HostFacts, name: str, tag: str, runtime: str, aliases: tuple[str, ...]
) -> LocalImage:
    plain = {
        "ai.backend.kernelspec": "1",
        "ai.backend.role": "COMPUTE",
        "ai.backend.features": "batch query",
        "ai.backend.runtime-type": runtime,
        "ai.backend.resource.min.cpu": "1",
        "ai.backend.resource.min.mem": "64m",
    }
    return LocalImage(
        canonical=f"{REGISTRY}/{PROJECT}/{name}:{tag}",
        registry=REGISTRY,
        project=PROJECT,
        image=f"{PROJECT}/{name}",
        tag=tag,
        architecture=host.architecture,
        labels=plain | _SERVICES,
        aliases=aliases,
        former_labels=(plain, plain | _NO_SHARED_MEMORY),
    )
