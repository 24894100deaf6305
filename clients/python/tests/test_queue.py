"""What a publisher holds, against a model of the service that refuses, forgets and breaks."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace

import pytest
from tidings.v1.event_pb2 import Event, EventBatch
from tidings.v1.problem_pb2 import Problem
from tidings.v1.publisher_pb2 import PublishAck, PublishBlock, PublishOpened

import tidings
from tests.conftest import indicator, number_of
from tidings._place import Place, Routes
from tidings._queue import Queue

ROUTES = Routes({1: ("analysis/indicators/{timeframe}", 4)}, {}, None)


class Model:
    """One partition of a service after the other: dense sequences, exact duplicates."""

    def __init__(self, chance: random.Random, partitions: int = 4) -> None:
        self._partitions = partitions
        self.stored: dict[Place, list[Event]] = defaultdict(list)
        self._chance = chance

    def take(self, block: PublishBlock) -> PublishAck:
        place = Place(block.topic, block.partition)
        log = self.stored[place]
        ack = PublishAck(request_id=block.request_id, topic=block.topic, durability="DURABLE")
        events = EventBatch.FromString(block.body).events
        assert len(events) == block.count
        if block.partitions != self._partitions:
            ack.error.code = "PARTITIONS_CHANGED"
        elif block.first_sequence > len(log):
            ack.error.code = "SEQUENCE_GAP"
        elif block.first_sequence < len(log):
            end = block.first_sequence + block.count
            assert list(events) == log[block.first_sequence : end], "a repeat is the same block"
            ack.duplicate, ack.base_offset = True, block.first_sequence
        elif self._chance.random() < 0.1:
            ack.error.code = "RESOURCE_EXHAUSTED"
        elif bad := [at for at, event in enumerate(events) if event.source == "bad"]:
            ack.error.CopyFrom(Problem(code="FIELD_INVALID", field=f"events[{bad[0]}].source"))
        else:
            ack.base_offset = len(log)
            log.extend(events)
        return ack


@pytest.mark.parametrize("seed", range(60))
def test_every_good_event_is_stored_once_and_in_order(seed: int) -> None:
    chance = random.Random(seed)
    model, queue = Model(chance), Queue(True, 400, ROUTES)
    opened = PublishOpened(credit_bytes=2_000)
    queue.opened(opened, 1 << 20)
    events = [
        replace(indicator(n, f"S{n % 7}"), source="bad" if chance.random() < 0.05 else "pytest")
        for n in range(200)
    ]
    receipts: list[tidings.Receipt] = []
    answers: list[PublishAck] = []
    while len(receipts) < len(events) or not queue.is_empty:
        step = chance.random()
        if step < 0.4 and len(receipts) < len(events):
            receipts.append(queue.push(tidings.to_event(events[len(receipts)])))
        elif step < 0.7 and (block := queue.take()) is not None:
            answers.append(model.take(block))
        elif step < 0.97 and answers:
            queue.answered(answers.pop(0))
        elif step >= 0.97:
            answers.clear()
            queue.lost()
            queue.opened(opened, 1 << 20)
    expected: dict[str, list[int]] = defaultdict(list)
    for number, (event, receipt) in enumerate(zip(events, receipts, strict=True)):
        outcome = receipt.outcome(0)
        if event.source == "bad":
            assert isinstance(outcome, tidings.TidingsError)
            assert (outcome.code, outcome.field) == ("FIELD_INVALID", "source")
        else:
            assert isinstance(outcome, tidings.Placed)
            assert event.instrument is not None
            expected[event.instrument].append(number)
    stored: dict[str, list[int]] = defaultdict(list)
    for log in model.stored.values():
        for message in log:
            stored[message.instrument].append(number_of(message))
    assert stored == expected


@pytest.mark.parametrize("seed", range(40))
def test_events_are_grouped_anew_when_a_topic_was_made_anew(seed: int) -> None:
    chance = random.Random(seed)
    counts = [4, 3, 5]
    models = [Model(chance, partitions) for partitions in counts]
    current = 0
    queue = Queue(True, 400, ROUTES)
    queue.opened(PublishOpened(credit_bytes=2_000), 1 << 20)
    receipts: list[tidings.Receipt] = []
    answers: list[PublishAck] = []
    while len(receipts) < 200 or not queue.is_empty:
        step = chance.random()
        if step < 0.4 and len(receipts) < 200:
            event = indicator(len(receipts), f"S{len(receipts) % 7}")
            receipts.append(queue.push(tidings.to_event(event)))
        elif step < 0.7 and (block := queue.take()) is not None:
            answers.append(models[current].take(block))
        elif step < 0.98 and answers:
            answered = queue.answered(answers.pop(0))
            if answered.stale_routes:
                topics = {"analysis/indicators/5m": counts[current]}
                queue.set_routes(Routes(ROUTES.templates, topics, None))
        elif step >= 0.98 and current + 1 < len(models):
            current += 1
    assert all(isinstance(receipt.outcome(0), tidings.Placed) for receipt in receipts)
    stored: dict[str, list[int]] = defaultdict(list)
    for model in models:
        for log in model.stored.values():
            for message in log:
                stored[message.instrument].append(number_of(message))
    assert stored == {f"S{key}": list(range(key, 200, 7)) for key in range(7)}


def test_an_event_for_no_topic_is_refused_at_once() -> None:
    queue = Queue(True, 400, ROUTES)
    with pytest.raises(tidings.TidingsError, match="TOPIC_UNKNOWN"):
        queue.push(tidings.to_event({"anomaly": {"type": "x"}}))
    with pytest.raises(tidings.TidingsError, match="TOPIC_UNKNOWN"):
        Routes({}, {}, "a/b").place(tidings.to_event(indicator(1)))


def test_a_failed_publisher_fails_everything() -> None:
    queue = Queue(True, 400, ROUTES)
    receipt = queue.push(tidings.to_event(indicator(1)))
    queue.fail(tidings.TidingsError("PRODUCER_FENCED", "a newer one"))
    with pytest.raises(tidings.TidingsError, match="PRODUCER_FENCED"):
        receipt.result(0)
    with pytest.raises(tidings.TidingsError, match="PRODUCER_FENCED"):
        queue.push(tidings.to_event(indicator(2)))


@pytest.mark.parametrize("seed", range(20))
def test_acks_agree_with_one_state_per_offset(seed: int) -> None:
    from tidings._acks import Acks

    chance, acks = random.Random(seed), Acks()
    at = 0
    waiting: list[tuple[tidings.Ack, set[int]]] = []
    offsets: list[int] = []
    for _ in range(20):
        first = at + chance.randrange(3)
        at = first + chance.randrange(1, 8)
        ack = acks.add((tidings.Run(1, 1, 0, first, at - 1),))
        waiting.append((ack, set(range(first, at))))
        offsets.extend(range(first, at))
    stale = {offset for offset in offsets if chance.random() < 0.2}
    for offset in chance.sample(offsets, len(offsets)):
        acks.answered(tidings.Run(1, 1, 0, offset, offset), stale=offset in stale)
        acks.answered(tidings.Run(1, 1, 1, offset, offset), stale=False)
    for ack, mine in waiting:
        assert ack.result(0) == tidings.Confirmation(len(mine - stale), len(mine & stale))
    assert acks.waiting() == []
