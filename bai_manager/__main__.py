"""``python -m bai_manager`` and the ``bai-manager`` script."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    # A short-lived process that mostly imports: collecting garbage meanwhile is a tenth of its time.
    gc.disable()
    from bai_manager.cli.root import run  # noqa: PLC0415 - imported after the collector is off

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
