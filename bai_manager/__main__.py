"""``python -m bai_manager`` and the ``bai-manager`` script."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run one command line and exit with its code."""
    # Most of a short command is importing: collecting garbage meanwhile is a tenth of its time.
    gc.set_threshold(100_000)
    from bai_manager.cli.output.pipes import guard_stdout  # noqa: PLC0415 - after the line above
    from bai_manager.cli.root import run  # noqa: PLC0415

    try:
        with guard_stdout():
            code = run(sys.argv[1:])
    finally:
        # All of it goes with the process: to look through it at the end is a quarter of the time.
        gc.freeze()
        gc.disable()
    sys.exit(code)


if __name__ == "__main__":
    main()
