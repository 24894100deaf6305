"""The client for programs without asyncio: the same, run by a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, TypeVar

from tidings import aio
from tidings._acks import Ack
from tidings._receipt import Outcome, Placed, Receipt
from tidings._times import Time
from tidings.aio.client import AnalysisKind, DurabilityName, LastValue, Start, StoredEvent
from tidings.aio.consumer import ConsumerOptions, Settled
from tidings.aio.publisher import PublisherOptions
from tidings.delivery import DeliveredEvent, Delivery, Gap
from tidings.errors import TidingsError
from tidings.event import EventLike, to_event
from tidings.v1 import admin_pb2 as admin
from tidings.v1.publisher_pb2 import DescribeResponse

T = TypeVar("T")


class _Worker:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="tidings-client", daemon=True
        )
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Waits for the outcome of a coroutine; an interrupt cancels it."""
        if self._loop.is_closed():
            work.close()
            raise TidingsError("CLOSED", "the client is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """Ends the thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


class Publisher:
    """Sends events; those of one caller are stored in the order of its calls, per partition."""

    def __init__(self, worker: _Worker, publisher: aio.Publisher) -> None:
        self._worker = worker
        self._publisher = publisher

    def send(self, event: EventLike) -> Receipt:
        """Takes one event; waits while the buffer is full. `result()` of the receipt says where."""
        message = to_event(event)
        receipt = self._publisher._try_send(message)
        return receipt or self._worker.run(self._publisher._send(message))

    def publish(self, events: Iterable[EventLike]) -> list[Outcome]:
        """Sends events and waits for what became of each, in the order given."""
        taken: list[Receipt | TidingsError] = []
        for event in events:
            try:
                taken.append(self.send(event))
            except TidingsError as error:
                taken.append(self._publisher._refused(error))
        return [one.outcome() if isinstance(one, Receipt) else one for one in taken]

    def flush(self) -> None:
        """Waits until everything taken so far has its outcome."""
        self._worker.run(self._publisher.flush())

    def close(self) -> None:
        """Flushes and ends the stream."""
        self._worker.run(self._publisher.close())

    @property
    def producer_epoch(self) -> int | None:
        """The epoch the service granted this producer."""
        return self._publisher.producer_epoch

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._worker.run(self._publisher.__aexit__(kind, error, trace))


class Consumer:
    """A live attachment to a subscription: an iterator of deliveries and gaps.

    When the connection breaks it attaches again by itself; what was not confirmed then comes again,
    flagged `redelivered`.
    """

    def __init__(self, worker: _Worker, consumer: aio.Consumer) -> None:
        self._worker = worker
        self._consumer = consumer

    def __iter__(self) -> Iterator[Delivery | Gap]:
        while (item := self.next()) is not None:
            yield item

    def next(self, timeout: float | None = None) -> Delivery | Gap | None:
        """The next delivery or gap; `None` after `timeout` seconds without one, or after close."""
        return self._worker.run(self._consumer.next(timeout))

    def pull(self, max_events: int = 100, timeout: float = 5.0) -> list[DeliveredEvent | Gap]:
        """At most so many events that are there, waiting up to `timeout` seconds for the first."""
        return self._worker.run(self._consumer.pull(max_events, timeout))

    def ack(self, settled: Settled) -> Ack:
        """Settles a delivery, or single events of it; `result()` waits until that is durable."""

        async def ack() -> Ack:
            return self._consumer.ack(settled)

        return self._worker.run(ack())

    def nack(self, settled: Settled, delay: float = 0.0) -> None:
        """Gives events back, to be delivered again after so many seconds."""

        async def nack() -> None:
            self._consumer.nack(settled, delay)

        self._worker.run(nack())

    def extend(self, settled: Settled, by: float) -> Ack:
        """Gives events more time before their `ack_deadline`: so many seconds from now."""

        async def extend() -> Ack:
            return self._consumer.extend(settled, by)

        return self._worker.run(extend())

    @property
    def reconnects(self) -> int:
        """How often it attached again."""
        return self._consumer.reconnects

    def close(self) -> None:
        """Waits for the confirmation of what was acknowledged, then detaches."""
        self._worker.run(self._consumer.close())

    def __enter__(self) -> Consumer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Client:
    """A connection to a service at `host:port` or `http://host:port`.

    Every method is that of `tidings.aio.Client`, and returns when it is done. Several threads may
    share a client. `timeout` is in seconds, of each question with its repeats.
    """

    def __init__(self, address: str = "127.0.0.1:8080", *, timeout: float = 30.0) -> None:
        self._worker = _Worker()

        async def connect() -> aio.Client:
            return aio.Client(address, timeout=timeout)

        try:
            self._client = self._worker.run(connect())
        except BaseException:
            self._worker.stop()
            raise

    def publish(
        self,
        event: EventLike,
        *,
        topic: str | None = None,
        durability: DurabilityName | None = None,
    ) -> Placed:
        """Stores one event and says where; raises when it is refused."""
        return self._worker.run(self._client.publish(event, topic=topic, durability=durability))

    def publish_many(
        self,
        events: Iterable[EventLike],
        *,
        topic: str | None = None,
        atomic: bool = False,
        durability: DurabilityName | None = None,
    ) -> list[Outcome]:
        """Stores events, with an outcome for each in the order given: `Placed` or the refusal."""
        work = self._client.publish_many(events, topic=topic, atomic=atomic, durability=durability)
        return self._worker.run(work)

    def describe(self) -> DescribeResponse:
        """Templates, topics, partition counts and limits."""
        return self._worker.run(self._client.describe())

    def publisher(
        self, producer_id: str | None = None, *, options: PublisherOptions | None = None
    ) -> Publisher:
        """Opens a stream of events; with a producer id, in order and never stored twice."""
        publisher = self._worker.run(self._client.publisher(producer_id, options=options))
        return Publisher(self._worker, publisher)

    def consumer(self, subscription: str, *, options: ConsumerOptions | None = None) -> Consumer:
        """Attaches to a subscription."""
        consumer = self._worker.run(self._client.consumer(subscription, options=options))
        return Consumer(self._worker, consumer)

    def last_value(
        self,
        kind: AnalysisKind,
        instrument: str,
        *,
        timeframe: str | None = None,
        venue: str | None = None,
        final_only: bool = False,
    ) -> LastValue:
        """The newest event of a kind about an instrument."""
        work = self._client.last_value(
            kind, instrument, timeframe=timeframe, venue=venue, final_only=final_only
        )
        return self._worker.run(work)

    def topics(self) -> list[admin.Topic]:
        """All topics, in the order of their names."""
        return self._worker.run(_all(self._client.topics()))

    def topic(self, name: str) -> admin.Topic:
        """One topic."""
        return self._worker.run(self._client.topic(name))

    def put_topic(
        self,
        name: str,
        *,
        partitions: int | None = None,
        retention_seconds: int | None = None,
        retention_bytes: int | None = None,
        durability: DurabilityName | None = None,
        if_match: str | None = None,
    ) -> admin.Topic:
        """Creates a topic or changes what may change; the same again does nothing."""
        work = self._client.put_topic(
            name,
            partitions=partitions,
            retention_seconds=retention_seconds,
            retention_bytes=retention_bytes,
            durability=durability,
            if_match=if_match,
        )
        return self._worker.run(work)

    def delete_topic(self, name: str, *, if_match: str | None = None) -> None:
        """Deletes a topic and its events."""
        self._worker.run(self._client.delete_topic(name, if_match=if_match))

    def guarantees(self, name: str) -> admin.Guarantees:
        """What the running configuration really promises for a topic, and why."""
        return self._worker.run(self._client.guarantees(name))

    def browse(
        self,
        topic: str,
        partition: int = 0,
        *,
        offset: int | None = None,
        time: Time | None = None,
        limit: int = 100,
    ) -> list[StoredEvent]:
        """Stored events of one partition from an offset, a time, or the oldest; empty at the tail.

        It may return fewer than `limit` before the tail: go on at the last offset plus one.
        """
        work = self._client.browse(topic, partition, offset=offset, time=time, limit=limit)
        return self._worker.run(work)

    def subscriptions(self) -> list[admin.Subscription]:
        """All subscriptions, in the order of their names."""
        return self._worker.run(_all(self._client.subscriptions()))

    def subscription(self, name: str) -> admin.Subscription:
        """One subscription."""
        return self._worker.run(self._client.subscription(name))

    def create_subscription(
        self,
        name: str,
        topics: Sequence[str],
        *,
        start: Start = "latest",
        delivery: Literal["stream", "pull"] = "stream",
        max_in_flight: int | None = None,
        ack_deadline: float | None = None,
        labels: Mapping[str, str] | None = None,
        owner: str | None = None,
        where: str | None = None,
        mode: Literal["ordered", "parallel"] = "ordered",
        sharing: Literal["exclusive", "failover", "group"] = "exclusive",
        retry: admin.Retry | None = None,
        batch: admin.Batch | None = None,
    ) -> admin.Subscription:
        """Creates a subscription; the same again does nothing, another is `SUBSCRIPTION_EXISTS`.

        `topics` are patterns: `*` is one segment, `**` the rest. `where` is a filter on
        their events.
        """
        work = self._client.create_subscription(
            name,
            topics,
            start=start,
            delivery=delivery,
            max_in_flight=max_in_flight,
            ack_deadline=ack_deadline,
            labels=labels,
            owner=owner,
            where=where,
            mode=mode,
            sharing=sharing,
            retry=retry,
            batch=batch,
        )
        return self._worker.run(work)

    def update_subscription(
        self,
        name: str,
        *,
        topics: Sequence[str] | None = None,
        where: str | None = None,
        mode: Literal["ordered", "parallel"] | None = None,
        max_in_flight: int | None = None,
        retry: admin.Retry | None = None,
        if_match: str | None = None,
    ) -> admin.Subscription:
        """Changes a subscription; what is `None` stays, and the empty filter `where` is all events.

        Other topics or another filter hold from the `boundary` of the answer on.
        """
        work = self._client.update_subscription(
            name,
            topics=topics,
            where=where,
            mode=mode,
            max_in_flight=max_in_flight,
            retry=retry,
            if_match=if_match,
        )
        return self._worker.run(work)

    def pause_subscription(self, name: str) -> admin.Subscription:
        """Stops a subscription from sending until it is resumed."""
        return self._worker.run(self._client.pause_subscription(name))

    def resume_subscription(self, name: str) -> admin.Subscription:
        """Lets a paused subscription send again."""
        return self._worker.run(self._client.resume_subscription(name))

    def test_subscription(
        self,
        name: str = "",
        *,
        topics: Sequence[str] | None = None,
        where: str | None = None,
        samples: int = 10,
    ) -> admin.TestSubscriptionResponse:
        """What a subscription, or topics and a filter alone, match in what is kept; see `next`."""
        work = self._client.test_subscription(name, topics=topics, where=where, samples=samples)
        return self._worker.run(work)

    def delete_subscription(self, name: str, *, if_match: str | None = None) -> None:
        """Deletes a subscription and its progress."""
        self._worker.run(self._client.delete_subscription(name, if_match=if_match))

    def subscription_status(self, name: str) -> admin.SubscriptionStatus:
        """Lag, what is in flight, who is attached."""
        return self._worker.run(self._client.subscription_status(name))

    def close(self) -> None:
        """Closes what was opened by it, and the connection."""
        try:
            self._worker.run(self._client.close())
        except TidingsError as error:
            if error.code != "CLOSED":
                raise
        finally:
            self._worker.stop()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


async def _all(items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]
