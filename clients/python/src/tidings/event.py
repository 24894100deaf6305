"""Events as a program makes them: dataclasses with names, types and defaults.

A plain document (the JSON form of docs/spec/event.md) or a `tidings.v1.Event` serve as well
wherever an event is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar

from tidings import _convert
from tidings._ids import new_id
from tidings._times import Time
from tidings.errors import TidingsError
from tidings.v1 import event_pb2


class _Document:
    """A dataclass whose fields are members of a document."""

    def to_document(self) -> dict[str, Any]:
        """The JSON form, without what is absent."""
        kind: Any = type(self)
        members = ((name, getattr(self, name)) for name in _names(kind))
        return {name: _plain(value) for name, value in members if value is not None}


@cache
def _names(of: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(of))


def _plain(value: Any) -> Any:
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, _Document):
        return value.to_document()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


@dataclass(frozen=True, kw_only=True)
class Value(_Document):
    """An indicator that is more than a number: with a signal, or absent with the reason."""

    value: float | None = None
    #: OK, WARMING_UP, NO_DATA, STALE, ERROR
    status: str | None = None
    signal: str | None = None
    confidence: float | None = None
    #: Hash of the formula behind the name, 8 to 32 bytes.
    definition: bytes | str | None = None


@dataclass(frozen=True)
class Indicators(_Document):
    """Technical indicators of one instrument and interval, by explicit names (`rsi_14`)."""

    member: ClassVar[str] = "indicators"
    values: Mapping[str, float | Value | Mapping[str, Any]]
    bars_used: int | None = None
    completeness: float | None = None
    accuracy: float | None = None
    computation_ms: float | None = None


@dataclass(frozen=True)
class KeyPoint(_Document):
    """A point that makes a pattern."""

    at: Time
    price: float
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class Pattern(_Document):
    """One chart pattern."""

    type: str
    #: FORMING, COMPLETED, BROKEN
    status: str | None = None
    confidence: float | None = None
    completion: float | None = None
    start: Time | None = None
    end: Time | None = None
    key_points: Sequence[KeyPoint | Mapping[str, Any]] | None = None
    target: float | None = None
    stop: float | None = None
    volume_confirmation: bool | None = None
    similar_found: int | None = None
    success_rate: float | None = None


@dataclass(frozen=True)
class Patterns(_Document):
    """Chart patterns of one instrument and interval."""

    member: ClassVar[str] = "patterns"
    patterns: Sequence[Pattern | Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Anomaly(_Document):
    """Something out of the ordinary."""

    member: ClassVar[str] = "anomaly"
    type: str
    method: str | None = None
    value: float | None = None
    expected_min: float | None = None
    expected_max: float | None = None
    z_score: float | None = None
    confidence: float | None = None
    description: str | None = None
    related_instruments: Sequence[str] | None = None
    causes: Sequence[str] | None = None
    market_condition: str | None = None
    impact: str | None = None
    actions: Sequence[str] | None = None
    alert_required: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Correlation(_Document):
    """A correlation matrix: its upper triangle row by row, or pairs."""

    member: ClassVar[str] = "correlation"
    matrix_id: str
    #: FULL, CLUSTER, PAIRS
    kind: str
    instruments: Sequence[str] | None = None
    method: str | None = None
    window_days: int | None = None
    triangle: Sequence[float] | None = None
    pairs: Sequence[Mapping[str, Any]] | None = None
    p_values: Sequence[float] | None = None
    summary: Mapping[str, Any] | None = None
    chunk: int | None = None
    chunks: int | None = None
    dataref: str | None = None
    sha256: bytes | str | None = None


@dataclass(frozen=True, kw_only=True)
class Summary(_Document):
    """Where an instrument stands, all analyses together."""

    member: ClassVar[str] = "summary"
    close: float | None = None
    indicators: Mapping[str, float] | None = None
    correlations: Mapping[str, float] | None = None
    risk: Mapping[str, float] | None = None
    open_patterns: int | None = None
    open_anomalies: int | None = None
    trend_alignment: float | None = None
    as_of: Mapping[str, Time] | None = None


@dataclass(frozen=True)
class IntervalComplete(_Document):
    """How many of the expected instruments have been published for an interval."""

    member: ClassVar[str] = "interval_complete"
    expected: int
    published: int
    missing: Sequence[str] | None = None


Payload = Indicators | Patterns | Anomaly | Correlation | Summary | IntervalComplete


@dataclass(frozen=True, kw_only=True)
class Event(_Document):
    """One analysis result; the kind follows from the payload.

    Fields mean what docs/spec/event.md says. Without an `id` it is given one when it is converted.
    """

    source: str
    produced_at: Time
    payload: Payload
    instrument: str | None = None
    venue: str | None = None
    timeframe: str | None = None
    interval_start: Time | None = None
    interval_end: Time | None = None
    id: object | None = None
    key_seq: int | None = None
    priority: int | None = None
    confidence: float | None = None
    severity: str | None = None
    is_final: bool | None = None
    revision: int | None = None
    region: str | None = None
    traceparent: str | None = None
    expires_at: Time | None = None
    targets: Sequence[str] | None = None
    labels: Mapping[str, str] | None = None

    def to_document(self) -> dict[str, Any]:
        """The JSON form, without what is absent."""
        document = super().to_document()
        payload = document.pop("payload")
        document[self.payload.member] = payload
        return document


#: Whatever an event may be given as.
EventLike = Event | Mapping[str, Any] | event_pb2.Event


def to_event(event: EventLike) -> event_pb2.Event:
    """The message, with an id; what is wrong is refused with the path of the field.

    Types and names are checked here, rules (docs/spec/event.md) by the service.
    """
    if isinstance(event, event_pb2.Event):
        if event.id:
            return event
        copy = event_pb2.Event()
        copy.CopyFrom(event)
        copy.id = new_id()
        return copy
    if isinstance(event, Event):
        return _convert.read_event(event.to_document())
    if isinstance(event, Mapping):
        return _convert.read_event(event)
    raise TidingsError("EVENT_MALFORMED", f"{type(event).__name__} is not an event")


def to_dict(event: event_pb2.Event) -> dict[str, Any]:
    """The JSON form of docs/spec/event.md."""
    return _convert.write_event(event)
