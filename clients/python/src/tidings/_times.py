"""Times: nanoseconds since 1970 in messages, RFC 3339 in documents, datetime in programs."""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timedelta, timezone

from tidings.errors import TidingsError

#: What may stand where a time is wanted: an aware datetime, RFC 3339, or nanoseconds since 1970.
Time = datetime | str | int

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|\+00:00)"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


def to_nanos(value: object, field: str) -> int:
    """Nanoseconds since 1970 of a time in any of its forms."""
    if isinstance(value, bool):
        raise _invalid(value, field)
    if isinstance(value, int):
        return value
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TidingsError(
                "FIELD_INVALID",
                f"{value.isoformat()} has no time zone",
                field=field,
                hint="say datetime(..., tzinfo=timezone.utc)",
            )
        micros = (value - _EPOCH) // _MICROSECOND
        # A pandas Timestamp is a datetime with nanoseconds.
        return micros * 1000 + int(getattr(value, "nanosecond", 0))
    if isinstance(value, str):
        return _parse(value, field)
    raise _invalid(value, field)


def _parse(text: str, field: str) -> int:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise _invalid(text, field)
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        datetime(year, month, day, hour, minute, second)
    except ValueError as error:
        raise _invalid(text, field) from error
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    return seconds * 10**9 + int((match[7] or "").ljust(9, "0"))


def _invalid(value: object, field: str) -> TidingsError:
    hint = "an aware datetime, 2026-01-02T15:00:00Z, or nanoseconds since 1970"
    return TidingsError("FIELD_INVALID", f"{value!r} is not a time", field=field, hint=hint)


def to_text(nanos: int) -> str:
    """RFC 3339 with as many fraction digits as needed."""
    seconds, rest = divmod(nanos, 10**9)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{rest:09}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"
