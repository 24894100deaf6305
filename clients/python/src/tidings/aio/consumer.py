"""The consumer: takes deliveries, tops up credit, acknowledges, reconnects and resumes."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

from tidings._acks import Ack, Acks
from tidings._backoff import Attempts, Backoff
from tidings._packed import wish
from tidings._rpc import CONSUME, Connection, Stream
from tidings.delivery import DeliveredEvent, Delivery, Gap, Run
from tidings.errors import TidingsError
from tidings.v1 import consumer_pb2 as wire

_ConsumeStream = Stream[wire.ConsumeRequest, wire.ConsumeResponse]
#: What can be acknowledged or given back.
Settled = Delivery | DeliveredEvent | Iterable[DeliveredEvent]

_GOODBYE_SECONDS = 5.0


def _consumer_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


@dataclass(frozen=True, kw_only=True)
class ConsumerOptions:
    """How a consumer attaches."""

    #: An existing subscription.
    subscription: str
    #: Name of this consumer, for health and logs.
    consumer: str = field(default_factory=_consumer_name)
    #: Events that may be on their way to this consumer.
    credit_events: int = 65_536
    #: Bytes that may be on their way to this consumer.
    credit_bytes: int = 16 << 20
    #: How batches travel: "none" or "lz4". Without it as the subscription says, or as they are
    #: where the package lz4 is not installed.
    compression: str | None = None
    #: Seconds in which an event must be settled, or it failed and is tried again: 1 to 86,400.
    #: Without it what was delivered stays this consumer's as long as its connection.
    ack_deadline: float | None = None
    #: Whether to attach again when the connection breaks.
    reconnect: bool = True
    #: Between attempts.
    backoff: Backoff = field(default_factory=Backoff)


class Consumer:
    """A live attachment to a subscription: an asynchronous iterator of deliveries and gaps.

    When the connection breaks it attaches again by itself; what was not confirmed then comes again,
    flagged `redelivered`. Made by `Client.consumer`.
    """

    def __init__(self, connection: Connection, options: ConsumerOptions) -> None:
        self._connection = connection
        self._options = options
        self._attempts = Attempts(options.backoff)
        self._acks = Acks()
        self._extensions = Acks()
        self._topics: dict[int, str] = {}
        self._items: deque[Delivery | Gap] = deque()
        #: Something came, or it ended.
        self._news = asyncio.Event()
        self._asks: deque[wire.ConsumeRequest] = deque()
        #: There is something to write.
        self._work = asyncio.Event()
        self._taken_events = 0
        self._taken_bytes = 0
        self._driver: asyncio.Task[None] | None = None
        self._failed: TidingsError | None = None
        self._closing = False
        #: How often it attached again.
        self.reconnects = 0

    async def _start(self) -> None:
        stream = await self._attach()
        self._driver = asyncio.create_task(self._drive(stream))

    async def _attach(self) -> _ConsumeStream:
        options = self._options
        stream = self._connection.stream(CONSUME)
        deadline = options.ack_deadline
        opening = wire.ConsumeOpen(
            subscription=options.subscription,
            consumer=options.consumer,
            compression=wish(options.compression),
            ack_deadline_ms=None if deadline is None else round(deadline * 1000),
        )
        credit = wire.Credit(events=options.credit_events, bytes=options.credit_bytes)
        try:
            await stream.write(wire.ConsumeRequest(open=opening))
            answer = await stream.read()
            kind = answer.WhichOneof("message") if answer is not None else None
            if answer is not None and kind == "error":
                raise TidingsError.from_problem(answer.error)
            if kind != "opened":
                raise TidingsError("PROTOCOL", "the stream was not opened")
            await stream.write(wire.ConsumeRequest(credit=credit))
        except BaseException:
            stream.cancel()
            raise
        self._taken_events = self._taken_bytes = 0
        self._topics.clear()
        return stream

    async def _drive(self, first: _ConsumeStream) -> None:
        """Keeps a stream open until the consumer is closed or fails for good."""
        stream: _ConsumeStream | None = first
        while True:
            try:
                if stream is None:
                    stream = await self._attach()
                    self.reconnects += 1
                await self._run(stream)
                return
            except TidingsError as error:
                fault = error
            except Exception as error:  # a fault of this library must not hang its callers
                fault = TidingsError("PROTOCOL", repr(error))
            finally:
                if stream is not None:
                    stream.cancel()
                stream = None
            self._lost()
            again = fault.is_retryable or fault.code == "SUBSCRIPTION_BUSY"
            again = again and self._options.reconnect and not self._closing
            delay = self._attempts.next_delay(fault.retry_after) if again else None
            if delay is None:
                self._failed = fault
                self._news.set()
                return
            await asyncio.sleep(delay)

    def _lost(self) -> None:
        """Events that nobody has seen come again; word of a gap does not."""
        self._items = deque(item for item in self._items if isinstance(item, Gap))
        self._asks.clear()
        for asked in (self._acks, self._extensions):
            asked.fail(TidingsError("CONNECTION_LOST", "not confirmed before the connection broke"))

    async def _run(self, stream: _ConsumeStream) -> None:
        """Serves one stream: raises why it broke, returns when it was closed."""
        writer = asyncio.create_task(self._write(stream))
        try:
            while True:
                message = await stream.read()
                if message is None:
                    if self._closing:
                        return
                    raise TidingsError("CONNECTION_LOST", "the service ended the stream")
                self._attempts.progress()
                self._take(message)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    def _take(self, message: wire.ConsumeResponse) -> None:
        kind = message.WhichOneof("message")
        if kind == "delivery":
            topic = self._topics.get(message.delivery.topic_id, "")
            self._items.append(Delivery(topic, message.delivery))
            self._news.set()
        elif kind == "topic":
            self._topics[message.topic.topic_id] = message.topic.name
        elif kind == "gap":
            self._items.append(self._gap(message.gap))
            self._news.set()
        elif kind == "confirmed":
            _answer(self._acks, message.confirmed)
        elif kind == "extended":
            _answer(self._extensions, message.extended)
        elif kind == "error":
            raise TidingsError.from_problem(message.error)

    def _gap(self, gap: wire.Gap) -> Gap:
        topic = self._topics.get(gap.topic_id, "")
        first: int = getattr(gap, "from")  # a keyword here
        return Gap(topic, gap.partition, gap.epoch, first, gap.to, gap.count, gap.reason)

    async def _write(self, stream: _ConsumeStream) -> None:
        """Writes what there is; a broken stream is told by its reader."""
        with suppress(TidingsError):
            while True:
                while self._asks:
                    await stream.write(self._asks.popleft())
                if self._closing:
                    await stream.done_writing()
                    return
                self._work.clear()
                await self._work.wait()

    def _ask(self, request: wire.ConsumeRequest) -> None:
        if self._failed is not None:
            raise self._failed
        self._asks.append(request)
        self._work.set()

    async def __anext__(self) -> Delivery | Gap:
        item = await self.next()
        if item is None:
            raise StopAsyncIteration
        return item

    def __aiter__(self) -> Consumer:
        return self

    async def next(self, timeout: float | None = None) -> Delivery | Gap | None:
        """The next delivery or gap; `None` after `timeout` seconds without one, or after close."""
        if not await self._wait(timeout):
            return None
        item = self._items.popleft()
        if isinstance(item, Delivery):
            self._top_up(len(item), len(item.body))
        return item

    async def _wait(self, timeout: float | None) -> bool:
        """Whether there is an item, after waiting for one."""

        async def come() -> None:
            while not self._items:
                if self._failed is not None:
                    raise self._failed
                if self._closing:
                    return
                self._news.clear()
                await self._news.wait()

        if timeout is None:
            await come()
        else:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(come(), timeout)
        return bool(self._items)

    async def pull(self, max_events: int = 100, timeout: float = 5.0) -> list[DeliveredEvent | Gap]:
        """At most so many events that are there, waiting up to `timeout` seconds for the first.

        What it returns counts as given, so that `ack` and `nack` take it; the rest stays.
        """
        pulled: list[DeliveredEvent | Gap] = []
        if not await self._wait(timeout):
            return pulled
        while self._items and len(pulled) < max_events:
            item = self._items.popleft()
            if isinstance(item, Gap):
                pulled.append(item)
                continue
            part, rest = item.split(max_events - len(pulled))
            pulled.extend(part)
            self._top_up(len(part), len(part.body))
            if rest is not None:
                self._items.appendleft(rest)
        return pulled

    def _top_up(self, events: int, size: int) -> None:
        """Gives back the credit of what was taken, a quarter of the window at a time."""
        self._taken_events += events
        self._taken_bytes += size
        options = self._options
        is_due = (
            self._taken_events * 4 >= options.credit_events
            or self._taken_bytes * 4 >= options.credit_bytes
        )
        if is_due and self._failed is None:
            credit = wire.Credit(events=self._taken_events, bytes=self._taken_bytes)
            self._ask(wire.ConsumeRequest(credit=credit))
            self._taken_events = self._taken_bytes = 0

    def ack(self, settled: Settled) -> Ack:
        """Settles a delivery, or single events of it.

        They free their place at once. The answer resolves (`await` it) when they are settled
        durably, and fails with `CONNECTION_LOST` when they will come again.
        """
        runs = _runs(settled)
        self._ask(wire.ConsumeRequest(ack=wire.Ack(runs=_position_runs(runs))))
        return self._acks.add(runs)

    def nack(self, settled: Settled, delay: float = 0.0) -> None:
        """Gives events back, to be delivered again after so many seconds."""
        nack = wire.Nack(runs=_position_runs(_runs(settled)), delay_ms=round(delay * 1000))
        self._ask(wire.ConsumeRequest(nack=nack))

    def extend(self, settled: Settled, by: float) -> Ack:
        """Gives events more time: their deadline is so many seconds from now.

        The answer resolves when it was moved, and counts as stale what was not in flight any more.
        Only with an `ack_deadline`.
        """
        if self._options.ack_deadline is None:
            raise TidingsError("FIELD_INVALID", "this consumer has no ack deadline", field="by")
        runs = _runs(settled)
        extend = wire.Extend(runs=_position_runs(runs), by_ms=round(by * 1000))
        self._ask(wire.ConsumeRequest(extend=extend))
        return self._extensions.add(runs)

    async def close(self) -> None:
        """Waits for the confirmation of what was acknowledged, then detaches.

        When it returns, the next consumer finds the subscription free.
        """
        waiting = [asyncio.wrap_future(ack.future) for ack in self._acks.waiting()]
        if waiting:
            await asyncio.wait(waiting, timeout=_GOODBYE_SECONDS)
            for one in waiting:
                one.cancel()
        self._closing = True
        self._work.set()
        self._news.set()
        if self._driver is not None:
            await asyncio.wait([self._driver], timeout=_GOODBYE_SECONDS)
            self._driver.cancel()
            await asyncio.gather(self._driver, return_exceptions=True)
        self._items.clear()
        self._lost()

    async def __aenter__(self) -> Consumer:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def _runs(settled: Settled) -> tuple[Run, ...]:
    if isinstance(settled, (Delivery, DeliveredEvent)):
        return settled.runs
    runs: list[Run] = []
    for event in settled:
        (run,) = event.runs
        if runs and run[:3] == runs[-1][:3] and run.first == runs[-1].last + 1:
            runs[-1] = runs[-1]._replace(last=run.last)
        else:
            runs.append(run)
    return tuple(runs)


def _position_runs(runs: tuple[Run, ...]) -> list[wire.PositionRun]:
    return [wire.PositionRun(**run._asdict()) for run in runs]


def _answer(asked: Acks, said: wire.AckConfirmed | wire.Extended) -> None:
    for run in said.runs:
        asked.answered(_run(run), stale=False)
    for run in said.stale:
        asked.answered(_run(run), stale=True)


def _run(run: wire.PositionRun) -> Run:
    return Run(run.topic_id, run.epoch, run.partition, run.first, run.last)
