"""What can go wrong when a cluster is looked up."""

from __future__ import annotations

from bai_manager.errors import ConfigurationError, Unreachable


class EtcdUnreachable(Unreachable):
    """etcd refused, broke off, did not answer in time, or answered something else."""

    error_code = "backendai_access_unreachable"


class EtcdRefused(ConfigurationError):
    """etcd wants another user or password."""

    error_code = "backendai_auth_unauthorized"


class ClusterUnknown(ConfigurationError):
    """etcd answers, and keeps no cluster of that namespace."""

    error_code = "backendai_setup_not-found"


class ManagerConfigInvalid(ConfigurationError):
    """The manager's own configuration file cannot be read or lacks what is needed."""

    error_code = "backendai_setup_invalid-parameters"
