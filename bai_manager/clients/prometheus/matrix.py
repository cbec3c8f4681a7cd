"""Series out of the body of a range answer, one at a time, while it still arrives.

The body is ``{"status":"success","data":{"resultType":"matrix","result":[SERIES,…]}}`` with
SERIES ``{"metric":{…},"values":[[1700000000,"1.5"],…]}`` (``reference/prometheus.md`` §4). Only
one series is ever held; JSON as a whole would take some hundred bytes for each point.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bai_manager.types.json import JsonObject

_RESULT: Final = re.compile(r'"result"\s*:\s*\[\s*')
_LABELS: Final = re.compile(r'\s*\{\s*"metric"\s*:\s*')
_VALUES: Final = re.compile(r'\s*,\s*"values"\s*:\s*\[')
_VALUES_END: Final = re.compile(r"\]\s*\]\s*\}\s*")
_NO_VALUES: Final = re.compile(r"\s*\]\s*\}\s*")
_NEXT: Final = re.compile(r"\s*,")
_LAST: Final = re.compile(r"\s*\]")
_LONGEST_HEAD: Final = 1 << 16


class Malformed(ValueError):
    """The body is no range answer."""


class Refused(ValueError):
    """The body says ``"status": "error"``; the text is all of it."""


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one label set: Unix seconds, and values, of which some may be NaN or infinite."""

    labels: dict[str, str]
    times: list[float]
    values: list[float]


class MatrixReader:
    """Takes pieces of text; gives each series as soon as the whole of it is there."""

    def __init__(self) -> None:
        self._text = ""
        self._at = 0
        self._searched = 0
        self._state: Callable[[], Series | None] = self._head
        self._decoder = json.JSONDecoder()
        self._labels: dict[str, str] = {}
        self.complete = False

    def feed(self, text: str) -> Iterator[Series]:
        """The series that ``text`` completes. Raises ``Malformed`` and ``Refused``."""
        self._text = self._text[self._at :] + text
        self._searched = max(0, self._searched - self._at)
        self._at = 0
        while not self.complete:
            before = self._state
            found = self._state()
            if isinstance(found, Series):
                yield found
            elif self._state == before:
                return

    def close(self) -> None:
        """Raise ``Malformed`` or ``Refused`` unless the whole answer was there."""
        if not self.complete:
            if self._state == self._head:
                self._raise_refusal()
            raise Malformed("the answer breaks off")

    def _head(self) -> None:
        matched = _RESULT.search(self._text)
        if matched is None:
            if len(self._text) > _LONGEST_HEAD:
                raise Malformed("the answer is no range of series")
            return
        head = self._text[: matched.start()]
        if '"error"' in head or '"matrix"' not in head:
            raise Malformed("the answer is no range of series")
        self._at = matched.end()
        self._state = self._first

    def _first(self) -> None:
        if self._at >= len(self._text):
            return
        self._state = self._end if self._text[self._at] == "]" else self._metric

    def _metric(self) -> None:
        matched = _LABELS.match(self._text, self._at)
        if matched is None:
            self._doubt(self._at)
            return
        try:
            labels, end = self._decoder.raw_decode(self._text, matched.end())
        except ValueError:
            self._doubt(self._at)
            return
        self._labels = _checked_labels(labels)
        self._at = self._searched = end
        self._state = self._points

    def _points(self) -> Series | None:
        """Values are numbers and short texts without brackets, so ``]]}`` is the end of them."""
        begin = _VALUES.match(self._text, self._at)
        if begin is None:
            self._doubt(self._at)
            return None
        empty = _NO_VALUES.match(self._text, begin.end())
        if empty is not None:
            return self._finished([], empty.end())
        end = _VALUES_END.search(self._text, max(begin.end(), self._searched))
        if end is None:
            self._searched = max(begin.end(), len(self._text) - _LONGEST_GAP)
            return None
        try:
            points = json.loads(f"[{self._text[begin.end() : end.start()]}]]")
        except ValueError:
            raise Malformed("a series is no list of points") from None
        return self._finished(points, end.end())

    def _finished(self, points: list[list[object]], end: int) -> Series:
        self._at = end
        self._state = self._after
        return _series(self._labels, points)

    def _after(self) -> None:
        if (comma := _NEXT.match(self._text, self._at)) is not None:
            self._at = comma.end()
            self._state = self._metric
        else:
            self._end()

    def _end(self) -> None:
        if _LAST.match(self._text, self._at) is not None:
            self.complete = True
        elif self._text[self._at :].strip():
            raise Malformed("something else follows a series")

    def _doubt(self, begin: int) -> None:
        """More is needed to see a series here, unless it is long enough to be none."""
        if len(self._text) - begin > _LONGEST_HEAD:
            raise Malformed("the answer is no range of series")

    def _raise_refusal(self) -> None:
        try:
            body = json.loads(self._text)
        except ValueError:
            return
        if isinstance(body, dict) and body.get("status") == "error":
            raise Refused(self._text)
        raise Malformed("the answer is no range of series")


_LONGEST_GAP: Final = 64
"""How far apart the brackets at the end of a series may be, with white space between."""


def _checked_labels(labels: object) -> dict[str, str]:
    if not isinstance(labels, dict):
        raise Malformed("a series has no labels")
    return {str(name): str(value) for name, value in labels.items()}


def _series(labels: dict[str, str], points: list[list[object]]) -> Series:
    try:
        return Series(
            labels,
            [float(time) for time, _ in points],  # type: ignore[arg-type]
            [float(value) for _, value in points],  # type: ignore[arg-type]
        )
    except (TypeError, ValueError):
        raise Malformed("a point is no pair of time and number") from None


def read_vector(body: JsonObject) -> list[Series]:
    """Series of one point each, out of the body of an instant answer. Raises ``Malformed``."""
    data = body.get("data")
    result = data.get("result") if isinstance(data, dict) else None
    if not isinstance(result, list):
        raise Malformed("the answer is no vector")
    found = []
    for member in result:
        if not isinstance(member, dict) or not isinstance(member.get("value"), list):
            raise Malformed("the answer is no vector")
        value: list[object] = member["value"]  # type: ignore[assignment]
        found.append(_series(_checked_labels(member.get("metric")), [value]))
    return found
