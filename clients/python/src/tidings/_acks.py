"""Acks that wait for their confirmation. No input, output or waiting here."""

from __future__ import annotations

from collections.abc import Iterable

from tidings._receipt import Pending
from tidings.delivery import Confirmation, Run

_Place = tuple[int, int, int]


class Ack(Pending[Confirmation]):
    """Resolves when the cursor that covers the acknowledged events is durable."""

    __slots__ = ("_confirmed", "_left", "_stale")

    def __init__(self, runs: Iterable[Run]) -> None:
        super().__init__()
        self._left = list(runs)
        self._confirmed = 0
        self._stale = 0
        self._settle()

    def take(self, run: Run, stale: bool) -> None:
        """These were answered."""
        left: list[Run] = []
        answered = 0
        for own in self._left:
            first, last = max(own.first, run.first), min(own.last, run.last)
            if own[:3] != run[:3] or first > last:
                left.append(own)
                continue
            answered += last - first + 1
            if own.first < first:
                left.append(own._replace(last=first - 1))
            if last < own.last:
                left.append(own._replace(first=last + 1))
        self._left = left
        if stale:
            self._stale += answered
        else:
            self._confirmed += answered
        self._settle()

    def _settle(self) -> None:
        if not self._left and not self.future.done():
            self.future.set_result(Confirmation(self._confirmed, self._stale))


class Acks:
    """All acks of a consumer that are not confirmed."""

    def __init__(self) -> None:
        self._by_place: dict[_Place, list[Ack]] = {}

    def add(self, runs: tuple[Run, ...]) -> Ack:
        """Waits for the confirmation of these."""
        ack = Ack(runs)
        for place in {run[:3] for run in runs}:
            self._by_place.setdefault(place, []).append(ack)
        return ack

    def answered(self, run: Run, stale: bool) -> None:
        """The service has answered for these."""
        acks = self._by_place.get(run[:3], [])
        for ack in acks:
            ack.take(run, stale)
        left = [ack for ack in acks if not ack.done()]
        if left:
            self._by_place[run[:3]] = left
        else:
            self._by_place.pop(run[:3], None)

    def fail(self, error: Exception) -> None:
        """The connection is gone: what was not confirmed comes again."""
        for acks in self._by_place.values():
            for ack in acks:
                if not ack.done():
                    ack.future.set_exception(error)
        self._by_place.clear()

    def waiting(self) -> list[Ack]:
        """Those that are not confirmed."""
        return [ack for acks in self._by_place.values() for ack in acks]
