"""Everything a publisher holds: lanes, whose turn it is, credit, and what became of blocks.

No input, output or waiting here. Callers of several threads share it under one lock.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

import google_crc32c

from tidings._lane import Block, Lane, framed
from tidings._place import Place, Routes
from tidings._receipt import Outcome, Placed, Receipt
from tidings.errors import TidingsError
from tidings.v1.event_pb2 import Event
from tidings.v1.publisher_pb2 import (
    Durability,
    PublishAck,
    PublishBlock,
    PublishOpened,
    PublishResult,
)

EVENT_BYTES_MAX = 1 << 20
_EVENT_FIELD = re.compile(r"events\[(\d+)\]\.?(.*)")


@dataclass
class Answered:
    """What an answer means for the stream."""

    #: The service asks for patience, and why.
    pause: TidingsError | None = None
    #: What `Describe` said is out of date.
    stale_routes: bool = False


class Queue:
    """The state of a publisher."""

    def __init__(self, sequenced: bool, block_bytes: int, routes: Routes) -> None:
        self.routes = routes
        self._sequenced = sequenced
        self._block_bytes = block_bytes
        self._lanes: dict[Place | None, Lane] = {}
        self._turns: deque[Lane] = deque()
        self._lane_of: dict[int, Lane] = {}
        self._next_request = 1
        self._credit = 0
        self._unanswered_bytes = 0
        self._resume: dict[Place, int] = {}
        #: Bytes of events that have no outcome yet.
        self.held_bytes = 0
        #: Why nothing is taken any more.
        self.failed: TidingsError | None = None

    def opened(self, opened: PublishOpened, limit: int) -> None:
        """A stream is open: so many bytes may be unanswered."""
        self._credit = min(opened.credit_bytes, limit)
        self._resume = {Place(s.topic, s.partition): s.next_sequence for s in opened.sequences}

    def push(self, event: Event) -> Receipt:
        """Adds an event where it belongs."""
        if self.failed is not None:
            raise self.failed
        serialised = event.SerializeToString()
        if len(serialised) > EVENT_BYTES_MAX:
            detail = f"event has {len(serialised)} bytes, at most {EVENT_BYTES_MAX}"
            raise TidingsError("EVENT_TOO_LARGE", detail)
        lane = self._lane_for(event)
        data = framed(serialised)
        receipt = lane.push(data, self._block_bytes)
        self.held_bytes += len(data)
        self._enqueue(lane)
        return receipt

    def _lane_for(self, event: Event) -> Lane:
        place, partitions = self.routes.place(event) if self._sequenced else (None, 0)
        lane = self._lanes.get(place)
        if lane is None:
            next_sequence = 0 if place is None else self._resume.get(place, 0)
            lane = self._lanes[place] = Lane(place, partitions, next_sequence)
        lane.partitions = partitions
        return lane

    def _enqueue(self, lane: Lane) -> None:
        if not lane.queued and lane.is_sendable:
            lane.queued = True
            self._turns.append(lane)

    @property
    def is_sendable(self) -> bool:
        """Whether `take` would give a block."""
        if not self._turns:
            return False
        total = self._unanswered_bytes + self._turns[0].next_bytes
        return self._unanswered_bytes == 0 or total <= self._credit

    @property
    def is_empty(self) -> bool:
        """Whether everything has its outcome."""
        return self.held_bytes == 0

    def take(self) -> PublishBlock | None:
        """The next block to send."""
        if not self.is_sendable:
            return None
        lane = self._turns.popleft()
        lane.queued = False
        block = lane.take(self._next_request)
        body = b"".join(block.events)
        message = PublishBlock(
            request_id=block.request_id,
            body=body,
            body_crc=google_crc32c.value(body),
            count=len(block.events),
        )
        if lane.place is not None:
            message.topic, message.partition = lane.place
            message.partitions = lane.partitions
            message.first_sequence = block.first_sequence
        elif self.routes.pinned is not None:
            message.topic = self.routes.pinned
        self._next_request += 1
        self._unanswered_bytes += block.size
        self._lane_of[block.request_id] = lane
        self._enqueue(lane)
        return message

    def answered(self, ack: PublishAck) -> Answered:
        """Takes an answer."""
        lane = self._lane_of.pop(ack.request_id, None)
        block = lane.answered(ack.request_id) if lane is not None else None
        if lane is None or block is None:
            detail = f"an answer to request {ack.request_id}, which is not open"
            raise TidingsError("PROTOCOL", detail)
        self._unanswered_bytes -= block.size
        if ack.HasField("error"):
            answered = self._refused(lane, block, TidingsError.from_problem(ack.error))
        else:
            answered = self._stored(lane, block, _outcomes(ack, len(block.events)))
        lane.settle()
        self._enqueue(lane)
        return answered

    def _stored(self, lane: Lane, block: Block, outcomes: list[Outcome]) -> Answered:
        for outcome in outcomes:
            if isinstance(outcome, TidingsError) and outcome.is_retryable:
                lane.give_back(block)
                return Answered(pause=outcome)
        self.held_bytes -= block.size
        block.resolve(outcomes)
        return Answered()

    def _refused(self, lane: Lane, block: Block, error: TidingsError) -> Answered:
        if error.is_retryable:
            lane.give_back(block)
            return Answered(pause=error)
        if error.code == "SEQUENCE_GAP" and lane.is_rewinding:
            lane.give_back(block)
            return Answered()
        if self._drop_culprit(block, error):
            if block.events:
                lane.give_back(block)
            else:
                lane.skip(block.first_sequence)
            return Answered()
        if self._sequenced and error.code != "SEQUENCE_GAP":
            lane.skip(block.first_sequence)
        self.held_bytes -= block.size
        block.fail(error)
        stale = error.code in ("PARTITIONS_CHANGED", "TOPIC_MISMATCH")
        return Answered(stale_routes=stale)

    def _drop_culprit(self, block: Block, error: TidingsError) -> bool:
        """Takes out the one event that had the whole block refused, where the answer names it."""
        named = _EVENT_FIELD.fullmatch(error.field or "")
        if not self._sequenced or named is None or int(named[1]) >= len(block.events):
            return False
        error.field = named[2] or None
        self.held_bytes -= block.drop(int(named[1]), error)
        if not block.events:
            block.resolve([])
        return True

    def lost(self) -> None:
        """The connection is gone: everything unanswered goes again."""
        self._lane_of.clear()
        self._unanswered_bytes = self._credit = 0
        for lane in self._lanes.values():
            lane.lost()
            self._enqueue(lane)

    def fail(self, error: TidingsError) -> None:
        """Fails everything that is held, and everything to come."""
        self.failed = error
        self.lost()
        self._turns.clear()
        for lane in self._lanes.values():
            for block in lane.drain():
                block.fail(error)
        self.held_bytes = 0


def durability_name(number: int) -> str:
    """`memory`, `durable`, `replicated`."""
    return Durability.Name(number).lower() if number in Durability.values() else str(number)


def placed(result: PublishResult) -> Outcome:
    """What became of one event, by its own answer."""
    if result.HasField("error"):
        return TidingsError.from_problem(result.error)
    offset = result.offset if result.HasField("offset") else None
    durability = durability_name(result.durability)
    return Placed(
        result.topic, result.partition, offset, result.epoch, result.duplicate, durability
    )


def _outcomes(ack: PublishAck, count: int) -> list[Outcome]:
    """One outcome for each event of a block."""
    if ack.results:
        if len(ack.results) != count:
            raise TidingsError("PROTOCOL", f"{len(ack.results)} answers for {count} events")
        return [placed(result) for result in ack.results]
    base = ack.base_offset if ack.HasField("base_offset") else None
    durability = durability_name(ack.durability)
    return [
        Placed(
            ack.topic,
            ack.partition,
            None if base is None else base + at,
            ack.epoch,
            ack.duplicate,
            durability,
        )
        for at in range(count)
    ]
