"""What can go wrong with metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bai_manager.errors import ConfigurationError, Conflict, InvalidInput, NotFound
from bai_manager.types.errors import closest, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence


class PrometheusNotConfigured(ConfigurationError):
    """What happened over time is asked for, and the profile names no Prometheus."""

    error_code = "metric_setup_not-found"

    def __init__(self) -> None:
        super().__init__(
            "What was used over time is in Prometheus, and the profile names none.",
            hint="Set prometheus.url with 'bai-manager config set prometheus.url"
            " http://HOST:PORT'. 'metric live', 'top' and 'idle' can do without.",
        )


class MetricNotFound(NotFound):
    """No series has that metric name."""

    error_code = "metric_read_not-found"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        similar = closest(name, known)
        meant = f"Did you mean {' or '.join(similar)}? " if similar else ""
        super().__init__(
            f"There is no metric {quoted(name)}.",
            hint=f"{meant}List metrics with 'bai-manager metric list'.",
            details={"metric": name, "similar": [*similar]},
        )


class NoSamples(NotFound):
    """The metric exists, but not for what was asked or not in that time."""

    error_code = "metric_list-query_not-found"

    def __init__(self, name: str, start: str, end: str) -> None:
        super().__init__(
            f"{name} has no samples from {start} to {end} for what was asked.",
            hint="Give a longer range with --since, or fewer conditions.",
            details={"metric": name, "start": start, "end": end},
        )


class InvalidRange(InvalidInput):
    """A range that ends before it begins, lies in the future, or is cut too finely."""

    error_code = "metric_parsing_invalid-parameters"


class HasNoLimit(InvalidInput):
    """The capacity of something that nothing limits is asked for."""

    error_code = "metric_parsing_bad-request"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} has no limit, so neither a capacity nor a percentage of it.",
            hint="Leave --value out, or ask for cpu_util, mem or an accelerator.",
            details={"metric": name},
        )


class NothingToExport(Conflict):
    """The profile's agents are elsewhere and export their metrics themselves."""

    error_code = "metric_access_conflict"

    def __init__(self) -> None:
        super().__init__(
            "This profile has no kernels of this machine to expose.",
            hint="A cluster's agents export their own metrics, and its manager tells Prometheus"
            " where: see examples/prometheus.yml.",
        )


class PortTaken(Conflict):
    """Somebody else listens there already."""

    error_code = "metric_start_conflict"


class ExporterMissing(ConfigurationError):
    """The package that writes the exposition format is not installed."""

    error_code = "metric_setup_not-ready"


class PlottingMissing(ConfigurationError):
    """The package that draws pictures is not installed."""

    error_code = "metric_setup_unavailable"
