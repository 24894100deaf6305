"""Packed bodies: read as they were, refused when they are wrong or want too much memory."""

from __future__ import annotations

import json
import urllib.request

import lz4.block
import pytest
from tidings.v1.admin_pb2 import Batch

import tidings
from tests.conftest import Server, indicator, number_of
from tidings import _packed

BODY = b"analysis/indicators/5m " * 40


def packed(body: bytes) -> bytes:
    made: bytes = lz4.block.compress(body)
    return made


def test_what_was_packed_is_read() -> None:
    assert _packed.unpack(BODY, _packed.PLAIN) == BODY
    assert _packed.unpack(packed(BODY), _packed.LZ4) == BODY


@pytest.mark.parametrize(
    ("body", "codec"),
    [
        (packed(BODY), 9),
        (b"", _packed.LZ4),
        (packed(BODY)[:-1], _packed.LZ4),
        (b"\x00\x00\x00\x01" + packed(BODY)[4:], _packed.LZ4),
        (b"\x03\x00\x00\x00\x10a", _packed.LZ4),
    ],
)
def test_wrong_bytes_are_refused(body: bytes, codec: int) -> None:
    with pytest.raises(tidings.TidingsError) as refused:
        _packed.unpack(body, codec)
    assert refused.value.code == "PROTOCOL"


def test_without_the_package_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _packed.wish(None) is None
    monkeypatch.setattr(_packed, "_lz4", None)
    assert _packed.wish(None) == "none"
    with pytest.raises(tidings.TidingsError):
        _packed.wish("lz4")
    with pytest.raises(tidings.TidingsError):
        _packed.unpack(packed(BODY), _packed.LZ4)


def encodings(server: Server) -> int:
    with urllib.request.urlopen(f"http://{server.address}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    (line,) = (line for line in lines if line.startswith("tidings_serve_encodings_total "))
    return int(json.loads(line.split()[1]))


def test_a_subscription_may_ask_for_packed_batches(server: Server) -> None:
    with tidings.Client(server.address) as client:
        for name, compression in [("packed", "lz4"), ("plain", "none")]:
            client.create_subscription(name, ["analysis/**"], batch=Batch(compression=compression))
        client.publish_many(indicator(n) for n in range(100))
        before = encodings(server)
        for name, made in [("plain", 0), ("packed", 1)]:
            with client.consumer(name) as consumer:
                pulled = consumer.pull(100, timeout=30.0)
            events = [event.event for event in pulled if isinstance(event, tidings.DeliveredEvent)]
            assert [number_of(event) for event in events] == list(range(100))
            assert encodings(server) - before == made
