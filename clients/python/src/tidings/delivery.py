"""What a consumer is given: events of one partition, or word of events that will never come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from tidings import frames
from tidings._convert import write_event
from tidings._packed import unpack
from tidings.errors import TidingsError
from tidings.v1 import consumer_pb2
from tidings.v1.event_pb2 import Event, EventBatch

if TYPE_CHECKING:
    import polars
    import pyarrow


class Run(NamedTuple):
    """Offsets of one partition, both ends included."""

    topic_id: int
    epoch: int
    partition: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class DeliveredEvent:
    """One event, where it is stored, and how often it was delivered."""

    topic: str
    topic_id: int
    epoch: int
    partition: int
    offset: int
    #: When the service took it in, nanoseconds since 1970.
    ingested_at: int
    #: From 1.
    attempt: int
    #: It may have been delivered before.
    redelivered: bool
    event: Event
    #: It comes from the dead letters, outside the order.
    redriven: bool = False

    @property
    def runs(self) -> tuple[Run, ...]:
        """Its offset, for acks and nacks."""
        run = Run(self.topic_id, self.epoch, self.partition, self.offset, self.offset)
        return (run,)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the event."""
        return write_event(self.event)


def _holds(runs: Iterable[consumer_pb2.OffsetRun], offset: int) -> bool:
    return any(run.first <= offset < run.first + run.count for run in runs)


class Delivery:
    """Events of one partition in offset order, as stored. Iterates over `DeliveredEvent`s."""

    def __init__(self, topic: str, message: consumer_pb2.Delivery) -> None:
        self.topic = topic
        self.topic_id = message.topic_id
        self.partition = message.partition
        self.epoch = message.epoch
        #: When the service took the first block in, nanoseconds since 1970.
        self.ingested_at = message.ingested_at
        self._later = message.later
        #: The events, as one serialised `tidings.v1.EventBatch`.
        self.body = unpack(message.body, message.codec)
        self.offsets = [
            o for run in message.offsets for o in range(run.first, run.first + run.count)
        ]
        self._attempts = message.attempts
        self._redelivered = message.redelivered
        self._redriven = message.redriven
        #: Offsets of earlier events of its keys that were dead-lettered.
        self.skipped_to_dead_letter = list(message.skipped_to_dead_letter)
        #: Look-alike anomalies, each told by the event with its `offset`.
        self.digests = list(message.digests)

    def split(self, count: int) -> tuple[Delivery, Delivery | None]:
        """Its first `count` events, and the rest where there is one."""
        if count >= len(self):
            return self, None
        return self._part(slice(None, count)), self._part(slice(count, None))

    def _part(self, which: slice) -> Delivery:
        part = copy(self)
        part.offsets = self.offsets[which]
        part.__dict__["events"] = self.events[which]
        part.body = EventBatch(events=part.events).SerializeToString()
        return part

    @cached_property
    def events(self) -> list[Event]:
        """The events, decoded."""
        events = list(EventBatch.FromString(self.body).events)
        if len(events) != len(self.offsets):
            detail = f"{len(self.offsets)} offsets for {len(events)} events"
            raise TidingsError("PROTOCOL", detail)
        return events

    def __len__(self) -> int:
        return len(self.offsets)

    def __iter__(self) -> Iterator[DeliveredEvent]:
        for offset, event in zip(self.offsets, self.events, strict=True):
            yield DeliveredEvent(
                self.topic,
                self.topic_id,
                self.epoch,
                self.partition,
                offset,
                self._ingested_at(offset),
                self._attempt(offset),
                _holds(self._redelivered, offset),
                event,
                _holds(self._redriven, offset),
            )

    def _ingested_at(self, offset: int) -> int:
        later = (block for block in reversed(self._later) if block.first <= offset)
        block = next(later, None)
        return self.ingested_at if block is None else block.ingested_at

    def _attempt(self, offset: int) -> int:
        for run in self._attempts:
            if run.first <= offset < run.first + run.count:
                return run.attempt
        return 1

    @property
    def runs(self) -> tuple[Run, ...]:
        """Its offsets, for acks and nacks."""
        runs: list[Run] = []
        for offset in self.offsets:
            if runs and offset == runs[-1].last + 1:
                runs[-1] = runs[-1]._replace(last=offset)
            else:
                runs.append(Run(self.topic_id, self.epoch, self.partition, offset, offset))
        return tuple(runs)

    def to_arrow(self, form: frames.Form = "wide") -> pyarrow.Table:
        """A pyarrow table; see `tidings.frames`."""
        return frames.to_arrow(self, form)

    def to_polars(self, form: frames.Form = "wide") -> polars.DataFrame:
        """A polars frame; see `tidings.frames`."""
        return frames.to_polars(self, form)

    def __repr__(self) -> str:
        where = f"{self.topic}/{self.partition}"
        ends = f"{self.offsets[0]}..{self.offsets[-1]}" if self.offsets else "none"
        return f"<Delivery of {len(self)} events, {where} {ends}>"


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that this subscription will never be given, and why."""

    topic: str
    partition: int
    epoch: int
    #: First and last offset.
    first: int
    last: int
    count: int
    #: `RETENTION`, `DATA_LOSS`, `TOPIC_DELETED`, `EXPIRED`.
    reason: str


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What became of an ack."""

    #: Events that are settled for good and will not come again.
    confirmed: int
    #: Events that were not in flight any more.
    stale: int
