"""Delivered events as tables: pyarrow or polars, when they are installed.

`wide`: a row an event, a column an indicator (named `values.NAME` where NAME is one of the
envelope's columns). `long`: a row an indicator value, with its `name`, `value`, `status`, `signal`
and `confidence`; events without indicators have no row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

from tidings._ids import format_id
from tidings.v1.event_pb2 import Kind, ValueStatus

if TYPE_CHECKING:
    import polars
    import pyarrow

    from tidings.delivery import DeliveredEvent

#: How indicators become columns.
Form = Literal["wide", "long"]
_Cell = Literal["text", "integer", "number", "truth", "time"]

_ENVELOPE: dict[str, tuple[_Cell, Callable[[DeliveredEvent], Any]]] = {
    "topic": ("text", lambda d: d.topic),
    "partition": ("integer", lambda d: d.partition),
    "offset": ("integer", lambda d: d.offset),
    "ingested_at": ("time", lambda d: d.ingested_at),
    "id": ("text", lambda d: format_id(d.event.id)),
    "source": ("text", lambda d: d.event.source),
    "kind": ("text", lambda d: _name(Kind, d.event.kind)),
    "instrument": ("text", lambda d: d.event.instrument),
    "venue": ("text", lambda d: d.event.venue or "XXXX"),
    "timeframe": ("text", lambda d: d.event.timeframe),
    "interval_start": ("time", lambda d: d.event.interval_start or None),
    "interval_end": ("time", lambda d: d.event.interval_end or None),
    "produced_at": ("time", lambda d: d.event.produced_at),
    "is_final": ("truth", lambda d: not d.event.HasField("is_final") or d.event.is_final),
    "revision": ("integer", lambda d: d.event.revision),
    "event_confidence": (
        "number",
        lambda d: d.event.confidence if d.event.HasField("confidence") else None,
    ),
}
_VALUE: dict[str, tuple[_Cell, Callable[[str, Any], Any]]] = {
    "name": ("text", lambda name, _: name),
    "value": ("number", lambda _, value: _optional(value, "value")),
    "status": ("text", lambda _, value: _name(ValueStatus, value.status or ValueStatus.OK)),
    "signal": ("text", lambda _, value: value.signal or None),
    "confidence": ("number", lambda _, value: _optional(value, "confidence")),
}


def _name(kind: Any, number: int) -> str:
    return str(kind.Name(number)) if number in kind.values() else str(number)


def _optional(value: Any, name: str) -> Any:
    return getattr(value, name) if value.HasField(name) else None


def _columns(events: Iterable[DeliveredEvent], form: Form) -> dict[str, tuple[_Cell, list[Any]]]:
    if form not in ("wide", "long"):
        raise ValueError(f"form is 'wide' or 'long', not {form!r}")
    rows = list(events)
    return _long(rows) if form == "long" else _wide(rows)


def _wide(rows: list[DeliveredEvent]) -> dict[str, tuple[_Cell, list[Any]]]:
    columns = {name: (cell, [of(row) for row in rows]) for name, (cell, of) in _ENVELOPE.items()}
    names = sorted({name for row in rows for name in row.event.indicators.values})
    for name in names:
        column = f"values.{name}" if name in _ENVELOPE else name
        columns[column] = ("number", [_indicator(row, name) for row in rows])
    return columns


def _indicator(row: DeliveredEvent, name: str) -> float | None:
    values = row.event.indicators.values
    # Asking a message map for a name that is not there would put it there.
    if name not in values or not values[name].HasField("value"):
        return None
    return values[name].value


def _long(rows: list[DeliveredEvent]) -> dict[str, tuple[_Cell, list[Any]]]:
    cells = [
        (row, name, row.event.indicators.values[name])
        for row in rows
        for name in sorted(row.event.indicators.values)
    ]
    columns: dict[str, tuple[_Cell, list[Any]]] = {}
    for column, (cell, of) in _ENVELOPE.items():
        columns[column] = (cell, [of(row) for row, _, _ in cells])
    for column, (cell, read) in _VALUE.items():
        columns[column] = (cell, [read(name, value) for _, name, value in cells])
    return columns


def to_arrow(events: Iterable[DeliveredEvent], form: Form = "wide") -> pyarrow.Table:
    """A pyarrow table of delivered events: one delivery, or events of several."""
    import pyarrow

    types = {
        "text": pyarrow.string(),
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "truth": pyarrow.bool_(),
        "time": pyarrow.timestamp("ns", tz="UTC"),
    }
    columns = _columns(events, form)
    return pyarrow.table(
        {name: pyarrow.array(values, types[cell]) for name, (cell, values) in columns.items()}
    )


def to_polars(events: Iterable[DeliveredEvent], form: Form = "wide") -> polars.DataFrame:
    """A polars frame of delivered events: one delivery, or events of several."""
    import polars

    types: dict[str, Any] = {
        "text": polars.String,
        "integer": polars.Int64,
        "number": polars.Float64,
        "truth": polars.Boolean,
        "time": polars.Int64,
    }
    columns = _columns(events, form)
    frame = polars.DataFrame(
        [polars.Series(name, values, types[cell]) for name, (cell, values) in columns.items()]
    )
    times = [name for name, (cell, _) in columns.items() if cell == "time"]
    moments = [
        polars.col(name).cast(polars.Datetime("ns")).dt.replace_time_zone("UTC") for name in times
    ]
    return frame.with_columns(moments)
