"""What the flags and the environment mean together."""

from __future__ import annotations

import pytest

from bai_manager.cli.output.options import ColorMode, wants_color
from tests.cli.output_samples import Stream


@pytest.mark.parametrize(
    ("mode", "environ", "tty", "colored"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {"TERM": "xterm"}, True, True),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"CLICOLOR_FORCE": "1"}, False, True),
        ("auto", {"CLICOLOR_FORCE": "0"}, False, False),
        ("auto", {"CLICOLOR_FORCE": "1", "TERM": "dumb"}, False, True),
        ("auto", {"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"CLICOLOR_FORCE": "1"}, True, False),
    ],
)
def test_who_decides_about_colour(
    mode: str, environ: dict[str, str], tty: bool, colored: bool
) -> None:
    assert wants_color(Stream(tty=tty), ColorMode(mode), environ) is colored
