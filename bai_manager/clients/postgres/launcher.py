"""Become somebody PostgreSQL accepts, then become PostgreSQL.

Run as a script, in isolated mode and without site-packages, so that it costs some 15 ms and
forks from a process without threads::

    python -I -S launcher.py [--detach LOG] PGDATA PROGRAM [ARGUMENT ...]

PostgreSQL refuses to run as root. Root therefore enters a user namespace in which the outside
uid 0 is an ordinary uid: files stay root's, folders below ``/root`` stay reachable, and nothing
has to be copied or given away. Where the system forbids user namespaces (containers do by
default), or where the program or PGDATA is below a private folder of another user (``sudo``),
root turns into ``nobody`` and keeps one capability, CAP_DAC_OVERRIDE, with which it reaches both;
PGDATA, which PostgreSQL wants to own, is then ``nobody``'s, mode 0700. An ordinary user whose uid
has no name (usual in containers) gets a namespace too when that is allowed, because ``initdb``
insists on a name.

With ``--detach`` the program gets its own session, no terminal, and LOG for its output; the
launcher returns at once. Exit code 78: there is no way to be anything but root.
"""

from __future__ import annotations

import os
import pwd
import sys

TYPE_CHECKING = False  # typing itself would take a third of the start-up time
if TYPE_CHECKING:
    from collections.abc import Callable

_CLONE_NEWUSER = 0x10000000
_PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 8, 47, 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522
_EXIT_CONFIGURATION = 78


def main(arguments: list[str]) -> None:
    """Drop privileges if there are any, detach if asked to, execute."""
    log = None
    if arguments[0] == "--detach":
        log = os.open(arguments[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        arguments = arguments[2:]
    pgdata, *command = arguments
    if os.geteuid() == 0:
        drop_root(pgdata, command[0])
    elif not _has_name(os.geteuid()) and _works(enter_user_namespace):
        enter_user_namespace()
    os.umask(0o077)
    if log is not None:
        detach(log)
    os.execv(command[0], command)  # noqa: S606 - a process turns into another; no shell


def drop_root(pgdata: str, program: str) -> None:
    """Stop being root, in the way that asks least of the system; PGDATA follows."""

    def try_namespace() -> None:
        enter_user_namespace()
        os.close(os.open(program, os.O_RDONLY))
        os.close(os.open(os.path.dirname(pgdata), os.O_RDONLY))  # noqa: PTH120 - no pathlib here

    if _works(try_namespace):
        _give(pgdata, 0, 0)
        enter_user_namespace()
        return
    nobody = ordinary_user()
    if not _works(lambda: become(nobody)):
        sys.stderr.write("neither user namespaces nor CAP_DAC_OVERRIDE for another user.")
        sys.exit(_EXIT_CONFIGURATION)
    _give(pgdata, nobody.pw_uid, nobody.pw_gid)
    become(nobody)


def enter_user_namespace() -> None:
    """Enter a namespace in which this process's uid is that of an ordinary, named user.

    Raises `OSError` when the system does not allow it.
    """
    user, group = os.geteuid(), os.getegid()
    inside = ordinary_user()
    _call("unshare", _CLONE_NEWUSER)
    for file, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside.pw_uid} {user} 1"),
        ("gid_map", f"{inside.pw_gid} {group} 1"),
    ):
        descriptor = os.open(f"/proc/self/{file}", os.O_WRONLY)
        os.write(descriptor, text.encode())
        os.close(descriptor)


def become(user: pwd.struct_passwd) -> None:
    """Be the user, with CAP_DAC_OVERRIDE and no other capability, also after exec.

    Raises `OSError` when the system does not allow it.
    """
    import ctypes  # noqa: PLC0415 - ordinary users never need it

    _call("prctl", _PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    only = 1 << _CAP_DAC_OVERRIDE
    effective_permitted_inheritable = (ctypes.c_uint32 * 6)(only, only, only, 0, 0, 0)
    _call("capset", header, effective_permitted_inheritable)
    _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


def ordinary_user() -> pwd.struct_passwd:
    """Choose ``nobody``, or where there is none any user but root."""
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        return next(user for user in pwd.getpwall() if user.pw_uid != 0)


def detach(log: int) -> None:
    """Go on as an orphan with its own session, talking to LOG."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)


def _call(name: str, *arguments: object) -> None:
    """Call a C function that answers 0 or sets errno; outside Linux it may not exist."""
    import ctypes  # noqa: PLC0415 - ordinary users never need it

    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except AttributeError:
        raise OSError(name) from None
    words = [ctypes.c_ulong(item) if isinstance(item, int) else item for item in arguments]
    if function(*words) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), name)


def _works(step: Callable[[], None]) -> bool:
    """Tell whether a step succeeds, in a child because it cannot be taken back."""
    child = os.fork()
    if child == 0:
        try:
            step()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _give(folder: str, user: int, group: int) -> None:
    """Make a folder and all in it the user's, when it is not already."""
    if os.stat(folder).st_uid == user:  # noqa: PTH116 - no pathlib here
        return
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.lchown(os.path.join(place, name), user, group)  # noqa: PTH118 - no pathlib here
    os.lchown(folder, user, group)


def _has_name(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1:])
