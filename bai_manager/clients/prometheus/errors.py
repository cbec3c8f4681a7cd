"""What can go wrong between us and Prometheus."""

from __future__ import annotations

from bai_manager.errors import ConfigurationError, InvalidInput, Unreachable


class PrometheusUnreachable(Unreachable):
    """Prometheus refused, broke off or did not answer in time."""

    error_code = "metric_access_unreachable"

    def __init__(self, url: str, why: str, *, hint: str | None = None) -> None:
        super().__init__(
            f"Prometheus at {url} {why}.",
            hint=hint or "Its address is prometheus.url: 'bai-manager config show --origin'.",
            details={"url": url},
        )


class AuthoritiesUnreadable(ConfigurationError):
    """The file of authorities that vouch for Prometheus is not there, or holds none."""

    error_code = "metric_setup_invalid-parameters"

    def __init__(self, file: str, why: object) -> None:
        super().__init__(
            f"{file} names no authorities that vouch for Prometheus: {why}.",
            hint="prometheus.ca_file is a PEM file: 'bai-manager config show --origin'.",
            details={"file": file},
        )


class FailedToGetMetric(Unreachable):
    """Prometheus answered with a failure, or with something that is no answer."""

    error_code = "metric_read_internal-error"

    def __init__(
        self, url: str, why: str, *, status: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(
            f"Prometheus at {url} could not answer: {why}",
            hint=hint or "Ask for a shorter range, fewer series or a longer --step.",
            details={"url": url, "status": status, "error": why},
        )


class QueryRejected(InvalidInput):
    """Prometheus does not accept the query, its times or its step."""

    error_code = "metric_read_invalid-parameters"

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"Prometheus at {url} does not accept the query: {why}",
            hint="Check the range and the --step.",
            details={"url": url, "error": why},
        )


class RangeTooFine(InvalidInput):
    """A range of so many points that nobody could want it."""

    error_code = "metric_parsing_invalid-parameters"

    def __init__(self, points: int, most: int) -> None:
        super().__init__(
            f"That would be {points:,} points for each series; {most:,} is the most.",
            hint="Give a longer --step or a shorter range.",
            details={"points": points, "most": most},
        )
