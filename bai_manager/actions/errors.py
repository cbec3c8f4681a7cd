"""Errors of the one door: who are you, and may you."""

from __future__ import annotations

from bai_manager.errors import BackendAIError, ConfigurationError, Denied


class CredentialsMissing(ConfigurationError):
    """No key pair is configured for the profile."""

    error_code = "user_auth_unauthorized"

    def __init__(self, profile: str) -> None:
        super().__init__(
            f"Profile {profile!r} has no key pair, so nothing says who is acting.",
            hint="Run 'bai-manager init' for a local system, or set BAI_ACCESS_KEY and"
            " BAI_SECRET_KEY, or store them with 'bai-manager config set access_key' and"
            " 'config set secret_key'.",
        )


class AuthorizationFailed(Denied):
    """The key pair is unknown, wrong or inactive."""

    error_code = "user_auth_unauthorized"


class InsufficientPrivilege(Denied):
    """The actor's role does not allow the operation on this target."""

    error_code = "user_auth_forbidden"


class AuditUnavailable(BackendAIError):
    """The audit row of a write could not be written, so the write did not run."""

    error_code = "backendai_access_unavailable"


class SchemaUnsupported(ConfigurationError):
    """The database is of another release, so it may only be read."""

    error_code = "backendai_setup_mismatch"
