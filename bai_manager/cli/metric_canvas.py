"""Lines on a grid of characters: Braille dots, or plain ASCII where a terminal has no better."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Cell(NamedTuple):
    """One character, and which line put it there (None for nobody)."""

    text: str
    line: int | None


class Point(NamedTuple):
    """Where on the canvas: both from 0 (left, top) to 1."""

    x: float
    y: float


class Canvas(Protocol):
    """``width`` by ``height`` characters."""

    width: int
    height: int

    def draw(self, line: int, points: Sequence[Point]) -> None:
        """Connect points; a single one is a dot."""

    def mark(self, line: int, x: float, y: float, letter: str) -> None:
        """Put a letter where a line is, so that it is told apart without colour."""

    def rows(self) -> Iterator[list[Cell]]: ...


_BLANK: Final = Cell(" ", None)
_BRAILLE: Final = 0x2800
_DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_DOTS_WIDE: Final = 2
_DOTS_HIGH: Final = 4


class BrailleCanvas:
    """Two by four dots to a character; where lines cross, the later one gives the colour."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._bits = [[0] * width for _ in range(height)]
        self._lines: list[list[int | None]] = [[None] * width for _ in range(height)]
        self._letters: dict[tuple[int, int], Cell] = {}

    def draw(self, line: int, points: Sequence[Point]) -> None:
        dots = [
            _scaled(point, self.width * _DOTS_WIDE, self.height * _DOTS_HIGH) for point in points
        ]
        for x, y in _connected(dots):
            column, row = x // _DOTS_WIDE, y // _DOTS_HIGH
            self._bits[row][column] |= _DOTS[y % _DOTS_HIGH][x % _DOTS_WIDE]
            self._lines[row][column] = line

    def mark(self, line: int, x: float, y: float, letter: str) -> None:
        dot = _scaled(Point(x, y), self.width * _DOTS_WIDE, self.height * _DOTS_HIGH)
        place = dot[1] // _DOTS_HIGH, dot[0] // _DOTS_WIDE
        self._letters.setdefault(place, Cell(letter, line))

    def rows(self) -> Iterator[list[Cell]]:
        for row in range(self.height):
            yield [
                self._letters.get((row, column)) or self._dots(row, column)
                for column in range(self.width)
            ]

    def _dots(self, row: int, column: int) -> Cell:
        bits = self._bits[row][column]
        return Cell(chr(_BRAILLE + bits), self._lines[row][column]) if bits else _BLANK


class AsciiCanvas:
    """A character to a point: the line's letter, or ``*`` where there is one line only."""

    def __init__(self, width: int, height: int, letters: Sequence[str]) -> None:
        self.width = width
        self.height = height
        self._letters = letters
        self._cells = [[_BLANK] * width for _ in range(height)]

    def draw(self, line: int, points: Sequence[Point]) -> None:
        places = [_scaled(point, self.width, self.height) for point in points]
        for column, row in _connected(places):
            self._cells[row][column] = Cell(self._letters[line], line)

    def mark(self, line: int, x: float, y: float, letter: str) -> None:
        """Every character is its line's letter already."""

    def rows(self) -> Iterator[list[Cell]]:
        yield from self._cells


def _scaled(point: Point, width: int, height: int) -> tuple[int, int]:
    return round(point.x * (width - 1)), round(point.y * (height - 1))


def _connected(places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Every place on the way from one to the next (Bresenham's lines)."""
    yield from places[:1]
    for (x, y), (to_x, to_y) in pairwise(places):
        steps = max(abs(to_x - x), abs(to_y - y))
        for step in range(1, steps + 1):
            yield x + round((to_x - x) * step / steps), y + round((to_y - y) * step / steps)
