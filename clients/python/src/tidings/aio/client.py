"""The client: one connection, its questions, its publishers and consumers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, cast

from tidings import _rpc
from tidings._backoff import Attempts, Backoff
from tidings._queue import placed
from tidings._receipt import Outcome, Placed
from tidings._rpc import Answer, Ask, Connection, Method
from tidings._times import Time, to_nanos
from tidings.aio.consumer import Consumer, ConsumerOptions
from tidings.aio.publisher import Publisher, PublisherOptions
from tidings.errors import TidingsError
from tidings.event import EventLike, to_event
from tidings.v1 import admin_pb2 as admin
from tidings.v1.consumer_pb2 import Position
from tidings.v1.event_pb2 import Event
from tidings.v1.publisher_pb2 import (
    DescribeRequest,
    DescribeResponse,
    Durability,
    PublishRequest,
)

#: `memory` is acknowledged before it is on disk and lost by a crash.
DurabilityName = Literal["memory", "durable", "replicated"]
#: `latest`, `earliest`, a time, or exact positions.
Start = Literal["latest", "earliest"] | Time | Sequence[Position]
#: What a last value may be of.
AnalysisKind = Literal["indicators", "patterns", "anomalies", "correlations", "summary"]


@dataclass(frozen=True, slots=True)
class LastValue:
    """The newest event of a kind about an instrument, and where it is stored."""

    topic: str
    position: Position
    event: Event


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it lies in the log."""

    offset: int
    #: When the service took it in, nanoseconds since 1970.
    ingested_at: int
    event: Event


