"""The functions that agents are asked for, and how long an answer may take.

**A name that an agent does not have ends its receive loop for good** (``reference/agent-rpc.md``
§9): it then answers nobody, not even its manager, until it is restarted. So requests are made of
members of ``Function`` and of nothing else, and only to agents of a version that has them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SPOKEN_VERSION: Final = "25.17"


class Function(StrEnum):
    """What is called here of the 38 functions of 25.17 (§5).

    Left out on purpose: ``sync_kernel_registry``, ``reset_agent``, ``purge_containers`` and
    ``drop_kernel_registry`` destroy kernels that their caller does not name one by one.
    """

    CHECK_AND_PULL = "check_and_pull"
    CHECK_CREATING = "check_creating"
    CHECK_PULLING = "check_pulling"
    CHECK_RUNNING = "check_running"
    COMMIT = "commit"
    CREATE_KERNELS = "create_kernels"
    DESTROY_KERNEL = "destroy_kernel"
    DOWNLOAD_FILE = "download_file"
    DOWNLOAD_SINGLE = "download_single"
    EXECUTE = "execute"
    GATHER_HWINFO = "gather_hwinfo"
    GET_COMMIT_STATUS = "get_commit_status"
    GET_COMPLETIONS = "get_completions"
    GET_LOGS = "get_logs"
    HEALTH = "health"
    INTERRUPT_KERNEL = "interrupt_kernel"
    LIST_FILES = "list_files"
    PURGE_IMAGES = "purge_images"
    PUSH_IMAGE = "push_image"
    RESTART_KERNEL = "restart_kernel"
    SHUTDOWN_SERVICE = "shutdown_service"
    START_SERVICE = "start_service"
    TRIGGER_BATCH_EXECUTION = "trigger_batch_execution"
    UPLOAD_FILE = "upload_file"


_FROM_MEMORY: Final = frozenset(
    {
        Function.CHECK_AND_PULL,
        Function.CHECK_CREATING,
        Function.CHECK_PULLING,
        Function.CHECK_RUNNING,
        Function.COMMIT,
        Function.GATHER_HWINFO,
        Function.GET_COMMIT_STATUS,
        Function.GET_COMPLETIONS,
        Function.HEALTH,
        Function.PUSH_IMAGE,
    }
)
_LONG: Final = frozenset(
    {
        Function.CREATE_KERNELS,
        Function.DESTROY_KERNEL,
        Function.PURGE_IMAGES,
        Function.RESTART_KERNEL,
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Seconds to wait (§8); none of them is without end.

    ``greeting`` for an agent to say that it is there; ``answer`` for what it knows without
    asking a kernel; ``work`` for what a kernel does; ``life`` for a kernel to start or to end, and
    for images to be removed; ``pull`` for an image to be there.
    """

    greeting: float = 5.0
    answer: float = 10.0
    work: float = 30.0
    life: float = 1800.0
    pull: float = 7200.0

    def of(self, function: Function) -> float:
        if function in _FROM_MEMORY:
            return self.answer
        return self.life if function in _LONG else self.work
