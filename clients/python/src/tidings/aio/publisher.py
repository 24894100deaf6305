"""The publisher: batches what comes, sends it as credit allows, repeats what was not answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

from tidings._backoff import Attempts, Backoff
from tidings._place import Routes
from tidings._queue import Answered, Queue
from tidings._receipt import Outcome, Receipt
from tidings._rpc import DESCRIBE, PUBLISH_STREAM, Connection, Stream
from tidings.errors import TidingsError
from tidings.event import EventLike, to_event
from tidings.v1 import event_pb2
from tidings.v1.publisher_pb2 import (
    DescribeRequest,
    PublishOpen,
    PublishStreamRequest,
    PublishStreamResponse,
)

_PublishStream = Stream[PublishStreamRequest, PublishStreamResponse]


@dataclass(frozen=True, kw_only=True)
class PublisherOptions:
    """How a publisher sends."""

    #: Names this producer, `[A-Za-z0-9._-]{1,64}`: what it sends is kept in order and never stored
    #: twice. `None`: repeats are recognised by (source, id) only.
    producer_id: str | None = None
    #: The epoch an earlier instance was granted, to go on with its sequences.
    producer_epoch: int | None = None
    #: Everything goes to this topic; `None` leaves it to the service's templates.
    topic: str | None = None
    #: A block is full at this many bytes.
    block_bytes: int = 64 << 10
    #: Bytes sent and unanswered; the service may grant less.
    in_flight_bytes: int = 4 << 20
    #: Bytes without an outcome above which `send` waits.
    buffer_bytes: int = 16 << 20
    #: Between attempts to connect, and when the service asks for patience.
    backoff: Backoff = field(default_factory=Backoff)


class Publisher:
    """Sends events; those of one caller are stored in the order of its calls, per partition.

    Made by `Client.publisher`.
    """

    def __init__(self, connection: Connection, options: PublisherOptions, timeout: float) -> None:
        self._connection = connection
        self._options = options
        self._timeout = timeout
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        #: There is something to send.
        self._work = asyncio.Event()
        #: Something was answered, or everything failed.
        self._progress = asyncio.Event()
        self._epoch = options.producer_epoch
        self._queue: Queue
        self._attempts = Attempts(options.backoff)
        self._driver: asyncio.Task[None] | None = None
        self._resume_at = 0.0

    async def _start(self) -> None:
        options = self._options
        block_bytes = min(options.block_bytes, 1 << 20)
        self._queue = Queue(options.producer_id is not None, block_bytes, await self._routes())
        stream = await self._connect()
        self._driver = asyncio.create_task(self._drive(stream))

    async def _routes(self) -> Routes:
        described = await self._connection.ask(DESCRIBE, DescribeRequest(), self._timeout)
        return Routes.of(described, self._options.topic)

    async def _connect(self) -> _PublishStream:
        stream = self._connection.stream(PUBLISH_STREAM)
        opening = PublishOpen(producer_id=self._options.producer_id or "")
        if self._epoch is not None:
            opening.producer_epoch = self._epoch
        try:
            await stream.write(PublishStreamRequest(open=opening))
            answer = await stream.read()
            if answer is None or answer.WhichOneof("message") != "opened":
                raise TidingsError("PROTOCOL", "the stream was not opened")
        except BaseException:
            stream.cancel()
            raise
        with self._lock:
            if self._options.producer_id is not None:
                self._epoch = answer.opened.producer_epoch
            self._queue.opened(answer.opened, self._options.in_flight_bytes)
        return stream

    async def _drive(self, first: _PublishStream) -> None:
        """Keeps a stream open until it is closed or fails for good."""
        stream: _PublishStream | None = first
        while True:
            try:
                stream = stream or await self._connect()
                if self._queue.needs_routes:
                    await self._refresh()
                await self._run(stream)
            except TidingsError as error:
                fault = error
            except Exception as error:  # a fault of this library must not hang its callers
                fault = TidingsError("PROTOCOL", repr(error))
            finally:
                if stream is not None:
                    stream.cancel()
                stream = None
            with self._lock:
                self._queue.lost()
            delay = self._attempts.next_delay(fault.retry_after) if fault.is_retryable else None
            if delay is None:
                self._fail(fault)
                return
            await asyncio.sleep(delay)

    async def _run(self, stream: _PublishStream) -> None:
        """Serves one stream until it breaks, and raises why."""
        tasks = [asyncio.create_task(self._read(stream)), asyncio.create_task(self._write(stream))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0] not in done:
                # A write failed: the answers say why.
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(asyncio.shield(tasks[0]), 5.0)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome

    async def _read(self, stream: _PublishStream) -> None:
        while True:
            answer = await stream.read()
            if answer is None:
                raise TidingsError("CONNECTION_LOST", "the service ended the stream")
            with self._lock:
                answered = self._queue.answered(answer.ack)
            await self._took(answered)
            self._work.set()
            self._progress.set()

    async def _took(self, answered: Answered) -> None:
        if answered.pause is not None:
            delay = self._attempts.next_delay(answered.pause.retry_after)
            if delay is None:
                raise answered.pause
            self._resume_at = self._loop.time() + delay
            return
        self._attempts.progress()
        if answered.stale_routes:
            await self._refresh()

    async def _refresh(self) -> None:
        """Asks where events go now; what waits for that is grouped anew."""
        routes = await self._routes()
        with self._lock:
            self._queue.set_routes(routes)
        self._work.set()

    async def _write(self, stream: _PublishStream) -> None:
        while True:
            patience = self._resume_at - self._loop.time()
            if patience > 0:
                await asyncio.sleep(patience)
            with self._lock:
                block = self._queue.take()
                if block is None:
                    self._work.clear()
            if block is None:
                await self._work.wait()
            else:
                await stream.write(PublishStreamRequest(block=block))

    def _fail(self, error: TidingsError) -> None:
        with self._lock:
            self._queue.fail(error)
        self._progress.set()

    def _try_send(self, message: event_pb2.Event) -> Receipt | None:
        """Takes an event unless the buffer is full. Any thread may call it."""
        with self._lock:
            held = self._queue.held_bytes
            if held > 0 and held >= self._options.buffer_bytes and self._queue.failed is None:
                return None
            was_idle = not self._queue.is_sendable
            receipt = self._queue.push(message)
            wake = was_idle and self._queue.is_sendable
        if wake:
            self._loop.call_soon_threadsafe(self._work.set)
        return receipt

    async def _send(self, message: event_pb2.Event) -> Receipt:
        while True:
            receipt = self._try_send(message)
            if receipt is not None:
                return receipt
            self._progress.clear()
            await self._progress.wait()

    async def send(self, event: EventLike) -> Receipt:
        """Takes one event; waits while the buffer is full. `await` the receipt for its place."""
        return await self._send(to_event(event))

    async def publish(self, events: Iterable[EventLike]) -> list[Outcome]:
        """Sends events and waits for what became of each, in the order given."""
        taken: list[Receipt | TidingsError] = []
        for event in events:
            try:
                taken.append(await self.send(event))
            except TidingsError as error:
                taken.append(self._refused(error))
        return [await _outcome(receipt) for receipt in taken]

    def _refused(self, error: TidingsError) -> TidingsError:
        """What is wrong with one event is its outcome; that of the publisher is raised."""
        if self._queue.failed is not None:
            raise error
        return error

    async def flush(self) -> None:
        """Waits until everything taken so far has its outcome."""
        while True:
            with self._lock:
                failed, is_empty = self._queue.failed, self._queue.is_empty
            if failed is not None:
                raise failed
            if is_empty:
                return
            self._progress.clear()
            await self._progress.wait()

    async def close(self) -> None:
        """Flushes and ends the stream."""
        try:
            await self.flush()
        finally:
            await self._stop()

    async def _stop(self) -> None:
        if self._driver is not None:
            self._driver.cancel()
            await asyncio.gather(self._driver, return_exceptions=True)
        if self._queue.failed is None:
            self._fail(TidingsError("CLOSED", "the publisher is closed"))

    @property
    def producer_epoch(self) -> int | None:
        """The epoch the service granted this producer."""
        return self._epoch

    async def __aenter__(self) -> Publisher:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            await self.close()
        else:
            await self._stop()


async def _outcome(receipt: Receipt | TidingsError) -> Outcome:
    if isinstance(receipt, TidingsError):
        return receipt
    try:
        return await receipt
    except TidingsError as error:
        return error