class Client:
    """A connection to a service at `host:port` or `http://host:port`.

    `timeout` is in seconds, of each question with its repeats.
    """

    def __init__(self, address: str = "127.0.0.1:8080", *, timeout: float = 30.0) -> None:
        self._connection = Connection(address)
        self._timeout = timeout
        self._attached: list[Publisher | Consumer] = []

    # Publishing

    async def publish(
        self,
        event: EventLike,
        *,
        topic: str | None = None,
        durability: DurabilityName | None = None,
    ) -> Placed:
        """Stores one event and says where; raises when it is refused.

        Repeats itself while the service asks for patience or cannot be reached: the event's id
        keeps it from being stored twice.
        """
        outcomes = await self.publish_many([event], topic=topic, durability=durability)
        if isinstance(outcomes[0], TidingsError):
            raise outcomes[0]
        return outcomes[0]

    async def publish_many(
        self,
        events: Iterable[EventLike],
        *,
        topic: str | None = None,
        atomic: bool = False,
        durability: DurabilityName | None = None,
    ) -> list[Outcome]:
        """Stores events, with an outcome for each in the order given: `Placed` or the refusal.

        `atomic` stores all or raises `BATCH_ABORTED` and stores none.
        """
        outcomes: list[Outcome | None] = []
        request = PublishRequest(topic=topic or "", atomic=atomic)
        for event in events:
            try:
                request.events.append(to_event(event))
                outcomes.append(None)
            except TidingsError as error:
                if atomic:
                    raise
                outcomes.append(error)
        if durability is not None:
            request.durability = _durability(durability)
        if None not in outcomes and outcomes:
            return [outcome for outcome in outcomes if outcome is not None]
        answered = iter((await self._ask(_rpc.PUBLISH, request)).results)
        merged = [outcome or placed(next(answered)) for outcome in outcomes]
        if atomic:
            _all_or_none(merged)
        return merged

    async def describe(self) -> DescribeResponse:
        """Templates, topics, partition counts and limits."""
        return await self._ask(_rpc.DESCRIBE, DescribeRequest())

    async def publisher(
        self, producer_id: str | None = None, *, options: PublisherOptions | None = None
    ) -> Publisher:
        """Opens a stream of events; with a producer id, in order and never stored twice."""
        options = options or PublisherOptions(producer_id=producer_id)
        publisher = Publisher(self._connection, options, self._timeout)
        await publisher._start()
        self._attached.append(publisher)
        return publisher

    # Consuming

    async def consumer(
        self, subscription: str, *, options: ConsumerOptions | None = None
    ) -> Consumer:
        """Attaches to a subscription."""
        options = options or ConsumerOptions(subscription=subscription)
        consumer = Consumer(self._connection, options)
        await consumer._start()
        self._attached.append(consumer)
        return consumer

    async def last_value(
        self,
        kind: AnalysisKind,
        instrument: str,
        *,
        timeframe: str | None = None,
        venue: str | None = None,
        final_only: bool = False,
    ) -> LastValue:
        """The newest event of a kind about an instrument."""
        request = admin.GetLastValueRequest(
            kind=kind,
            instrument=instrument,
            timeframe=timeframe or "",
            venue=venue or "",
            final_only=final_only,
        )
        answer = await self._ask(_rpc.GET_LAST_VALUE, request)
        return LastValue(answer.topic, answer.position, Event.FromString(answer.event))

    # Topics

    async def topics(self) -> AsyncIterator[admin.Topic]:
        """All topics, in the order of their names."""
        cursor = ""
        while True:
            request = admin.ListTopicsRequest(page=admin.Page(cursor=cursor))
            answer = await self._ask(_rpc.LIST_TOPICS, request)
            for topic in answer.topics:
                yield topic
            cursor = answer.next
            if not cursor:
                return

    async def topic(self, name: str) -> admin.Topic:
        """One topic."""
        return await self._ask(_rpc.GET_TOPIC, admin.GetTopicRequest(name=name))

    async def put_topic(
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
        request = admin.PutTopicRequest(name=name, partitions=partitions, if_match=if_match or "")
        if retention_seconds is not None or retention_bytes is not None:
            retention = admin.Retention(seconds=retention_seconds or 0, bytes=retention_bytes)
            request.retention.CopyFrom(retention)
        if durability is not None:
            request.durability = _durability(durability)
        return (await self._ask(_rpc.PUT_TOPIC, request)).topic

    async def delete_topic(self, name: str, *, if_match: str | None = None) -> None:
        """Deletes a topic and its events."""
        request = admin.DeleteTopicRequest(name=name, if_match=if_match or "")
        await self._ask(_rpc.DELETE_TOPIC, request)

    async def guarantees(self, name: str) -> admin.Guarantees:
        """What the running configuration really promises for a topic, and why."""
        return await self._ask(_rpc.GET_GUARANTEES, admin.GetGuaranteesRequest(name=name))

    async def browse(
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
        request = admin.BrowseTopicRequest(name=topic, partition=partition, limit=limit)
        if offset is not None:
            request.offset = offset
        elif time is not None:
            request.time = to_nanos(time, "time")
        answer = await self._ask(_rpc.BROWSE_TOPIC, request)
        return [
            StoredEvent(stored.offset, stored.ingested_at, Event.FromString(stored.event))
            for stored in answer.events
        ]

    # Subscriptions

    async def subscriptions(self) -> AsyncIterator[admin.Subscription]:
        """All subscriptions, in the order of their names."""
        cursor = ""
        while True:
            request = admin.ListSubscriptionsRequest(page=admin.Page(cursor=cursor))
            answer = await self._ask(_rpc.LIST_SUBSCRIPTIONS, request)
            for subscription in answer.subscriptions:
                yield subscription
            cursor = answer.next
            if not cursor:
                return

    async def subscription(self, name: str) -> admin.Subscription:
        """One subscription."""
        request = admin.GetSubscriptionRequest(name=name)
        return await self._ask(_rpc.GET_SUBSCRIPTION, request)

    async def create_subscription(
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
        request = admin.CreateSubscriptionRequest(
            name=name,
            topics=topics,
            delivery=delivery.upper(),
            start=_start(start),
            max_in_flight=max_in_flight,
            labels=labels,
            owner=owner or "",
            ack_deadline_ms=None if ack_deadline is None else round(ack_deadline * 1000),
            filter=where or "",
            mode=mode.upper(),
            sharing=sharing.upper(),
            retry=retry,
            batch=batch,
        )
        return (await self._ask(_rpc.CREATE_SUBSCRIPTION, request)).subscription

    async def update_subscription(
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
        request = admin.UpdateSubscriptionRequest(
            name=name,
            topics=topics,
            filter=where,
            mode=None if mode is None else mode.upper(),
            max_in_flight=max_in_flight,
            retry=retry,
            if_match=if_match or "",
        )
        return (await self._ask(_rpc.UPDATE_SUBSCRIPTION, request)).subscription

    async def pause_subscription(self, name: str) -> admin.Subscription:
        """Stops a subscription from sending until it is resumed."""
        request = admin.PauseSubscriptionRequest(name=name)
        return (await self._ask(_rpc.PAUSE_SUBSCRIPTION, request)).subscription

    async def resume_subscription(self, name: str) -> admin.Subscription:
        """Lets a paused subscription send again."""
        request = admin.ResumeSubscriptionRequest(name=name)
        return (await self._ask(_rpc.RESUME_SUBSCRIPTION, request)).subscription

    async def test_subscription(
        self,
        name: str = "",
        *,
        topics: Sequence[str] | None = None,
        where: str | None = None,
        samples: int = 10,
    ) -> admin.TestSubscriptionResponse:
        """What a subscription, or topics and a filter alone, match in what is kept; see `next`."""
        request = admin.TestSubscriptionRequest(
            name=name, topics=topics, filter=where, samples=samples
        )
        return await self._ask(_rpc.TEST_SUBSCRIPTION, request)

    async def delete_subscription(self, name: str, *, if_match: str | None = None) -> None:
        """Deletes a subscription and its progress."""
        request = admin.DeleteSubscriptionRequest(name=name, if_match=if_match or "")
        await self._ask(_rpc.DELETE_SUBSCRIPTION, request)

    async def subscription_status(self, name: str) -> admin.SubscriptionStatus:
        """Lag, what is in flight, who is attached."""
        request = admin.GetSubscriptionStatusRequest(name=name)
        return await self._ask(_rpc.GET_SUBSCRIPTION_STATUS, request)

    async def _ask(self, method: Method[Ask, Answer], message: Ask) -> Answer:
        """Asks, and again while that may help and there is time. Every question is repeatable."""
        attempts = Attempts(Backoff())
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timeout
        while True:
            try:
                return await self._connection.ask(method, message, max(end - loop.time(), 0.001))
            except TidingsError as error:
                delay = attempts.next_delay(error.retry_after) if error.is_retryable else None
                if delay is None or loop.time() + delay >= end:
                    raise
            await asyncio.sleep(delay)

    async def close(self) -> None:
        """Closes what was opened by it, and the connection."""
        for attached in self._attached:
            if isinstance(attached, Publisher):
                await attached._stop()
            else:
                await attached.close()
        self._attached.clear()
        await self._connection.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def _all_or_none(outcomes: list[Outcome]) -> None:
    """Raises what kept an atomic batch from being stored."""
    faults = [(at, one) for at, one in enumerate(outcomes) if isinstance(one, TidingsError)]
    culprits = [fault for fault in faults if fault[1].code != "BATCH_ABORTED"]
    for at, error in culprits or faults:
        field = f"events[{at}]" + (f".{error.field}" if error.field else "")
        detail = f"nothing is stored: event {at} was refused with {error.code}: {error.detail}"
        raise TidingsError("BATCH_ABORTED", detail, field=field, hint=error.hint, status=422)


def _durability(name: DurabilityName) -> Durability:
    return cast(Durability, Durability.Value(name.upper()))


def _start(start: Start) -> admin.Start:
    if start == "latest":
        return admin.Start(latest=admin.Start.Latest())
    if start == "earliest":
        return admin.Start(earliest=admin.Start.Earliest())
    if isinstance(start, Sequence) and not isinstance(start, str):
        return admin.Start(positions=admin.Start.Positions(positions=start))
    return admin.Start(time=to_nanos(start, "start"))
