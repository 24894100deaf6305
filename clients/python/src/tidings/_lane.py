"""One lane: the blocks of one topic and partition, in order, with their sequences.

A sequence is given when a block is taken to be sent. After a refusal or a lost connection the lane
rewinds: what is unanswered goes back to the front and is numbered anew from the first sequence that
was not stored, so that repeats carry the numbers they had, and what follows a refused event closes
its gap. The service stored none of those: it refuses everything after a gap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from tidings._place import Place
from tidings._receipt import Outcome, Receipt, promise
from tidings.errors import TidingsError


def framed(event: bytes) -> bytes:
    """A serialised event as it stands in a body: field 1 of an `EventBatch`."""
    length = len(event)
    head = bytearray(b"\x0a")
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    head.append(length)
    return bytes(head) + event


class Block:
    """Events that are sent together, and what became of each."""

    __slots__ = ("_left", "_outcomes", "events", "first_sequence", "future", "request_id", "size")

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.size = 0
        self.first_sequence = 0
        self.request_id = 0
        self.future: Future[list[Outcome]] = promise()
        #: Places in the answer of the events that are still to be stored.
        self._left: list[int] = []
        self._outcomes: list[Outcome | None] = []

    def push(self, event: bytes) -> Receipt:
        """Adds an event."""
        receipt = Receipt(self.future, len(self._outcomes))
        self._left.append(len(self._outcomes))
        self._outcomes.append(None)
        self.events.append(event)
        self.size += len(event)
        return receipt

    def drop(self, index: int, error: TidingsError) -> int:
        """Takes out an event that was refused; returns its bytes."""
        self._outcomes[self._left.pop(index)] = error
        size = len(self.events.pop(index))
        self.size -= size
        return size

    def resolve(self, outcomes: list[Outcome]) -> None:
        """Tells everyone: one outcome for each event that is left."""
        for place, outcome in zip(self._left, outcomes, strict=True):
            self._outcomes[place] = outcome
        self.future.set_result([outcome for outcome in self._outcomes if outcome is not None])

    def move(self, push: Callable[[bytes], Receipt]) -> None:
        """Has every event taken by other blocks, whose outcomes become its own."""
        waiting = len(self._left)

        def take(place: int, outcome: Outcome) -> None:
            nonlocal waiting
            self._outcomes[place] = outcome
            waiting -= 1
            if waiting == 0:
                self._left.clear()
                self.resolve([])

        for place, event in zip(tuple(self._left), self.events, strict=True):
            try:
                push(event).on_outcome(partial(take, place))
            except TidingsError as error:
                take(place, error)

    def fail(self, error: TidingsError) -> None:
        """Tells everyone that no event is known to be stored."""
        self.resolve([error] * len(self.events))


class Lane:
    """Blocks that wait, are sent, or were given back."""

    def __init__(self, place: Place | None, partitions: int, next_sequence: int) -> None:
        self.place = place
        #: The number the partition was computed with.
        self.partitions = partitions
        #: Whether it waits in the queue of lanes with something to send.
        self.queued = False
        #: Nothing is sent: what it holds is to be grouped anew.
        self.is_stale = False
        self._next_sequence = next_sequence
        self._open = Block()
        self._waiting: deque[Block] = deque()
        self._sent: deque[Block] = deque()
        self._returned: list[Block] = []
        self._rewind_to: int | None = None

    def push(self, event: bytes, block_bytes: int) -> Receipt:
        """Adds an event, sealing the open block when it would pass `block_bytes`."""
        if self._open.events and self._open.size + len(event) > block_bytes:
            self._seal()
        return self._open.push(event)

    def _seal(self) -> None:
        if self._open.events:
            self._waiting.append(self._open)
            self._open = Block()

    @property
    def is_sendable(self) -> bool:
        """Whether a block may go now.

        One that is not full waits for the answer to the one before it, and fills up meanwhile.
        """
        if self.is_stale or self._rewind_to is not None:
            return False
        return bool(self._waiting) or bool(self._open.events and not self._sent)

    @property
    def next_bytes(self) -> int:
        """Bytes of the next block."""
        return self._waiting[0].size if self._waiting else self._open.size

    def take(self, request_id: int) -> Block:
        """The next block: numbered, and from now on unanswered."""
        if not self._waiting:
            self._seal()
        block = self._waiting.popleft()
        block.request_id = request_id
        block.first_sequence = self._next_sequence
        self._next_sequence += len(block.events)
        self._sent.append(block)
        return block

    def answered(self, request_id: int) -> Block | None:
        """The block of an answer leaves the lane."""
        for at, block in enumerate(self._sent):
            if block.request_id == request_id:
                del self._sent[at]
                return block
        return None

    def skip(self, first_sequence: int) -> None:
        """Nothing was stored from here on: what follows takes these sequences."""
        before = self._rewind_to
        self._rewind_to = first_sequence if before is None else min(before, first_sequence)

    def give_back(self, block: Block) -> None:
        """The block was not stored and goes again."""
        self.skip(block.first_sequence)
        self._returned.append(block)

    @property
    def is_rewinding(self) -> bool:
        """Whether a refused block before this one explains a gap."""
        return self._rewind_to is not None

    def settle(self) -> None:
        """When everything is answered, puts what was given back to the front."""
        if not self._sent:
            self._rewind()

    def lost(self) -> None:
        """The connection is gone: everything unanswered goes again, with the sequences it had."""
        if self._sent:
            self.skip(self._sent[0].first_sequence)
        self._returned.extend(self._sent)
        self._sent.clear()
        self._rewind()

    def _rewind(self) -> None:
        if self._rewind_to is None:
            return
        self._next_sequence, self._rewind_to = self._rewind_to, None
        self._returned.sort(key=lambda block: block.first_sequence)
        self._waiting.extendleft(reversed(self._returned))
        self._returned.clear()

    @property
    def is_answered(self) -> bool:
        """Whether every block that was sent has been answered."""
        return not self._sent

    def drain(self) -> list[Block]:
        """Everything the lane holds, in order."""
        self.lost()
        self._seal()
        blocks = list(self._waiting)
        self._waiting.clear()
        return blocks
