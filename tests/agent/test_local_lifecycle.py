"""Supervisors that are killed, callers that are killed, callers that race."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.agent.errors import AgentError, AgentUnreachable, KernelNotOnAgent
from bai_manager.clients.agent.local import client as client_module
from bai_manager.clients.agent.local import process, state
from bai_manager.clients.agent.local.client import LocalAgentClient
from bai_manager.clients.agent.local.folder import KernelFolder
from bai_manager.clients.agent.local.process import marked_processes
from bai_manager.clients.agent.protocol import KernelState, MountSpec
from tests.agent.kernels import (
    KernelUnderTest,
    create,
    eventually,
    make_config,
    report_of,
    until_state,
)
from tests.agent.local_kernels import keepers, nothing_is_left

if TYPE_CHECKING:
    from pathlib import Path

    from bai_manager.clients.agent.protocol import KernelCreationConfig

DAEMON = (
    "(setsid sh -c 'trap \"\" TERM HUP INT; echo up; while :; do sleep 0.2; done' &) ; sleep 0.1"
)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_two_callers_at_once_start_one_supervisor(root: Path) -> None:
    clients = [LocalAgentClient("i-local", root) for _ in range(4)]
    config = make_config()
    infos = await asyncio.gather(*(create(client, config) for client in clients))
    assert all(info == infos[0] for info in infos)
    assert len(marked_processes(str(config.kernel_id))) == 2
    await clients[0].destroy_kernel(config.kernel_id, config.session_id, "user-requested")
    assert nothing_is_left(config.kernel_id)


async def test_create_and_destroy_at_once_end_in_one_of_both(root: Path) -> None:
    config = make_config()
    one, other = (LocalAgentClient("i-local", root, stop_grace=0.1) for _ in range(2))
    created, _ = await asyncio.gather(
        create(one, config),
        other.destroy_kernel(config.kernel_id, config.session_id, "user-requested"),
        return_exceptions=True,
    )
    assert not isinstance(created, BaseException) or isinstance(created, AgentError)
    reports = await one.kernel_reports()
    if not any(report.state is KernelState.RUNNING for report in reports):
        assert nothing_is_left(config.kernel_id)
    await one.destroy_kernel(config.kernel_id, config.session_id, "user-requested")
    assert nothing_is_left(config.kernel_id)


async def test_ended_kernel_can_be_created_again(kernel: KernelUnderTest) -> None:
    await kernel.run("open('old', 'w').close()")
    await kernel.destroy()
    await create(kernel.agent, kernel.config)
    assert (await kernel.report()).state is KernelState.RUNNING
    assert await kernel.agent.list_files(kernel.id, ".") == []


@pytest.mark.parametrize("victim", ["supervisor", "guardian"])
async def test_killing_one_keeper_ends_everything(
    kernel: KernelUnderTest, root: Path, victim: str
) -> None:
    await kernel.shell(DAEMON)
    await kernel.run("import subprocess; p = subprocess.Popen(['sleep', '60'])")
    os.kill(keepers(root, kernel.id)[victim], signal.SIGKILL)
    await eventually(lambda: nothing_is_left(kernel.id))
    report = await until_state(kernel.agent, kernel.id, KernelState.EXITED)
    assert report.reason == "self-terminated"
    assert report.exit_code == (137 if victim == "supervisor" else 143)


async def test_killing_both_keepers_at_once_is_swept_by_the_next_look(
    kernel: KernelUnderTest, root: Path
) -> None:
    await kernel.shell(DAEMON)
    for pid in keepers(root, kernel.id).values():
        os.kill(pid, signal.SIGSTOP)
    for pid in keepers(root, kernel.id).values():
        os.kill(pid, signal.SIGKILL)
    report = await until_state(kernel.agent, kernel.id, KernelState.EXITED)
    assert report.reason == "unknown"
    assert nothing_is_left(kernel.id)


async def test_destroying_ends_daemons_that_ignore_signals(kernel: KernelUnderTest) -> None:
    await kernel.shell(DAEMON)
    await kernel.batch("trap '' TERM; while :; do sleep 0.1; done")
    await kernel.destroy()
    assert nothing_is_left(kernel.id)


async def test_destroying_ends_what_goes_on_without_its_first_thread(
    kernel: KernelUnderTest,
) -> None:
    program = (
        "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(60,)).start();"
        " ctypes.CDLL(None).pthread_exit(None)"
    )
    out, *_ = await kernel.run(
        "import subprocess, sys, time\n"
        f"program = subprocess.Popen([sys.executable, '-c', {program!r}])\n"
        "stat = f'/proc/{program.pid}/stat'\n"
        "while ') Z ' not in open(stat).read(): time.sleep(0.01)\n"
        "print(program.pid)"
    )
    found = process.read_stat(int(out))
    assert found is not None
    assert not found.has_ended
    await kernel.destroy()
    assert process.read_stat(int(out)) is None


async def test_programs_get_time_to_end_by_themselves(kernel: KernelUnderTest) -> None:
    await kernel.batch("trap 'echo tidied up; exit 0' TERM; echo up; while :; do sleep 0.05; done")
    async for text in kernel.agent.follow_logs(kernel.id):
        if "up" in text:
            break
    await kernel.destroy()
    assert "tidied up" in await kernel.agent.get_logs(kernel.id)


async def test_destroying_removes_files_but_not_the_record(
    kernel: KernelUnderTest, root: Path
) -> None:
    await kernel.shell("mkdir -p locked/in; chmod 000 locked; ln -s /etc etc")
    await kernel.destroy()
    left = set(os.listdir(root / kernel.id.hex))
    assert left == {
        "spec.json",
        "pids.json",
        "state.json",
        "stop.json",
        "exit.json",
        "log",
        "supervisor.log",
    }


async def test_stopped_supervisor_is_killed(kernel: KernelUnderTest, root: Path) -> None:
    for pid in keepers(root, kernel.id).values():
        os.kill(pid, signal.SIGSTOP)
    quick = LocalAgentClient("i-local", root, stop_grace=-4.5)
    await quick.destroy_kernel(kernel.id, kernel.session_id, "user-requested")
    assert nothing_is_left(kernel.id)


async def test_hung_supervisor_is_unreachable(
    kernel: KernelUnderTest, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_TURN_MARGIN", 0.1)
    supervisor = keepers(root, kernel.id)["supervisor"]
    os.kill(supervisor, signal.SIGSTOP)
    try:
        with pytest.raises(AgentUnreachable, match="no answer within"):
            await kernel.turn("1", flush_timeout=0)
    finally:
        os.kill(supervisor, signal.SIGCONT)


@pytest.mark.parametrize(
    "answer", [b"", b"garbage\n", b"[1]\n", b'{"ok": 1}\n', b'{"ok": {"con', b"[" * 100_000 + b"\n"]
)
async def test_garbage_from_a_supervisor_is_unreachable(
    root: Path, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config()
    folder = KernelFolder(str(root), config.kernel_id)
    lock = folder.try_lock()
    assert lock is not None
    (root / config.kernel_id.hex).mkdir()
    state.write_json(f"{folder.path}/{state.STATE}", {"info": {"kernel_host": ""}})

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    listener = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(folder.path)  # the whole path may be longer than a socket's address
    listener.bind(state.SOCKET)
    async with await asyncio.start_unix_server(serve, sock=listener):
        with pytest.raises(AgentUnreachable):
            await LocalAgentClient("i-local", root).interrupt_kernel(config.kernel_id)
    os.close(lock)


async def test_socket_and_folder_are_the_users_own(kernel: KernelUnderTest, root: Path) -> None:
    folder = root / kernel.id.hex
    for path in (root, folder):
        assert mode_of(path) == 0o700
    for name in ("sock", "spec.json", "state.json", "pids.json", "log"):
        assert mode_of(folder / name) == 0o600


async def test_root_may_be_deeper_than_a_socket_address(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a" * 60] * 4)
    agent = LocalAgentClient("i-local", deep)
    config = make_config()
    await create(agent, config)
    kernel = KernelUnderTest(agent, config)
    assert (await kernel.run("1"))[0] == "1\n"
    await kernel.destroy()


async def test_reports_of_an_empty_or_missing_root_are_none(tmp_path: Path) -> None:
    assert await LocalAgentClient("i-local", tmp_path).kernel_reports() == []
    assert await LocalAgentClient("i-local", tmp_path / "missing").kernel_reports() == []
    assert os.listdir(tmp_path) == []


def test_the_client_loads_nothing_heavy() -> None:
    code = (
        "import sys, asyncio; from pathlib import Path\n"
        "from bai_manager.clients.agent.local.client import LocalAgentClient\n"
        "asyncio.run(LocalAgentClient('i', Path('/nonexistent')).kernel_reports())\n"
        "print([name for name in sys.modules if name.split('.')[0] in"
        " {'sqlalchemy', 'pydantic', 'httpx', 'typer', 'rich', 'psutil', 'tarfile', 'ctypes'}"
        " or name.endswith(('resource_slot', 'local.creation', 'local.files'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_the_supervisor_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.modules['ssl'] = None\n"
        "from bai_manager.clients.agent.local import supervisor, serving\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} - sys.stdlib_module_names"
        " - {'__main__'}))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout == "['bai_manager']\n"


@pytest.mark.parametrize("step", ["prepare", "launch", "_serving"])
async def test_caller_killed_while_creating_can_be_made_up_for(
    agent: LocalAgentClient, root: Path, step: str
) -> None:
    config = make_config()
    await kill_in_the_middle(root, config, step)
    kernel = KernelUnderTest(agent, config)
    if step == "launch":
        report = await kernel.report()
        assert (report.state, report.reason) == (KernelState.EXITED, "unknown")
        assert report.session_id == config.session_id
    await create(agent, config)
    assert (await kernel.run("'up'"))[0] == "'up'\n"
    assert len(marked_processes(str(kernel.id))) == 3


@pytest.mark.parametrize("step", ["prepare", "launch", "_serving"])
async def test_caller_killed_while_creating_leaves_what_can_be_destroyed(
    agent: LocalAgentClient, root: Path, step: str
) -> None:
    config = make_config()
    await kill_in_the_middle(root, config, step)
    await agent.destroy_kernel(config.kernel_id, config.session_id, "user-requested")
    assert nothing_is_left(config.kernel_id)
    await agent.forget_kernels([config.kernel_id])
    assert await agent.kernel_reports() == []


async def kill_in_the_middle(root: Path, config: KernelCreationConfig, step: str) -> None:
    """Have another process create the kernel and kill itself where ``step`` begins."""
    code = f"""
