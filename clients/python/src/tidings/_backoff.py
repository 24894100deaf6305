"""Waiting before another attempt: exponential, full jitter."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Delays in seconds that double from `minimum` to `maximum`, each drawn from below."""

    minimum: float = 0.05
    maximum: float = 5.0
    #: Stop after waiting this long without any progress; `None` never stops.
    give_up_after: float | None = 60.0

    def cap(self, attempt: int) -> float:
        """The largest delay before an attempt, counted from 0."""
        return max(self.minimum, min(self.minimum * 2.0 ** min(attempt, 32), self.maximum))


class Attempts:
    """Attempts in a row without progress."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._failed = 0
        self._waited = 0.0

    def progress(self) -> None:
        """Something worked: start over."""
        self._failed, self._waited = 0, 0.0

    def next_delay(self, asked: float | None) -> float | None:
        """The next delay, at least what the service asked for; `None` when it is time to stop."""
        limit = self._backoff.give_up_after
        if limit is not None and self._waited >= limit:
            return None
        drawn = random.uniform(self._backoff.minimum, self._backoff.cap(self._failed))
        delay = max(drawn, asked or 0.0)
        self._failed += 1
        self._waited += delay
        return delay
