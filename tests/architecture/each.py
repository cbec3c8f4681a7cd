"""One test for all values of a kind: there are thousands, and each test has its price."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


def for_each(values: Iterable[T]) -> Callable[[Callable[[T], None]], Callable[[], None]]:
    """Hold a check against every value, and list all that fail."""

    def decorate(check: Callable[[T], None]) -> Callable[[], None]:
        def held() -> None:
            failed = []
            for value in values:
                try:
                    check(value)
                except AssertionError as error:
                    failed.append(f"{getattr(value, '__name__', value)}: {error}")
            assert not failed, "\n".join(failed)

        return held

    return decorate
