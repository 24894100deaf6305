"""Where an event goes: topic by template, partition by key hash. A hint: the service checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import xxhash

from tidings.errors import TidingsError
from tidings.v1.event_pb2 import CorrelationKind, Event, Kind, Severity
from tidings.v1.publisher_pb2 import DescribeResponse


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


def key_hash(event: Event) -> int:
    """xxh3-64 of the key: of the matrix for correlations, else of venue and instrument."""
    if event.kind == Kind.CORRELATION:
        return xxhash.xxh3_64_intdigest(event.correlation.matrix_id.encode())
    venue = event.venue or "XXXX"
    return xxhash.xxh3_64_intdigest(f"{venue}\x1f{event.instrument}".encode())


def _confidence_tier(event: Event) -> str:
    if not event.HasField("confidence"):
        return "unrated"
    if event.confidence >= 0.80:
        return "high"
    return "medium" if event.confidence >= 0.60 else "low"


def _word(name: str, number: int) -> str:
    return name.lower() if number else "unrated"


def _values(event: Event) -> dict[str, str]:
    severity, kind = event.severity, event.correlation.kind
    return {
        "timeframe": event.timeframe,
        "confidence_tier": _confidence_tier(event),
        "severity": _word(Severity.Name(severity), severity),
        "correlation_kind": _word(CorrelationKind.Name(kind), kind),
    }


@dataclass
class Routes:
    """What `Describe` said, ready to place events."""

    templates: dict[int, tuple[str, int]]
    partitions: dict[str, int]
    #: Every event goes here, whatever the templates say.
    pinned: str | None

    @classmethod
    def of(cls, described: DescribeResponse, pinned: str | None) -> Routes:
        """Routes by the templates, or all to one topic."""
        templates = {int(t.kind): (t.template, t.partitions) for t in described.templates}
        return cls(templates, {t.name: t.partitions for t in described.topics}, pinned)

    def place(self, event: Event) -> tuple[Place, int]:
        """The event's place and the topic's number of partitions."""
        fallback: int | None = None
        if self.pinned is not None:
            topic = self.pinned
        else:
            if event.kind not in self.templates:
                code = "TOPIC_UNKNOWN" if event.kind else "FIELD_MISSING"
                detail = (
                    f"no template for kind {event.kind}" if event.kind else "no kind, no payload"
                )
                raise TidingsError(code, detail, field="kind")
            template, fallback = self.templates[event.kind]
            try:
                topic = template.format_map(_values(event))
            except (KeyError, ValueError) as error:
                detail = f"the template `{template}` cannot be filled: {error}"
                raise TidingsError("TOPIC_UNKNOWN", detail, hint="update the library") from error
        partitions = self.partitions.get(topic, fallback)
        if not partitions:
            raise TidingsError(
                "TOPIC_UNKNOWN",
                f"topic `{topic}` does not exist",
                field="topic",
                hint="create it first, or leave the topic to the templates",
            )
        return Place(topic, key_hash(event) % partitions), partitions
