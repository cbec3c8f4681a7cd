"""The interpreter, command lines, turns, interrupts, crashes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bai_manager.clients.agent.errors import AgentError
from bai_manager.clients.agent.local.client import LocalAgentClient
from bai_manager.clients.agent.local.process import marked_processes
from bai_manager.clients.agent.local.state import read_json
from bai_manager.clients.agent.protocol import ExecutionMode, ExecutionStatus
from tests.agent.kernels import KernelUnderTest, create, eventually, make_config, proc, text_of

if TYPE_CHECKING:
    from pathlib import Path


async def other_client(kernel: KernelUnderTest, root: Path) -> KernelUnderTest:
    return KernelUnderTest(LocalAgentClient("i-local", root), kernel.config)


async def test_value_of_a_last_expression_is_echoed(kernel: KernelUnderTest) -> None:
    assert await kernel.run("x = [1]\nx\nx + [2]") == ("[1, 2]\n", "", 0)
    assert (await kernel.run("_[-1]"))[0] == "2\n"
    assert (await kernel.run("None"))[0] == ""


async def test_traceback_shows_the_frames_of_the_user_only(kernel: KernelUnderTest) -> None:
    await kernel.run("def f():\n    raise ValueError('no')")
    _, err, exit_code = await kernel.run("a = 1\nf()")
    assert err == (
        "Traceback (most recent call last):\n"
        '  File "<input-2>", line 2, in <module>\n'
        "    f()\n"
        '  File "<input-1>", line 2, in f\n'
        "    raise ValueError('no')\n"
        "ValueError: no\n"
    )
    assert exit_code == 1


async def test_traceback_of_chained_errors_is_whole(kernel: KernelUnderTest) -> None:
    code = "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e"
    _, err, _ = await kernel.run(code)
    assert "ZeroDivisionError" in err
    assert "direct cause" in err
    assert "runner.py" not in err


async def test_syntax_error_has_no_traceback(kernel: KernelUnderTest) -> None:
    _, err, exit_code = await kernel.run("def f(:\n    pass")
    assert err.startswith('  File "<input-1>", line 1\n    def f(:\n')
    assert exit_code == 1


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import sys; sys.exit(3)", ("", 3)),
        ("raise SystemExit", ("", 0)),
        ("import sys; sys.exit('why')", ("why\n", 1)),
        ("import sys; sys.exit(-1)", ("", 255)),
    ],
)
async def test_system_exit_gives_its_code(
    kernel: KernelUnderTest, code: str, expected: tuple[str, int]
) -> None:
    await kernel.run("kept = 1")
    assert (await kernel.run(code))[1:] == expected
    assert (await kernel.run("kept"))[0] == "1\n"


@pytest.mark.parametrize(
    ("code", "exit_code", "message"),
    [
        ("import os; os._exit(5)", 5, "ended itself with exit code 5"),
        ("import os; os.kill(os.getpid(), 11)", 139, "was killed by SIGSEGV"),
        ("import ctypes; ctypes.string_at(0)", 139, "was killed by SIGSEGV"),
        ("import os; os.abort()", 134, "was killed by SIGABRT"),
    ],
)
async def test_crashed_interpreter_is_replaced(
    kernel: KernelUnderTest, code: str, exit_code: int, message: str
) -> None:
    out, err, told = await kernel.run(f"lost = 1\nprint('before')\n{code}")
    assert out == "before\n"
    assert message in err
    assert told == exit_code
    assert "NameError" in (await kernel.run("lost"))[1]


async def test_output_of_programs_and_raw_descriptors_is_told(kernel: KernelUnderTest) -> None:
    code = "import os, subprocess\nos.write(1, b'raw ')\nsubprocess.run(['echo', 'program'])\n0"
    assert (await kernel.run(code))[0] == "raw program\n0\n"


async def test_main_module_is_the_namespace(kernel: KernelUnderTest) -> None:
    code = "class A: pass\nimport pickle, __main__\npickle.loads(pickle.dumps(A())).__class__ is A"
    assert (await kernel.run(code))[0] == "True\n"
    assert (await kernel.run("__name__, __main__.A is A"))[0] == "('__main__', True)\n"


async def test_code_that_forks_answers_once(kernel: KernelUnderTest) -> None:
    code = "import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\nprint('p' if pid else 'c')"
    out, _, exit_code = await kernel.run(code)
    assert sorted(out.split()) == ["c", "p"]
    assert exit_code == 0
    assert (await kernel.run("'still here'"))[0] == "'still here'\n"


async def test_closed_standard_output_comes_back(kernel: KernelUnderTest) -> None:
    await kernel.run("import sys; sys.stdout.close()")
    assert (await kernel.run("print('back')"))[0] == "back\n"


async def test_characters_are_never_cut(kernel: KernelUnderTest) -> None:
    run_id = "r"
    code = (
        "import os, time\nfor byte in '한€'.encode():\n"
        "    os.write(1, bytes([byte]))\n    time.sleep(0.02)"
    )
    parts = []
    told = await kernel.turn(code, run_id=run_id, flush_timeout=0.01)
    while told.status is not ExecutionStatus.FINISHED:
        parts.append(text_of(told.console, "stdout"))
        told = await kernel.turn(run_id=run_id, mode=ExecutionMode.CONTINUE, flush_timeout=0.01)
    assert "".join([*parts, text_of(told.console, "stdout")]) == "한€"


async def test_bytes_that_are_no_text_are_replaced(kernel: KernelUnderTest) -> None:
    assert (await kernel.run("import os; _n = os.write(1, b'a\\xff\\xe2')"))[0] == "a��"


async def test_large_output_is_told_completely(kernel: KernelUnderTest) -> None:
    out, _, _ = await kernel.run("for n in range(200_000): print(n)")
    assert out == "".join(f"{n}\n" for n in range(200_000))


async def test_flood_of_output_does_not_grow_the_supervisor(
    kernel: KernelUnderTest, root: Path
) -> None:
    told = await kernel.turn("while True: print('x' * 1000)", run_id="r", flush_timeout=0.5)
    assert 0 < len(text_of(told.console, "stdout")) < 1_000_000
    for _ in range(20):
        await kernel.turn(run_id="r", mode=ExecutionMode.CONTINUE, flush_timeout=0.1)
    await kernel.agent.interrupt_kernel(kernel.id)
    errors = ""
    while told.exit_code is None:
        told = await kernel.turn(run_id="r", mode=ExecutionMode.CONTINUE)
        errors += text_of(told.console, "stderr")
    assert "KeyboardInterrupt" in errors
    pids = read_json(str(root / kernel.id.hex / "pids.json"))
    assert pids is not None
    supervisor = pids["supervisor"]
    assert isinstance(supervisor, list)
    status = proc(int(str(supervisor[0])), "status").splitlines()
    (peak,) = [int(line.split()[1]) for line in status if line.startswith("VmHWM")]
    assert peak < 60_000


async def test_second_run_is_refused_while_one_runs(kernel: KernelUnderTest, root: Path) -> None:
    await kernel.turn("import time; time.sleep(60)", run_id="first", flush_timeout=0)
    other = await other_client(kernel, root)
    for opts in ({}, {"language": "shell"}):
        with pytest.raises(AgentError, match="busy with run first") as refused:
            await other.turn("1", opts={**opts})
        assert refused.value.name == "Busy"


async def test_continuing_an_unknown_run_is_refused(kernel: KernelUnderTest) -> None:
    with pytest.raises(AgentError, match="not known"):
        await kernel.turn(run_id="nothing", mode=ExecutionMode.CONTINUE)


async def test_another_process_can_take_over_a_run(kernel: KernelUnderTest, root: Path) -> None:
    await kernel.turn("x = input()", run_id="r")
    other = await other_client(kernel, root)
    told = await other.turn("over", run_id="r", mode=ExecutionMode.INPUT)
    assert told.status is ExecutionStatus.FINISHED
    assert (await kernel.run("x"))[0] == "'over'\n"


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.sleep(60)",
        "while True: print('flood')",
        "input()",
        "while True:\n    try:\n        while True: pass\n    except KeyboardInterrupt: pass",
    ],
)
async def test_run_that_nobody_follows_any_more_is_ended(
    kernel: KernelUnderTest, root: Path, code: str
) -> None:
    reader = LocalAgentClient("i-local", root)
    await KernelUnderTest(reader, kernel.config).turn(code, run_id="r", flush_timeout=0.05)
    await reader.aclose()
    assert (await kernel.run("'usable'"))[0] == "'usable'\n"


async def test_run_of_a_caller_killed_in_the_middle_of_a_turn_is_ended(
    kernel: KernelUnderTest, root: Path
) -> None:
    reader = KernelUnderTest(LocalAgentClient("i-local", root), kernel.config)
    code = "import time\nopen('started', 'w')\ntime.sleep(60)"
    turn = asyncio.create_task(reader.turn(code, flush_timeout=30))
    await eventually((root / kernel.id.hex / "work" / "started").exists)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert (await kernel.run("'usable'"))[0] == "'usable'\n"


async def test_interrupt_reaches_a_run_that_has_hardly_begun(kernel: KernelUnderTest) -> None:
    await kernel.turn("import time\ntime.sleep(60)", run_id="r", flush_timeout=0)
    await kernel.agent.interrupt_kernel(kernel.id)
    told = await kernel.turn(run_id="r", mode=ExecutionMode.CONTINUE)
    assert told.exit_code == 130
    assert "KeyboardInterrupt" in text_of(told.console, "stderr")


async def test_interrupt_ends_waiting_for_input(kernel: KernelUnderTest) -> None:
    await kernel.turn("kept = 1\ninput()", run_id="r")
    await kernel.agent.interrupt_kernel(kernel.id)
    told = await kernel.turn(run_id="r", mode=ExecutionMode.CONTINUE)
    assert told.status is ExecutionStatus.FINISHED
    assert "runner.py" not in text_of(told.console, "stderr")
    assert (await kernel.run("kept"))[0] == "1\n"


async def test_interrupting_an_idle_kernel_does_nothing(kernel: KernelUnderTest) -> None:
    await kernel.run("kept = 1")
    await kernel.agent.interrupt_kernel(kernel.id)
    assert (await kernel.run("kept"))[0] == "1\n"


async def test_interrupt_is_an_exception_that_code_may_handle(
    kernel: KernelUnderTest, root: Path
) -> None:
    code = (
        "import time\ntry:\n    open('started', 'w')\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('handled')"
    )
    await kernel.turn(code, run_id="r", flush_timeout=0)
    await eventually((root / kernel.id.hex / "work" / "started").exists)
    await kernel.agent.interrupt_kernel(kernel.id)
    told = await kernel.turn(run_id="r", mode=ExecutionMode.CONTINUE)
    assert (text_of(told.console, "stdout"), told.exit_code) == ("handled\n", 0)


async def test_password_is_asked_for_as_such(kernel: KernelUnderTest) -> None:
    asked = await kernel.turn("import getpass\nlen(getpass.getpass('key: '))", run_id="r")
    assert asked.status is ExecutionStatus.WAITING_INPUT
    assert asked.options == {"is_password": True}
    assert text_of(asked.console, "stderr") == "key: "
    told = await kernel.turn("12345", run_id="r", mode=ExecutionMode.INPUT)
    assert text_of(told.console, "stdout") == "5\n"


async def test_input_that_nobody_asked_for_is_refused(kernel: KernelUnderTest) -> None:
    await kernel.turn("import time\ntime.sleep(60)", run_id="r", flush_timeout=0.05)
    with pytest.raises(AgentError, match="does not wait for input"):
        await kernel.turn("x", run_id="r", mode=ExecutionMode.INPUT)
    told = await kernel.turn(run_id="r", mode=ExecutionMode.CONTINUE, flush_timeout=0.05)
    assert told.status is ExecutionStatus.CONTINUED


async def test_command_line_runs_in_the_work_folder(kernel: KernelUnderTest, root: Path) -> None:
    out, err, exit_code = await kernel.shell("pwd; echo $HOME; echo oops >&2; exit 3")
    work = str(root / kernel.id.hex / "work")
    assert (out, err, exit_code) == (f"{work}\n{work}\n", "oops\n", 3)


async def test_command_line_killed_by_a_signal_tells_128_and_more(kernel: KernelUnderTest) -> None:
    assert (await kernel.shell("kill -TERM $$"))[2] == 143


async def test_command_line_is_interrupted(kernel: KernelUnderTest) -> None:
    await kernel.turn(
        "sleep 60; echo no", run_id="r", opts={"language": "shell"}, flush_timeout=0.05
    )
    await kernel.agent.interrupt_kernel(kernel.id)
    told = await kernel.turn(run_id="r", mode=ExecutionMode.CONTINUE)
    assert told.exit_code == 130
    assert text_of(told.console, "stdout") == ""


async def test_command_line_need_not_wait_for_what_it_left_behind(kernel: KernelUnderTest) -> None:
    assert (await kernel.shell("sleep 60 & echo started"))[0] == "started\n"


async def test_batch_mode_tells_the_end_of_each_step(kernel: KernelUnderTest) -> None:
    opts: dict[str, object] = {"clean": "echo c", "build": "echo b", "exec": "echo e"}
    told = await kernel.turn(run_id="r", mode=ExecutionMode.BATCH, opts=opts)  # type: ignore[arg-type]
    seen = [(told.status, text_of(told.console, "stdout"))]
    while told.status is not ExecutionStatus.FINISHED:
        told = await kernel.turn(run_id="r", mode=ExecutionMode.CONTINUE)
        seen.append((told.status, text_of(told.console, "stdout")))
    assert seen == [
        (ExecutionStatus.CLEAN_FINISHED, "c\n"),
        (ExecutionStatus.BUILD_FINISHED, "b\n"),
        (ExecutionStatus.FINISHED, "e\n"),
    ]


async def test_failed_build_leaves_out_the_execution(kernel: KernelUnderTest) -> None:
    opts = {"build": "exit 2", "exec": "echo never"}
    built = await kernel.turn(run_id="r", mode=ExecutionMode.BATCH, opts={**opts})
    assert (built.status, built.exit_code) == (ExecutionStatus.BUILD_FINISHED, 2)
    told = await kernel.turn(run_id="r", mode=ExecutionMode.CONTINUE)
    assert (told.status, told.exit_code) == (ExecutionStatus.FINISHED, 2)
    assert told.console == []


async def test_completion_finds_attributes_and_nothing_while_code_runs(
    kernel: KernelUnderTest,
) -> None:
    await kernel.run("import string")
    found = await kernel.agent.get_completions(kernel.id, "print(string.ascii_low", {})
    assert [*found.suggestions] == ["string.ascii_lowercase"]
    await kernel.turn("import time; time.sleep(60)", run_id="r", flush_timeout=0.05)
    found = await kernel.agent.get_completions(kernel.id, "string.a", {})
    assert (found.status, [*found.suggestions]) == ("failed", [])


async def test_interpreter_starts_with_the_first_code(kernel: KernelUnderTest) -> None:
    before = len(marked_processes(str(kernel.id)))
    await kernel.run("1")
    assert len(marked_processes(str(kernel.id))) == before + 1


async def test_environment_is_clean_and_holds_what_was_asked_for(
    agent: LocalAgentClient, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    monkeypatch.setenv("BAI_SECRET_KEY", "hush")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    config = make_config(environ={"BACKENDAI_SESSION_NAME": "mine"})
    await create(agent, config)
    kernel = KernelUnderTest(agent, config)
    out, _, _ = await kernel.shell("env")
    environ = dict(line.split("=", 1) for line in out.splitlines())
    assert environ["BACKENDAI_SESSION_NAME"] == "mine"
    assert environ["HOME"] == str(root / kernel.id.hex / "work")
    assert "hush" not in out
    for pid in marked_processes(str(kernel.id)):
        assert "hush" not in proc(pid, "environ")


async def test_restart_ends_everything_that_ran(kernel: KernelUnderTest) -> None:
    await kernel.shell("(setsid sleep 60 &)")
    await kernel.turn("while True: pass", run_id="r", flush_timeout=0.05)
    await kernel.agent.restart_kernel(kernel.id, kernel.session_id)
    told = await kernel.turn(run_id="r", mode=ExecutionMode.CONTINUE)
    assert told.status is ExecutionStatus.FINISHED
    await eventually(lambda: len(marked_processes(str(kernel.id))) == 2)
