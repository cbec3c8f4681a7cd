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

    with guard_stdout():
        code = run(sys.argv[1:])
    sys.exit(code)


if __name__ == "__main__":
    main()
