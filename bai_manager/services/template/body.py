"""The text of a template: what may be in it, and what a session takes from it.

A task names an image and what a kernel of it gets; a cluster names tasks and how often each::

    kind: task_template                   kind: cluster_template
    api_version: v1                       api_version: v1
    metadata: {name: train}               metadata: {name: farm}
                                          mode: single-node
    spec:                                 spec:
      session_type: interactive             nodes:
      kernel:                                 - {role: main, session_template: ID, replicas: 1}
        image: python                         - {role: sub, session_template: ID, replicas: 3}
        environ: {LEVEL: debug}
        run: {bootstrap: …, startup_command: …}
        git: {repository: …, branch: …, commit: …, dest_dir: …}
      resources: {cpu: 2, mem: 4g}
      scaling_group: default
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final
from uuid import UUID

from bai_manager.errors import BackendAIError
from bai_manager.services.template.errors import InvalidTemplate, TemplateNotApplicable
from bai_manager.services.template.types import TemplateSpec, TemplateType
from bai_manager.types.resource_slot import ResourceSlot
from bai_manager.types.status import ClusterMode, SessionType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bai_manager.services.template.types import TemplateData
    from bai_manager.types.json import JsonObject, JsonValue

MASK: Final = "*****"
_KINDS: Final = {
    "task_template": TemplateType.TASK,
    "taskTemplate": TemplateType.TASK,
    "cluster_template": TemplateType.CLUSTER,
    "clusterTemplate": TemplateType.CLUSTER,
}
_ALIASES: Final = {
    "apiVersion": "api_version",
    "type": "session_type",
    "sessionType": "session_type",
    "startup": "startup_command",
    "startupCommand": "startup_command",
    "destinationDir": "dest_dir",
    "destination_dir": "dest_dir",
    "agentList": "agent_list",
    "sessionTemplate": "session_template",
}
_TASK_KEYS: Final = frozenset(
    {"session_type", "kernel", "scaling_group", "mounts", "resources", "agent_list"}
)
_KERNEL_KEYS: Final = frozenset({"image", "architecture", "environ", "run", "git"})
_LONGEST_NAME: Final = 128
_ARCHITECTURE: Final = "x86_64"
"""What a manager takes it for where none is named: it finds no image for null."""


def parse(body: JsonValue, *, name: str | None = None) -> TemplateSpec:
    """Check what somebody wrote; ``name`` wins over that of the metadata.

    Raises ``InvalidTemplate``.
    """
    top = _object(body, "the whole", {"api_version", "kind", "metadata", "mode", "spec"})
    kind = _KINDS.get(_text(top, "kind", "kind"))
    if kind is None:
        raise InvalidTemplate("kind", "is neither task_template nor cluster_template")
    if kind is TemplateType.TASK and "mode" in top:
        raise InvalidTemplate("mode", "is of clusters alone")
    metadata = _object(top.get("metadata"), "metadata", {"name", "tag"})
    called = name or _text(metadata, "name", "metadata.name")
    if len(called) > _LONGEST_NAME:
        raise InvalidTemplate("metadata.name", f"is longer than {_LONGEST_NAME} characters")
    spec = top.get("spec")
    checked: JsonObject = {
        "api_version": _text(top, "api_version", "api_version"),
        "kind": f"{kind.value}_template",
        "metadata": {"name": called, "tag": _maybe(metadata, "tag", "metadata.tag")},
        "spec": _task(spec) if kind is TemplateType.TASK else _cluster(spec),
    }
    if kind is TemplateType.CLUSTER:
        checked["mode"] = _mode(top)
    return TemplateSpec(name=called, type=kind, body=checked)


def shown(body: JsonValue) -> JsonObject:
    """A stored template without the password that its git section may have."""
    whole = body if isinstance(body, dict) else {}
    git = _inner(whole, "spec", "kernel", "git")
    credential = git.get("credential")
    if not isinstance(credential, dict) or not credential.get("password"):
        return whole
    spec, kernel = _inner(whole, "spec"), _inner(whole, "spec", "kernel")
    hidden: JsonObject = {**git, "credential": {**credential, "password": MASK}}
    return {**whole, "spec": {**spec, "kernel": {**kernel, "git": hidden}}}


def cluster_mode(template: TemplateData) -> ClusterMode:
    """How the kernels of a cluster are placed."""
    return ClusterMode.parse(str(template.template.get("mode") or ClusterMode.SINGLE_NODE.value))


def nodes(template: TemplateData) -> list[tuple[UUID, int]]:
    """The tasks of a cluster, the main one's first, and how many kernels each is for."""
    listed = _inner(template.template, "spec").get("nodes")
    found = [
        node for node in (listed if isinstance(listed, list) else []) if isinstance(node, dict)
    ]
    ordered = sorted(found, key=lambda node: node.get("role") != "main")
    return [
        (UUID(str(node.get("session_template"))), int(str(node.get("replicas") or 1)))
        for node in ordered
    ]