import asyncio, os, signal
from pathlib import Path
from uuid import UUID
from bai_manager.clients.agent.local import folder, lifecycle
from bai_manager.clients.agent.local.client import LocalAgentClient
from tests.agent.kernels import create, make_config
from dataclasses import replace

def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)

owner = lifecycle.Lifecycle if {step!r} == "_serving" else folder.KernelFolder
setattr(owner, {step!r}, die)
kernel_id, session_id = UUID({str(config.kernel_id)!r}), UUID({str(config.session_id)!r})
config = replace(make_config(), kernel_id=kernel_id, session_id=session_id)
asyncio.run(create(LocalAgentClient("i-local", Path({str(root)!r})), config))
"""
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await child.wait() == -signal.SIGKILL


async def test_folder_without_anything_in_it_can_be_destroyed(
    agent: LocalAgentClient, root: Path
) -> None:
    config = make_config()
    (root / config.kernel_id.hex).mkdir(parents=True)
    report = await report_of(agent, config.kernel_id)
    assert (report.state, report.reason) == (KernelState.EXITED, "unknown")
    await agent.destroy_kernel(config.kernel_id, report.session_id, "user-requested")
    await agent.forget_kernels([config.kernel_id])
    assert await agent.kernel_reports() == []


async def test_kernel_being_created_is_reported_so(agent: LocalAgentClient, root: Path) -> None:
    config = make_config(bootstrap_script="touch ~/begun; until [ -e ~/go ]; do sleep 0.02; done")
    creating = asyncio.create_task(create(agent, config))
    work = root / config.kernel_id.hex / "work"
    await eventually((work / "begun").exists)
    assert (await report_of(agent, config.kernel_id)).state is KernelState.CREATING
    with pytest.raises(AgentError, match="being created"):
        await agent.interrupt_kernel(config.kernel_id)
    (work / "go").touch()
    await creating
    assert (await report_of(agent, config.kernel_id)).state is KernelState.RUNNING


async def test_kernel_can_be_destroyed_while_it_boots(agent: LocalAgentClient, root: Path) -> None:
    config = make_config(bootstrap_script="touch ~/begun; sleep 60")
    creating = asyncio.create_task(create(agent, config))
    await eventually((root / config.kernel_id.hex / "work" / "begun").exists)
    await agent.destroy_kernel(config.kernel_id, config.session_id, "user-requested")
    with pytest.raises(AgentError, match="ended while it started: user-requested"):
        await creating
    assert nothing_is_left(config.kernel_id)


async def test_bootstrap_that_takes_too_long_fails_the_start(root: Path) -> None:
    agent = LocalAgentClient("i-local", root, start_limit=0.3, stop_grace=0.1)
    config = make_config(bootstrap_script="sleep 60")
    with pytest.raises(AgentError) as failed:
        await create(agent, config)
    assert failed.value.name == "StartTimeout"
    assert nothing_is_left(config.kernel_id)
    assert (await report_of(agent, config.kernel_id)).reason == "failed-to-start"


async def test_bootstrap_runs_before_and_its_failure_is_told(agent: LocalAgentClient) -> None:
    config = make_config(bootstrap_script="echo preparing; echo x > made; exit 3")
    await create(agent, config)
    log = await agent.get_logs(config.kernel_id)
    assert log == "preparing\nThe bootstrap script ended with exit code 3.\n"
    assert [entry.filename for entry in await agent.list_files(config.kernel_id, "")] == ["made"]


async def test_start_that_fails_leaves_nothing_running(
    agent: LocalAgentClient, tmp_path: Path
) -> None:
    missing = MountSpec(
        name="data",
        vfid="",
        vfsubpath=".",
        host_path=str(tmp_path / "missing"),
        kernel_path="/home/work/data",
        mount_perm="rw",
    )
    good, bad = make_config(), make_config(mounts=(missing,))
    with pytest.raises(AgentError, match="is no folder") as failed:
        await create(agent, good, bad)
    assert failed.value.name == "MountFailed"
    assert nothing_is_left(good.kernel_id)
    assert (await report_of(agent, good.kernel_id)).reason == "failed-to-start"


async def test_failing_start_leaves_kernels_that_were_up(
    kernel: KernelUnderTest, agent: LocalAgentClient
) -> None:
    bad = make_config(environ={"A=B": ""})
    with pytest.raises(AgentError, match="no environment variable"):
        await create(agent, kernel.config, bad)
    assert (await kernel.report()).state is KernelState.RUNNING


async def test_supervisor_that_dies_at_once_is_told_with_its_reason(
    agent: LocalAgentClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config()
    write_json = state.write_json

    def spoil(path: str, value: dict[str, object]) -> None:
        write_json(path, {**value, "log_limit": "?"} if path.endswith(state.SPEC) else value)  # type: ignore[arg-type,dict-item]

    monkeypatch.setattr(state, "write_json", spoil)
    with pytest.raises(AgentError, match=r"failed-to-start: TypeError: a number is needed"):
        await create(agent, config)


async def test_used_process_number_is_not_mistaken(kernel: KernelUnderTest, root: Path) -> None:
    """As after a reboot: the numbers on record are those of other processes."""
    bystander = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        for pid in keepers(root, kernel.id).values():
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: nothing_is_left(kernel.id))
        record = root / kernel.id.hex / state.PIDS
        pids = json.loads(record.read_text())
        pids["guardian"][0] = pids["supervisor"][0] = bystander.pid
        record.write_text(json.dumps(pids))
        await kernel.destroy()
        assert not process.send_signal(process.ProcessId(bystander.pid, 1), signal.SIGKILL)
        assert bystander.returncode is None
        with pytest.raises(KernelNotOnAgent):
            await kernel.run("1")
    finally:
        bystander.kill()
        assert await bystander.wait() == -signal.SIGKILL
