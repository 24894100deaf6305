"""Events: documents, dataclasses, messages."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tidings
from tests.conftest import ROOT, indicator

GOLDEN = sorted((ROOT / "tests/fixtures/v1/event").glob("*.json"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_events_are_read_and_written_as_the_service_does(path: Path) -> None:
    document = json.loads(path.read_text())
    message = tidings.v1.Event.FromString(path.with_suffix(".bin").read_bytes())
    assert tidings.to_event(document) == message
    assert json.dumps(tidings.to_dict(message)) == json.dumps(document)


def test_there_are_golden_events() -> None:
    assert len(GOLDEN) >= 6


def test_the_key_hash_is_that_of_every_sdk() -> None:
    spec = (ROOT / "docs/spec/key-hash.md").read_text()
    vectors = re.findall(r"\| `(.*?)` \| `(.*?)` \| `([0-9a-f]{16})` \| (\d+) \|", spec)
    assert len(vectors) >= 9
    for venue, instrument, digest, partition in vectors:
        event = tidings.v1.Event(venue=venue, instrument=instrument)
        assert f"{tidings.key_hash(event):016x}" == digest
        assert tidings.key_hash(event) % 16 == int(partition)
    matrix = tidings.to_event({"correlation": {"matrix_id": "sp500-30d"}})
    assert f"{tidings.key_hash(matrix):016x}" == "8b0ebe159890c21f"


def test_a_dataclass_a_document_and_a_message_are_the_same_event() -> None:
    event = indicator(7)
    message = tidings.to_event(event)
    assert tidings.to_event(event.to_document()) == message
    assert tidings.to_event(message) is message
    assert message.kind == tidings.v1.Kind.INDICATORS
    assert message.origin_id == "AAPL-5m-7"
    assert uuid.UUID(bytes=message.id).version == 8


def test_an_event_without_an_id_is_given_one_in_order() -> None:
    event = replace(indicator(1), id=None)
    ids = [tidings.to_event(event).id for _ in range(100)]
    assert len(set(ids)) == 100
    assert uuid.UUID(bytes=ids[0]).version == 7
    assert [i[:6] for i in ids] == sorted(i[:6] for i in ids)
    bare = tidings.v1.Event(source="x")
    assert tidings.to_event(bare).id
    assert not bare.id


@pytest.mark.parametrize(
    ("at", "nanos"),
    [
        ("2026-01-02T15:00:00Z", 1767366000 * 10**9),
        ("2026-01-02t15:00:00.000000001z", 1767366000 * 10**9 + 1),
        ("2026-01-02T15:00:00.5+00:00", 1767366000 * 10**9 + 5 * 10**8),
        (datetime(2026, 1, 2, 15, tzinfo=timezone.utc), 1767366000 * 10**9),
        (1767366000 * 10**9 + 3, 1767366000 * 10**9 + 3),
    ],
)
def test_times_are_read_to_the_nanosecond(at: Any, nanos: int) -> None:
    assert tidings.to_event(replace(indicator(1), produced_at=at)).produced_at == nanos


def test_every_number_of_a_program_is_a_value() -> None:
    values = {"a": 1, "b": 1.5, "c": Decimal("2.5"), "d": tidings.Value(status="NO_DATA")}
    read = tidings.to_event({"indicators": {"values": values}}).indicators.values
    assert (read["a"].value, read["b"].value, read["c"].value) == (1.0, 1.5, 2.5)
    assert not read["d"].HasField("value")


@pytest.mark.parametrize(
    ("document", "code", "field"),
    [
        ({"venu": "XNAS"}, "FIELD_UNKNOWN", "venu"),
        (
            {"indicators": {"values": {"a": {"valu": 1}}}},
            "FIELD_UNKNOWN",
            "indicators.values.a.valu",
        ),
        (
            {"indicators": {"values": {"a": float("nan")}}},
            "NUMBER_NOT_FINITE",
            "indicators.values.a",
        ),
        ({"indicators": {"values": {"a": None}}}, "FIELD_INVALID", "indicators.values.a"),
        ({"indicators": {"values": {"a": "1"}}}, "FIELD_INVALID", "indicators.values.a"),
        ({"indicators": {"values": {"a": True}}}, "FIELD_INVALID", "indicators.values.a"),
        ({"indicators": {"values": {1: 1}}}, "FIELD_INVALID", "indicators.values.1"),
        ({"indicators": 7}, "FIELD_INVALID", "indicators"),
        ({"patterns": [{"type": "x"}, {"typ": "x"}]}, "FIELD_UNKNOWN", "patterns[1].typ"),
        ({"kind": "INDICATOR"}, "KIND_UNKNOWN", "kind"),
        ({"severity": "HUGE"}, "FIELD_INVALID", "severity"),
        ({"produced_at": "yesterday"}, "FIELD_INVALID", "produced_at"),
        ({"produced_at": "2026-02-30T00:00:00Z"}, "FIELD_INVALID", "produced_at"),
        ({"produced_at": datetime(2026, 1, 1)}, "FIELD_INVALID", "produced_at"),
        ({"produced_at": -1}, "FIELD_INVALID", "produced_at"),
        ({"key_seq": 2**53}, "FIELD_INVALID", "key_seq"),
        ({"key_seq": -1}, "FIELD_INVALID", "key_seq"),
        ({"key_seq": 1.5}, "FIELD_INVALID", "key_seq"),
        ({"revision": 2**40}, "FIELD_INVALID", "revision"),
        ({"labels": ["a"]}, "FIELD_INVALID", "labels"),
        ({"targets": "a"}, "FIELD_INVALID", "targets"),
        ({"source": 1}, "FIELD_INVALID", "source"),
        ({"is_final": "yes"}, "FIELD_INVALID", "is_final"),
        ({"correlation": {"sha256": "xy"}}, "FIELD_INVALID", "correlation.sha256"),
    ],
)
def test_what_is_wrong_is_refused_with_its_path(
    document: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(tidings.TidingsError) as refused:
        tidings.to_event(document)
    assert (refused.value.code, refused.value.field) == (code, field)


def test_a_near_name_is_hinted() -> None:
    with pytest.raises(tidings.TidingsError, match="did you mean `venue`"):
        tidings.to_event({"venu": "XNAS"})
