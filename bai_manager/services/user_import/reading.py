"""A file of users, CSV or JSON lines, into rows, with all that is wrong with it."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Final

from bai_manager.errors import InvalidInput
from bai_manager.services.user.types import UserChanges, check_user_changes
from bai_manager.services.user_import.types import ImportRow, RowProblem
from bai_manager.types import written as v
from bai_manager.types.credentials import Secret
from bai_manager.types.errors import InvalidValue, closest, quoted
from bai_manager.types.limits import INT4, check_number
from bai_manager.types.names import check_email

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SEPARATOR: Final = ";"
"""Between the members of a list in one cell of CSV."""
_KEY_COLUMN: Final = 20
_SECRET_COLUMN: Final = 40
_TRUTHS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

_USER: Final[Mapping[str, v.Value]] = {
    "username": v.TEXT,
    "full_name": v.or_null(v.TEXT),
    "description": v.or_null(v.TEXT),
    "domain_name": v.TEXT,
    "role": v.USER_ROLE,
    "status": v.USER_STATUS,
    "projects": v.TEXTS,
    "resource_policy": v.TEXT,
    "need_password_change": v.TRUTH,
    "allowed_client_ip": v.or_null(v.TEXTS),
    "totp_activated": v.TRUTH,
    "sudo_session_enabled": v.TRUTH,
    "container_uid": v.or_null(v.INTEGER),
    "container_main_gid": v.or_null(v.INTEGER),
    "container_gids": v.or_null(v.INTEGERS),
}
_BESIDE: Final[Mapping[str, v.Value]] = {
    "email": v.TEXT,
    "keypair_resource_policy": v.TEXT,
    "rate_limit": v.INTEGER,
    "password": v.TEXT,
    "access_key": v.TEXT,
    "secret_key": v.TEXT,
}
_SECRET: Final = frozenset({"password", "secret_key"})
_FORMS: Final[Mapping[str, str]] = {
    "need_password_change": "truth",
    "totp_activated": "truth",
    "sudo_session_enabled": "truth",
    "container_uid": "integer",
    "container_main_gid": "integer",
    "rate_limit": "integer",
    "projects": "texts",
    "allowed_client_ip": "texts",
    "container_gids": "integers",
}
"""What a cell holds that is no plain text."""
COLUMNS: Final = (*_BESIDE, *_USER)


def read_rows(text: str, *, default_domain: str) -> tuple[list[ImportRow], list[RowProblem]]:
    """The rows that can be read, and what is wrong with the others.

    JSON lines where the first character is ``{``, else CSV with a header. An empty cell leaves
    a field as it is, and so does a key that is not there; null clears it.
    """
    reader = _Reader(default_domain)
    records = reader.objects(text) if text.lstrip().startswith("{") else reader.cells(text)
    rows = [row for line, given in records if (row := reader.row(line, given)) is not None]
    return rows, reader.problems


def has_secrets(rows: list[ImportRow]) -> bool:
    """Whether a file should be readable by its owner alone."""
    return any(row.password is not None or row.secret_key is not None for row in rows)


class _Reader:
    def __init__(self, default_domain: str) -> None:
        self._default_domain = default_domain
        self._seen: dict[tuple[str, object], int] = {}
        self.problems: list[RowProblem] = []

    def objects(self, text: str) -> Iterator[tuple[int, dict[str, object]]]:
        for line, part in enumerate(text.split("\n"), start=1):
            if not part.strip():
                continue
            try:
                found = json.loads(part)
            except ValueError as error:
                self._wrong(line, f"no JSON: {error}")
                continue
            if not isinstance(found, dict):
                self._wrong(line, "no JSON object")
                continue
            if self._known(line, found):
                yield line, found

    def cells(self, text: str) -> Iterator[tuple[int, dict[str, object]]]:
        """Records by the line on which they begin; cells may have several lines."""
        reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
        header: list[str] | None = None
        line = 1
        try:
            for cells in reader:
                began, line = line, reader.line_num + 1
                if header is None:
                    header = [cell.strip() for cell in cells]
                    if not self._known(began, header):
                        return
                elif len(cells) > len(header):
                    self._wrong(began, f"{len(cells)} cells, but {len(header)} columns")
                elif any(cell.strip() for cell in cells):
                    yield (
                        began,
                        {
                            name: cell
                            for name, cell in zip(header, cells, strict=False)
                            if cell.strip()
                        },
                    )
        except csv.Error as error:
            self._wrong(line, f"no CSV: {error}")

    def row(self, line: int, given: Mapping[str, object]) -> ImportRow | None:
        """None for a line with a problem, which is told."""
        before = len(self.problems)
        found = {name: self._value(line, name, value) for name, value in given.items()}
        self._once(line, found)
        if not found.get("email"):
            if "email" not in given:
                self._wrong(line, "the e-mail is missing")
            return None
        if ("access_key" in found) is not ("secret_key" in found) and "secret_key" in found:
            self._wrong(line, "secret_key: it needs its access_key")
        if len(self.problems) > before:
            return None
        user = {name: value for name, value in found.items() if name in _USER}
        beside = {name: value for name, value in found.items() if name in _BESIDE}
        for name in _SECRET.intersection(beside):
            beside[name] = Secret(beside[name])
        return ImportRow(
            line=line, default_domain=self._default_domain, user=UserChanges(**user), **beside
        )

    def _once(self, line: int, found: Mapping[str, object]) -> None:
        """One line for each user, user name and key pair."""
        for column in ("email", "username", "access_key"):
            key = (column, found.get(column))
            if key[1] is None:
                continue
            if key in self._seen:
                self._wrong(line, f"{column} {key[1]} is on line {self._seen[key]} already")
            self._seen.setdefault(key, line)

    def _known(self, line: int, names: list[str] | dict[str, object]) -> bool:
        unknown = [name for name in names if name not in COLUMNS]
        for name in unknown:
            similar = " or ".join(closest(name, COLUMNS))
            hint = f"did you mean {similar}?" if similar else f"known: {', '.join(COLUMNS)}"
            self._wrong(line, f"{quoted(name)} is no column; {hint}")
        twice = sorted({name for name in names if [*names].count(name) > 1})
        for name in twice:
            self._wrong(line, f"the column {name} is there twice")
        return not unknown and not twice

    def _value(self, line: int, name: str, given: object) -> Any:
        """A checked value; None also for what is wrong."""
        kind = _USER.get(name) or _BESIDE[name]
        try:
            value = kind.read(_typed(name, given))
            if name in _USER:
                check_user_changes(UserChanges(**{name: value}))
            elif name in _CHECKS:
                _CHECKS[name](value)
        except InvalidInput as error:
            shown = "it is not fit" if name in _SECRET else error.message
            self._wrong(line, f"{name}: {shown}{f' ({error.hint})' if error.hint else ''}")
            return None
        return value

    def _wrong(self, line: int, message: str) -> None:
        self.problems.append(RowProblem(line=line, message=message))


def _typed(name: str, given: object) -> object:
    """A cell as JSON would have it; what is no text is JSON already."""
    if not isinstance(given, str):
        return given
    text = given.strip()
    parts = [part.strip() for part in text.split(SEPARATOR) if part.strip()]
    match _FORMS.get(name):
        case "truth":
            return _TRUTHS.get(text.lower(), given)
        case "integer":
            return _number(text)
        case "texts":
            return parts
        case "integers":
            return [_number(part) for part in parts]
    return given


def _number(text: str) -> object:
    return int(text) if text.removeprefix("-").isdecimal() and text.isascii() else text


def _check_key(access_key: str) -> None:
    if not access_key.isascii() or not access_key.isalnum() or len(access_key) > _KEY_COLUMN:
        why = f"it is made of at most {_KEY_COLUMN} letters and digits"
        raise InvalidValue(access_key, why, example="AKIAABCDEFGHIJKLMNOP", noun="access key")


def _check_password(password: str) -> None:
    if not password or not password.isprintable():
        raise InvalidValue("***", "it is made of visible characters", example="correct horse")


def _check_secret(secret_key: str) -> None:
    if not 0 < len(secret_key) <= _SECRET_COLUMN:
        raise InvalidValue("***", f"it has at most {_SECRET_COLUMN} characters", example="…")


_CHECKS: Final[Mapping[str, Callable[[Any], object]]] = {
    "email": check_email,
    "rate_limit": lambda value: check_number("rate_limit", value, 0, INT4),
    "password": _check_password,
    "access_key": _check_key,
    "secret_key": _check_secret,
}
