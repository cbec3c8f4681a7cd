"""Why a kernel or session changed: ``status_info`` (``reference/state-machines.md`` §3.1)."""

from __future__ import annotations

from bai_manager.types.choice import Choice


class KernelLifecycleEventReason(Choice):
    """Written by agents and the manager alike; rows may hold other text, such as a message."""

    AGENT_TERMINATION = "agent-termination"
    ALREADY_TERMINATED = "already-terminated"
    ANOMALY_DETECTED = "anomaly-detected"
    EXEC_TIMEOUT = "exec-timeout"
    FAILED_TO_CREATE = "failed-to-create"
    FAILED_TO_START = "failed-to-start"
    FORCE_TERMINATED = "force-terminated"
    BOOTSTRAP_TIMEOUT = "bootstrap-timeout"
    HANG_TIMEOUT = "hang-timeout"
    IDLE_TIMEOUT = "idle-timeout"
    IDLE_SESSION_LIFETIME = "idle-session-lifetime"
    IDLE_UTILIZATION = "idle-utilization"
    KILLED_BY_EVENT = "killed-by-event"
    SERVICE_SCALED_DOWN = "service-scaled-down"
    NEW_CONTAINER_STARTED = "new-container-started"
    PENDING_TIMEOUT = "pending-timeout"
    RESTARTING = "restarting"
    RESTART_TIMEOUT = "restart-timeout"
    RESUMING_AGENT_OPERATION = "resuming-agent-operation"
    SELF_TERMINATED = "self-terminated"
    TASK_FAILED = "task-failed"
    TASK_TIMEOUT = "task-timeout"
    TASK_CANCELLED = "task-cancelled"
    TASK_FINISHED = "task-finished"
    TERMINATED_UNKNOWN_CONTAINER = "terminated-unknown-container"
    UNKNOWN = "unknown"
    USER_REQUESTED = "user-requested"
    USER_PURGED = "user-purged"
    NOT_FOUND_IN_MANAGER = "not-found-in-manager"
    CONTAINER_NOT_FOUND = "container-not-found"


class SchedulerStatusInfo(Choice):
    """``status_info`` that the scheduler writes, in its own spelling."""

    SCHEDULED = "scheduled"
    PREPARING = "preparing"
    PENDING_TIMEOUT = "PENDING_TIMEOUT"
    USER_REQUESTED = "USER_REQUESTED"
    FAILED_TO_START = "FAILED_TO_START"
    SWEPT_LOST_AGENT = "swept-lost-agent"
    ALL_KERNELS_CANCELLED = "All kernels cancelled"
