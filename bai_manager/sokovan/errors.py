"""Why a session is not started, as errors (``reference/actions.md`` §5.3, *scheduling*).

::

    Conflict
    └── SchedulingError                        session_schedule_internal-error
        ├── MixedArchitectures                 session_schedule_invalid-parameters
        ├── UnmeasurableRequest                session_schedule_invalid-parameters
        ├── SessionWithoutKernels              kernel_schedule_not-found
        ├── AgentSelectionError                agent_schedule_internal-error
        │   ├── NoAvailableAgentError          agent_schedule_unavailable
        │   └── NoCompatibleAgentError         agent_schedule_unavailable
        └── SchedulingValidationError          session_schedule_forbidden
            ├── ConcurrencyLimitExceeded       session_check-limit_forbidden
            ├── DependenciesNotSatisfied       session_check-limit_forbidden
            ├── DomainResourceQuotaExceeded    domain_check-limit_forbidden
            ├── GroupResourceQuotaExceeded     group_check-limit_forbidden
            ├── KeypairResourceQuotaExceeded   keypair_check-limit_forbidden
            ├── UserResourceQuotaExceeded      user_check-limit_forbidden
            ├── PendingSessionCountLimitExceeded     session_check-limit_forbidden
            ├── PendingSessionResourceLimitExceeded  session_check-limit_forbidden
            └── MultipleValidationErrors       backendai_schedule_forbidden
    NotFound
    └── SessionNotPending                      session_read_not-found

A pass does not raise them: it reports the class with the message, for thousands of sessions at
once. ``Failure.to_error`` makes the exception for a caller that wants one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import Conflict, NotFound

if TYPE_CHECKING:
    from uuid import UUID


class SchedulingError(Conflict):
    """The session cannot be started now."""

    error_code = "session_schedule_internal-error"


class MixedArchitectures(SchedulingError):
    """The kernels of a single-node session ask for different architectures."""

    error_code = "session_schedule_invalid-parameters"


class UnmeasurableRequest(SchedulingError):
    """An amount that is asked for is infinite or no number."""

    error_code = "session_schedule_invalid-parameters"


class SessionWithoutKernels(SchedulingError):
    """There is nothing to start."""

    error_code = "kernel_schedule_not-found"


class AgentSelectionError(SchedulingError):
    """No agent was found for a kernel."""

    error_code = "agent_schedule_internal-error"


class NoAvailableAgentError(AgentSelectionError):
    """There is no agent, or none with enough left."""

    error_code = "agent_schedule_unavailable"


class NoCompatibleAgentError(AgentSelectionError):
    """No agent has the architecture asked for."""

    error_code = "agent_schedule_unavailable"


class SchedulingValidationError(SchedulingError):
    """A rule forbids the start for now."""

    error_code = "session_schedule_forbidden"


class ConcurrencyLimitExceeded(SchedulingValidationError):
    error_code = "session_check-limit_forbidden"


class DependenciesNotSatisfied(SchedulingValidationError):
    error_code = "session_check-limit_forbidden"


class DomainResourceQuotaExceeded(SchedulingValidationError):
    error_code = "domain_check-limit_forbidden"


class GroupResourceQuotaExceeded(SchedulingValidationError):
    error_code = "group_check-limit_forbidden"


class KeypairResourceQuotaExceeded(SchedulingValidationError):
    error_code = "keypair_check-limit_forbidden"


class UserResourceQuotaExceeded(SchedulingValidationError):
    error_code = "user_check-limit_forbidden"


class PendingSessionCountLimitExceeded(SchedulingValidationError):
    error_code = "session_check-limit_forbidden"


class PendingSessionResourceLimitExceeded(SchedulingValidationError):
    error_code = "session_check-limit_forbidden"


class MultipleValidationErrors(SchedulingValidationError):
    """Several rules forbid the start; the message numbers them."""

    error_code = "backendai_schedule_forbidden"


class SessionNotPending(NotFound):
    """The session asked about does not wait in this resource group."""

    error_code = "session_read_not-found"

    def __init__(self, session_id: UUID, scaling_group: str) -> None:
        super().__init__(
            f"Session {session_id} does not wait in resource group {scaling_group}.",
            hint="Its status may have changed: bai-manager session show " + str(session_id),
            details={"session": str(session_id), "scaling_group": scaling_group},
        )
