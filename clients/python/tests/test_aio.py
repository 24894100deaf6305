"""The client for asyncio, against the real service."""

from __future__ import annotations

import asyncio

import pytest

import tidings
from tests.conftest import Server, indicator, number_of


async def test_published_and_consumed(shared: Server) -> None:
    async with tidings.aio.Client(shared.address) as client:
        await client.create_subscription("aio", ["analysis/indicators/5m"], start="earliest")
        assert "aio" in [subscription.name async for subscription in client.subscriptions()]
        async with await client.publisher("aio-1") as publisher:
            receipts = [await publisher.send(indicator(n)) for n in range(500)]
            places = await asyncio.gather(*receipts)
            assert [place.offset for place in places] == list(range(500))
            outcomes = await publisher.publish([indicator(500), {"source": "x", "severity": 1}])
            assert isinstance(outcomes[0], tidings.Placed)


async def test_iterated_and_acknowledged(shared: Server) -> None:
    async with tidings.aio.Client(shared.address) as client:
        await client.create_subscription("iterated", ["analysis/indicators/15m"])
        await client.publish_many(indicator(n, timeframe="15m") for n in range(50))
        numbers: list[int] = []
        async with await client.consumer("iterated") as consumer:
            async for item in consumer:
                assert isinstance(item, tidings.Delivery)
                numbers.extend(number_of(event.event) for event in item)
                await consumer.ack(item)
                if len(numbers) == 50:
                    break
        assert numbers == list(range(50))


async def test_a_cancelled_wait_loses_nothing(shared: Server) -> None:
    async with tidings.aio.Client(shared.address) as client:
        await client.create_subscription("patient", ["analysis/indicators/1h"])
        async with await client.consumer("patient") as consumer:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(consumer), 0.01)
            assert await consumer.next(0.01) is None
            await client.publish(indicator(1, timeframe="1h"))
            item = await consumer.next(30.0)
            assert isinstance(item, tidings.Delivery)
            assert (await consumer.ack(item)).confirmed == 1


async def test_closing_ends_the_iteration(shared: Server) -> None:
    async with tidings.aio.Client(shared.address) as client:
        await client.create_subscription("closed", ["analysis/summaries"])
        consumer = await client.consumer("closed")
        waiting = asyncio.create_task(anext(consumer, None))
        await asyncio.sleep(0)
        await consumer.close()
        assert await waiting is None


async def test_a_full_buffer_waits_for_room(shared: Server) -> None:
    async with tidings.aio.Client(shared.address) as client:
        options = tidings.PublisherOptions(
            producer_id="small", block_bytes=500, in_flight_bytes=1_000, buffer_bytes=2_000
        )
        async with await client.publisher(options=options) as publisher:
            outcomes = await publisher.publish(indicator(n, "FULL") for n in range(300))
        offsets = [one.offset for one in outcomes if isinstance(one, tidings.Placed)]
        assert len(offsets) == 300
        assert offsets == sorted(offsets)  # type: ignore[type-var]


async def test_without_a_producer_id_repeats_are_known_by_their_ids(shared: Server) -> None:
    async with tidings.aio.Client(shared.address) as client:
        async with await client.publisher() as publisher:
            outcomes = await publisher.publish([indicator(n, "IDS") for n in (1, 2, 1)])
        assert [o.duplicate for o in outcomes if isinstance(o, tidings.Placed)] == [
            False,
            False,
            True,
        ]