def session_fields(template: TemplateData) -> dict[str, object]:
    """What a task says, by field of ``CreateSessionAction``; what it leaves open is left out.

    Raises ``TemplateNotApplicable`` for what has no place in a request for a session here.
    """
    spec = _inner(template.template, "spec")
    kernel = _inner(template.template, "spec", "kernel")
    for key in ("mounts", "agent_list"):
        if spec.get(key):
            raise _not_here(template, key)
    run = _inner(kernel, "run")
    session_type = spec.get("session_type")
    found: dict[str, object] = {
        "image": kernel.get("image"),
        "architecture": kernel.get("architecture"),
        "session_type": SessionType.parse(str(session_type)) if session_type else None,
        "environ": _texts(kernel.get("environ")),
        "resources": _texts(spec.get("resources")),
        "scaling_group": spec.get("scaling_group"),
        "group": template.group_name,
        "tag": _inner(template.template, "metadata").get("tag"),
        "startup_command": run.get("startup_command"),
        "bootstrap_script": _bootstrap(template, run.get("bootstrap"), _inner(kernel, "git")),
    }
    return {name: value for name, value in found.items() if value}


def _task(value: JsonValue) -> JsonObject:
    spec = _object(value, "spec", _TASK_KEYS)
    kernel = _object(spec.get("kernel"), "spec.kernel", _KERNEL_KEYS)
    session_type = _maybe(spec, "session_type", "spec.session_type") or "interactive"
    try:
        checked_type = SessionType.parse(session_type).value
        resources = _texts(_optional(spec.get("resources"), "spec.resources"))
        ResourceSlot(resources)
    except InvalidTemplate:
        raise
    except BackendAIError as error:
        raise InvalidTemplate("spec", f"says what cannot be: {error.message}") from error
    return {
        "session_type": checked_type,
        "kernel": {
            "image": _text(kernel, "image", "spec.kernel.image"),
            "architecture": _maybe(kernel, "architecture", "spec.kernel.architecture")
            or _ARCHITECTURE,
            "environ": {**_texts(_optional(kernel.get("environ"), "spec.kernel.environ"))},
            "run": _run(kernel.get("run")),
            "git": _git(kernel.get("git")),
        },
        "scaling_group": _maybe(spec, "scaling_group", "spec.scaling_group"),
        "mounts": {**_optional(spec.get("mounts"), "spec.mounts")},
        "resources": {**resources},
        "agent_list": spec.get("agent_list"),
    }


def _run(value: JsonValue) -> JsonValue:
    if value is None:
        return None
    run = _object(value, "spec.kernel.run", {"bootstrap", "startup_command"})
    return {
        key: _maybe(run, key, f"spec.kernel.run.{key}") for key in ("bootstrap", "startup_command")
    }


def _git(value: JsonValue) -> JsonValue:
    """Credentials would be read by everybody who may use the template, so none are taken."""
    if value is None:
        return None
    keys = ("repository", "branch", "commit", "dest_dir")
    git = _object(value, "spec.kernel.git", {*keys, "credential"})
    if git.get("credential"):
        raise InvalidTemplate("spec.kernel.git.credential", "does not belong in a template")
    _text(git, "repository", "spec.kernel.git.repository")
    return {key: _maybe(git, key, f"spec.kernel.git.{key}") for key in keys}


