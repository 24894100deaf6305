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
from tidings.v1.event_pb2 import Event, EventBatch
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
        self._routes = routes
        #: Topics whose partition count is not the one their lanes were grouped by.
        self._stale: set[str] = set()
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
        data = framed(serialised)
        receipt = self._push_to(self._lane_for(event), data)
        self.held_bytes += len(data)
        return receipt

    def _push_to(self, lane: Lane, data: bytes) -> Receipt:
        receipt = lane.push(data, self._block_bytes)
        self._enqueue(lane)
        return receipt

    def _lane_for(self, event: Event) -> Lane:
        place, partitions = self._routes.place(event) if self._sequenced else (None, 0)
        lane = self._lanes.get(place)
        if lane is None:
            next_sequence = 0 if place is None else self._resume.get(place, 0)
            lane = self._lanes[place] = Lane(place, partitions, next_sequence)
            # A lane of a topic that is to be grouped anew waits with the others.
            lane.is_stale = place is not None and place.topic in self._stale
        lane.partitions = partitions
        return lane

    def _enqueue(self, lane: Lane) -> None:
        if not lane.queued and lane.is_sendable:
            lane.queued = True
            self._turns.append(lane)

    @property
    def is_sendable(self) -> bool:
        """Whether `take` would give a block."""
        while self._turns and not self._turns[0].is_sendable:
            self._turns.popleft().queued = False
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
        elif self._routes.pinned is not None:
            message.topic = self._routes.pinned
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
        answered.stale_routes |= self.needs_routes
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
        if error.code == "PARTITIONS_CHANGED" and lane.place is not None:
            lane.give_back(block)
            self._go_stale(lane.place.topic)
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
        return Answered(stale_routes=error.code == "TOPIC_MISMATCH")

    def _go_stale(self, topic: str) -> None:
        self._stale.add(topic)
        for lane in self._lanes_of(topic):
            lane.is_stale = True

    def _lanes_of(self, topic: str) -> list[Lane]:
        return [lane for lane in self._lanes.values() if lane.place and lane.place.topic == topic]

    @property
    def needs_routes(self) -> bool:
        """Whether it waits for what `Describe` says.

        Nothing of the topics to be grouped anew is under way any more.
        """
        if not self._stale:
            return False
        return all(lane.is_answered for topic in self._stale for lane in self._lanes_of(topic))

    def set_routes(self, routes: Routes) -> None:
        """Places events by what `Describe` says now, first those that wait to be grouped anew.

        Events of one key come from one lane and are moved in its order. A topic with another
        partition count is another topic: its sequences start over.
        """
        if self._stale and not self.needs_routes:
            # New events would overtake those under way. It is asked again when they are answered.
            return
        self._routes = routes
        stale, self._stale = self._stale, set()
        for topic in stale:
            lanes = self._lanes_of(topic)
            self._lanes = {at: lane for at, lane in self._lanes.items() if lane not in lanes}
            self._resume = {at: n for at, n in self._resume.items() if at.topic != topic}
            for lane in lanes:
                for block in lane.drain():
                    block.move(self._place_again)

    def _place_again(self, data: bytes) -> Receipt:
        try:
            (event,) = EventBatch.FromString(data).events
            return self._push_to(self._lane_for(event), data)
        except TidingsError:
            self.held_bytes -= len(data)
            raise

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
