"""Outcomes that come later, for threads and for coroutines alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from tidings.errors import TidingsError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an event is stored."""

    topic: str
    partition: int
    #: Absent for a repeat older than the service remembers.
    offset: int | None
    epoch: int
    #: It had been stored before.
    duplicate: bool
    #: `memory`, `durable` or `replicated`.
    durability: str


#: What became of one event of several.
Outcome = Placed | TidingsError


def promise() -> Future[T]:
    """A future that its waiters cannot cancel: others may wait for it, too."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()
    return future


class Receipt:
    """Resolves to where the event is stored, when it is durable; `await` it or ask `result()`."""

    __slots__ = ("_block", "_index")

    def __init__(self, block: Future[list[Outcome]], index: int) -> None:
        self._block = block
        self._index = index

    def done(self) -> bool:
        """Whether the outcome is known."""
        return self._block.done()

    def on_outcome(self, tell: Callable[[Outcome], None]) -> None:
        """Calls when the outcome is known, in the thread that learns it."""
        self._block.add_done_callback(lambda block: tell(block.result()[self._index]))

    def outcome(self, timeout: float | None = None) -> Outcome:
        """Waits for the outcome; a refusal is returned, not raised."""
        return self._block.result(timeout)[self._index]

    def result(self, timeout: float | None = None) -> Placed:
        """Waits for the place; a refusal is raised. Coroutines `await` the receipt instead."""
        return _placed(self.outcome(timeout))

    def __await__(self) -> Generator[object, None, Placed]:
        if not self._block.done():
            yield from asyncio.wrap_future(self._block).__await__()
        return self.result(0)


def _placed(outcome: Outcome) -> Placed:
    if isinstance(outcome, TidingsError):
        raise outcome
    return outcome


class Pending(Generic[T]):
    """Resolves to a value that comes later; `await` it or ask `result()`."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: Future[T] = promise()

    def done(self) -> bool:
        """Whether the value is known."""
        return self.future.done()

    def result(self, timeout: float | None = None) -> T:
        """Waits for the value. Coroutines `await` instead."""
        return self.future.result(timeout)

    def __await__(self) -> Generator[object, None, T]:
        if not self.future.done():
            yield from asyncio.wrap_future(self.future).__await__()
        return self.future.result(0)
