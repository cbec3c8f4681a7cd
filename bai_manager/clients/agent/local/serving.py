"""The supervisor's main coroutine."""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
from typing import TYPE_CHECKING

from bai_manager.clients.agent.local import state
from bai_manager.clients.agent.local.kernel import Kernel
from bai_manager.clients.agent.local.server import Server
from bai_manager.clients.agent.local.services import LOOPBACK
from bai_manager.clients.agent.local.spec import KernelSpec

if TYPE_CHECKING:
    from bai_manager.types.json import JsonObject

_STOPPED = 128 + signal.SIGTERM
_FAILED = 1


def serve(folder: str, spec: JsonObject, guardian: int) -> int:
    """Serve the kernel until SIGTERM; return the exit code."""
    return asyncio.run(_serve(folder, KernelSpec.from_json(spec), guardian))


async def _serve(folder: str, spec: KernelSpec, guardian: int) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)

    def on_task_end() -> None:
        if os.getppid() == guardian:
            os.kill(guardian, signal.SIGUSR1)

    kernel = Kernel(folder, spec, on_task_end)
    server = Server(kernel, folder)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if os.getppid() != guardian or state.read_json(state.STOP) is not None:
        stopping.set()
    starting = asyncio.create_task(_start(kernel, server, creation_info(spec, guardian)))
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
    failed = starting.done() and starting.exception() is not None
    if failed:
        traceback.print_exception(starting.exception())
    else:
        await stop
    starting.cancel()
    await kernel.end_processes()
    await server.close()
    return _FAILED if failed else _STOPPED


async def _start(kernel: Kernel, server: Server, info: JsonObject) -> None:
    await kernel.boot()
    await server.open()
    kernel.announce(info)


def creation_info(spec: KernelSpec, guardian: int) -> JsonObject:
    """Say what becomes a ``KernelCreationInfo``, without the kernel's id."""
    cores = len(spec.cpus) or os.cpu_count() or 1
    return {
        "kernel_host": LOOPBACK,
        "container_id": f"local-{guardian}",
        "service_ports": spec.service_ports,
        "attached_devices": {
            "cpu": [{"device_id": "0", "model_name": "", "data": {"cores": cores}}],
            "mem": [{"device_id": "root", "model_name": "", "data": {}}],
        },
        "occupied_slots": {**spec.slots},
    }