def _mode(top: JsonObject) -> str:
    mode = _maybe(top, "mode", "mode") or ClusterMode.SINGLE_NODE.value
    try:
        return ClusterMode.parse(mode).value
    except BackendAIError as error:
        raise InvalidTemplate("mode", f"says what cannot be: {error.message}") from error


def _cluster(value: JsonValue) -> JsonObject:
    spec = _object(value, "spec", {"nodes", "environ", "mounts"})
    listed = spec.get("nodes")
    if not isinstance(listed, list) or not listed:
        raise InvalidTemplate("spec.nodes", "is no list of nodes")
    checked = [_node(node, f"spec.nodes[{index}]") for index, node in enumerate(listed)]
    mains = [node for node in checked if node["role"] == "main"]
    if len(mains) != 1 or mains[0]["replicas"] != 1:
        raise InvalidTemplate("spec.nodes", "needs one node of the role main, once")
    return {
        "environ": {**_texts(_optional(spec.get("environ"), "spec.environ"))},
        "mounts": {**_optional(spec.get("mounts"), "spec.mounts")},
        "nodes": [*checked],
    }


def _node(value: JsonValue, where: str) -> JsonObject:
    node = _object(value, where, {"role", "session_template", "replicas"})
    try:
        task = UUID(_text(node, "session_template", f"{where}.session_template"))
    except ValueError:
        raise InvalidTemplate(f"{where}.session_template", "is no id of a template") from None
    replicas = node.get("replicas", 1)
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 1:
        raise InvalidTemplate(f"{where}.replicas", "is no number from 1")
    return {
        "role": _text(node, "role", f"{where}.role"),
        "session_template": str(task),
        "replicas": replicas,
    }


def _bootstrap(template: TemplateData, script: JsonValue, git: JsonObject) -> str:
    """The script, then what fetches the repository."""
    parts = [str(script).rstrip("\n")] if script else []
    repository = git.get("repository")
    if repository:
        if git.get("credential"):
            raise _not_here(template, "git credentials")
        parts += _fetching(str(repository), git)
    return "".join(f"{part}\n" for part in parts)


def _fetching(repository: str, git: JsonObject) -> Sequence[str]:
    branch, commit, folder = (git.get(key) for key in ("branch", "commit", "dest_dir"))
    clone = ["git", "clone"]
    if branch:
        clone += ["-b", str(branch)]
    where = str(folder or repository.rstrip("/").rpartition("/")[2].removesuffix(".git"))
    lines = [shlex.join([*clone, "--", repository, where])]
    if commit:
        lines.append(shlex.join(["git", "-C", where, "checkout", str(commit)]))
    return lines


def _not_here(template: TemplateData, what: str) -> TemplateNotApplicable:
    return TemplateNotApplicable(
        f"The template {template.name!r} names {what}, which cannot be asked for here.",
        hint="Create the session with options instead.",
    )


def _object(value: JsonValue, where: str, known: set[str] | frozenset[str]) -> JsonObject:
    """With keys in snake case, all of them known."""
    if not isinstance(value, dict):
        raise InvalidTemplate(where, "is no object")
    found = {key if key in known else _ALIASES.get(key, key): item for key, item in value.items()}
    unknown = sorted(set(found) - known)
    if unknown:
        raise InvalidTemplate(
            where, f"has no key {unknown[0]} (it has: {', '.join(sorted(known))})"
        )
    return found


def _text(found: Mapping[str, JsonValue], key: str, where: str) -> str:
    value = found.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InvalidTemplate(where, "is missing" if value is None else "is no text")
    return value


def _maybe(found: Mapping[str, JsonValue], key: str, where: str) -> str | None:
    return None if found.get(key) is None else _text(found, key, where)


def _optional(value: JsonValue, where: str) -> JsonObject:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidTemplate(where, "is no object")
    return value


def _texts(value: JsonValue) -> dict[str, str]:
    return {key: str(item) for key, item in value.items()} if isinstance(value, dict) else {}


def _inner(value: JsonObject, *path: str) -> JsonObject:
    """The object at a path, empty where there is none."""
    for key in path:
        inner = value.get(key)
        value = inner if isinstance(inner, dict) else {}
    return value
