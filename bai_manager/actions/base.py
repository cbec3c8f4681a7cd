"""Actions and their results: data in, data out."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

if TYPE_CHECKING:
    from bai_manager.actions.targets import Target


class EntityType(StrEnum):
    """What an action is about; the value is ``audit_logs.entity_type``."""

    SYSTEM = "system"
    AUTH = "auth"
    AUDIT = "audit"
    SESSION = "session"
    KERNEL = "kernel"
    AGENT = "agent"
    IMAGE = "image"
    SCHEDULER = "scheduler"
    USER = "user"
    KEYPAIR = "keypair"
    GROUP = "group"
    METRIC = "metric"
    DOMAIN = "domain"
    SCALING_GROUP = "scaling_group"
    KEYPAIR_RESOURCE_POLICY = "keypair_resource_policy"
    USER_RESOURCE_POLICY = "user_resource_policy"
    PROJECT_RESOURCE_POLICY = "project_resource_policy"
    RESOURCE_PRESET = "resource_preset"
    POLICY = "policy"
    CONTAINER_REGISTRY = "container_registry"
    TEMPLATE = "template"
    MANIFEST = "manifest"
    VFOLDER = "vfolder"
    VFOLDER_INVITATION = "vfolder_invitation"
    STORAGE = "storage"


class Operation(StrEnum):
    """What an action does; the value is ``audit_logs.operation``."""

    GET = "get"
    LIST = "list"
    WAIT = "wait"
    GET_LOGS = "get_logs"
    LIST_FILES = "list_files"
    GET_USAGE = "get_usage"
    GET_LIVE = "get_live"
    RANK = "rank"
    LIST_IDLE = "list_idle"
    EXPORT = "export"
    DOWNLOAD_FILE = "download_file"
    COMPLETE = "complete"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    PURGE = "purge"
    DESTROY = "destroy"
    EXECUTE = "execute"
    INTERRUPT = "interrupt"
    RENAME = "rename"
    RESTART = "restart"
    CHECK_AND_TRANSIT_STATUS = "check_and_transit_status"
    CHECK_AND_TRANSIT_STATUS_MULTI = "check_and_transit_status_multi"
    MATCH = "match"
    GET_STATUS_HISTORY = "get_status_history"
    GET_TIMELINE = "get_timeline"
    GET_DEPENDENCY_GRAPH = "get_dependency_graph"
    GET_DIRECT_ACCESS_INFO = "get_direct_access_info"
    GET_ABUSING_REPORT = "get_abusing_report"
    DOWNLOAD_FILES = "download_files"
    UPLOAD_FILE = "upload_file"
    INITIALIZE = "initialize"
    RUN = "run"
    CHECK = "check"
    ASSOCIATE = "associate"
    DISSOCIATE = "dissociate"
    PREVIEW_PURGE = "preview_purge"
    GET_STATS = "get_stats"
    SET_PASSWORD = "set_password"  # noqa: S105 - an operation
    RESET_PASSWORD = "reset_password"  # noqa: S105 - an operation
    UPDATE_PASSWORD = "update_password"  # noqa: S105 - an operation
    ROTATE = "rotate"
    GET_SSH_KEYPAIR = "get_ssh_keypair"
    GENERATE_SSH_KEYPAIR = "generate_ssh_keypair"
    UPLOAD_SSH_KEYPAIR = "upload_ssh_keypair"
    LIST_DOTFILES = "list_dotfiles"
    CREATE_DOTFILE = "create_dotfile"
    UPDATE_DOTFILE = "update_dotfile"
    DELETE_DOTFILE = "delete_dotfile"
    GET_BOOTSTRAP_SCRIPT = "get_bootstrap_script"
    SET_BOOTSTRAP_SCRIPT = "set_bootstrap_script"
    LIST_MEMBERS = "list_members"
    ADD_MEMBER = "add_member"
    REMOVE_MEMBER = "remove_member"
    USAGE_PER_MONTH = "usage_per_month"
    USAGE_PER_PERIOD = "usage_per_period"
    EXPLAIN = "explain"
    FIT = "fit"
    DRAIN = "drain"
    UNDRAIN = "undrain"
    RECALCULATE = "recalculate"
    ALIAS = "alias"
    DEALIAS = "dealias"
    FORGET = "forget"
    LIST_SERVICES = "list_services"
    START_SERVICE = "start_service"
    SHUTDOWN_SERVICE = "shutdown_service"
    COMMIT = "commit"
    GET_COMMIT_STATUS = "get_commit_status"
    CONVERT_TO_IMAGE = "convert_to_image"
    GET_IDLE_CHECKS = "get_idle_checks"
    LIST_IDLE_CHECKS = "list_idle_checks"
    END_IDLE = "end_idle"
    REHEARSE = "rehearse"
    DIFF = "diff"
    IMPORT = "import"
    APPLY = "apply"
    MEASURE_FILES = "measure_files"
    READ_FILE = "read_file"
    MAKE_FOLDER = "make_folder"
    MOVE_FILE = "move_file"
    DELETE_FILES = "delete_files"
    RESTORE = "restore"
    RECOVER = "recover"
    CLONE = "clone"
    CHANGE_OWNER = "change_owner"
    SHARE = "share"
    UNSHARE = "unshare"
    LEAVE = "leave"
    INVITE = "invite"
    ACCEPT = "accept"
    REJECT = "reject"
    CANCEL = "cancel"
    GET_QUOTA = "get_quota"
    SET_QUOTA = "set_quota"
    UNSET_QUOTA = "unset_quota"

    @property
    def is_write(self) -> bool:
        """Writes are audited before they run; reads only when the profile says so."""
        return self not in _READS

    @property
    def is_audited(self) -> bool:
        """A pass of the scheduler carries out what was asked, and recorded, before."""
        return self.is_write and self is not Operation.RUN


_READS = frozenset(
    {
        Operation.GET,
        Operation.LIST,
        Operation.WAIT,
        Operation.GET_LOGS,
        Operation.LIST_FILES,
        Operation.GET_USAGE,
        Operation.GET_LIVE,
        Operation.RANK,
        Operation.LIST_IDLE,
        Operation.EXPORT,
        Operation.DOWNLOAD_FILE,
        Operation.MATCH,
        Operation.GET_STATUS_HISTORY,
        Operation.GET_TIMELINE,
        Operation.GET_DEPENDENCY_GRAPH,
        Operation.GET_DIRECT_ACCESS_INFO,
        Operation.GET_ABUSING_REPORT,
        Operation.DOWNLOAD_FILES,
        Operation.COMPLETE,
        Operation.CHECK,
        Operation.PREVIEW_PURGE,
        Operation.GET_STATS,
        Operation.GET_SSH_KEYPAIR,
        Operation.LIST_DOTFILES,
        Operation.GET_BOOTSTRAP_SCRIPT,
        Operation.LIST_MEMBERS,
        Operation.LIST_SERVICES,
        Operation.GET_COMMIT_STATUS,
        Operation.GET_IDLE_CHECKS,
        Operation.LIST_IDLE_CHECKS,
        Operation.USAGE_PER_MONTH,
        Operation.USAGE_PER_PERIOD,
        Operation.EXPLAIN,
        Operation.FIT,
        Operation.REHEARSE,
        Operation.DIFF,
        Operation.MEASURE_FILES,
        Operation.READ_FILE,
        Operation.GET_QUOTA,
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionResult:
    """What an action gives back; the fields are what ``-o json`` prints."""

    def entity_id(self) -> str | None:
        """The id for the audit row when the action could not know it beforehand (a create)."""
        return None


ResultT_co = TypeVar("ResultT_co", bound=ActionResult, covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Action(Generic[ResultT_co]):
    """A request to one service method; the processor authorizes and audits it before it runs.

    Subclasses are frozen, keyword-only dataclasses of plain values. They name their noun and
    operation as class variables; the pair selects the access rule (``actions/access.py``).
    """

    entity_type: ClassVar[EntityType]
    operation: ClassVar[Operation]

    @abstractmethod
    def target(self) -> Target:
        """What access is decided against."""

    def entity_id(self) -> str | None:
        """The id or name that the audit row records, when known beforehand."""
        return None
