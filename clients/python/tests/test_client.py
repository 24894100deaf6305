"""The client for threads, against the real service."""

from __future__ import annotations

import threading
import time
from typing import Any, get_args

import pyarrow
import pytest

import tidings
from tests.conftest import START, Server, indicator, number_of


def take(consumer: tidings.Consumer, count: int) -> list[tidings.DeliveredEvent]:
    """So many events, acknowledged."""
    taken: list[tidings.DeliveredEvent] = []
    while len(taken) < count:
        item = consumer.next(30.0)
        assert isinstance(item, tidings.Delivery), item
        taken.extend(item)
        consumer.ack(item)
    return taken


def test_one_event_is_stored_and_its_repeat_is_known(client: tidings.Client) -> None:
    first = client.publish(indicator(1, "ONE"))
    assert (first.topic, first.offset is not None) == ("analysis/indicators/5m", True)
    assert (first.duplicate, first.durability) == (False, "durable")
    again = client.publish(indicator(1, "ONE").to_document())
    assert (again.offset, again.duplicate) == (first.offset, True)


def test_a_batch_is_answered_event_by_event(client: tidings.Client) -> None:
    bad = {**indicator(2, "BATCH").to_document(), "timeframe": "5x"}
    outcomes = client.publish_many([indicator(1, "BATCH"), bad, indicator(3, "BATCH")])
    assert isinstance(outcomes[0], tidings.Placed)
    assert isinstance(outcomes[1], tidings.TidingsError)
    assert (outcomes[1].code, outcomes[1].field) == ("FIELD_INVALID", "timeframe")
    assert isinstance(outcomes[2], tidings.Placed)
    with pytest.raises(tidings.TidingsError, match=r"BATCH_ABORTED.*events\[1\]\.timeframe"):
        client.publish_many([indicator(4, "BATCH"), bad], atomic=True)
    (outcome,) = client.publish_many([indicator(4, "BATCH")], atomic=True)
    assert isinstance(outcome, tidings.Placed)
    assert not outcome.duplicate


def test_refusals_say_what_where_and_what_to_do(client: tidings.Client) -> None:
    with pytest.raises(tidings.TidingsError) as refused:
        client.publish({**indicator(1).to_document(), "instrument": None})
    error = refused.value
    assert (error.code, error.field, error.status) == ("FIELD_MISSING", "instrument", 400)
    assert error.request_id
    assert not error.is_retryable
    with pytest.raises(tidings.TidingsError, match="TOPIC_UNKNOWN"):
        client.publish(indicator(1), topic="no/such")
    with pytest.raises(tidings.TidingsError, match="SUBSCRIPTION_UNKNOWN"):
        client.consumer("nobody")


def test_nobody_there_is_told_within_the_timeout() -> None:
    with (
        tidings.Client("127.0.0.1:1", timeout=0.5) as client,
        pytest.raises(tidings.TidingsError) as refused,
    ):
        client.publish(indicator(1))
    assert refused.value.code in ("UNREACHABLE", "CONNECTION_LOST")


@pytest.mark.parametrize("address", ["ftp://x", "https://x:1", "http://x/path", "http://"])
def test_what_is_not_an_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        tidings.Client(address)


def test_a_closed_client_says_so(shared: Server) -> None:
    client = tidings.Client(shared.address)
    client.close()
    client.close()
    with pytest.raises(tidings.TidingsError, match="CLOSED"):
        client.publish(indicator(1))


def test_a_sequenced_publisher_keeps_order_and_answers_in_order(client: tidings.Client) -> None:
    client.create_subscription("order", ["analysis/indicators/15m"], start="earliest")
    with client.publisher("order-1") as publisher:
        assert publisher.producer_epoch is not None
        receipts = [publisher.send(indicator(n, f"O{n % 20}", "15m")) for n in range(2_000)]
        publisher.flush()
        assert all(isinstance(receipt.result(0), tidings.Placed) for receipt in receipts)
        bad = {**indicator(1, "O1", "15m").to_document(), "schema_version": "9.9"}
        outcomes = publisher.publish(
            [indicator(2_000, "O1", "15m"), bad, indicator(2_001, "O1", "15m")]
        )
        kinds = [type(outcome) for outcome in outcomes]
        assert kinds == [tidings.Placed, tidings.TidingsError, tidings.Placed]
    with pytest.raises(tidings.TidingsError, match="CLOSED"):
        publisher.send(indicator(1))
    with client.consumer("order") as consumer:
        numbers: dict[str, list[int]] = {}
        for event in take(consumer, 2_002):
            numbers.setdefault(event.event.instrument, []).append(number_of(event.event))
    assert sum(map(len, numbers.values())) == 2_002
    assert all(of_key == sorted(set(of_key)) for of_key in numbers.values())


def test_a_topic_made_with_other_partitions_is_found_out(client: tidings.Client) -> None:
    with client.publisher("early") as publisher:
        client.put_topic("analysis/indicators/1m", partitions=3)
        outcomes = publisher.publish(indicator(n, f"P{n % 9}", "1m") for n in range(90))
        places = [one for one in outcomes if isinstance(one, tidings.Placed)]
        assert len(places) == 90
        assert {one.partition for one in places} == {0, 1, 2}


def test_a_newer_producer_fences_the_older(client: tidings.Client) -> None:
    old = client.publisher("fenced")
    old.send(indicator(1, "FENCED")).result()
    with client.publisher("fenced") as new:
        new.send(indicator(2, "FENCED")).result()
        with pytest.raises(tidings.TidingsError, match="PRODUCER_FENCED"):
            old.send(indicator(3, "FENCED")).result()


def test_what_is_given_back_comes_again(client: tidings.Client) -> None:
    client.create_subscription("again", ["analysis/indicators/1h"])
    client.publish_many(indicator(n, "AGAIN", "1h") for n in range(3))
    with client.consumer("again") as consumer:
        first = consumer.next(30.0)
        assert isinstance(first, tidings.Delivery)
        events = list(first)
        while len(events) < 3:
            more = consumer.next(30.0)
            assert isinstance(more, tidings.Delivery)
            events.extend(more)
        assert consumer.ack(events[:1]).result(30.0) == tidings.Confirmation(1, 0)
        consumer.nack(events[1:])
        again = take(consumer, 2)
        assert [event.offset for event in again] == [event.offset for event in events[1:]]
        assert all(event.redelivered and event.attempt == 2 for event in again)
    assert client.subscription_status("again").lag_events == 0


def test_what_has_more_time_does_not_come_again(client: tidings.Client) -> None:
    client.create_subscription("deadline", ["analysis/indicators/4h"])
    client.publish_many(indicator(1, name, "4h") for name in ("LATE", "KEPT"))
    options = tidings.ConsumerOptions(subscription="deadline", ack_deadline=1.0)
    with client.consumer("deadline", options=options) as consumer:
        events: list[tidings.DeliveredEvent] = []
        while len(events) < 2:
            more = consumer.next(30.0)
            assert isinstance(more, tidings.Delivery)
            events.extend(more)
        (kept,) = (event for event in events if event.event.instrument == "KEPT")
        assert consumer.extend(kept, 600.0).result(30.0) == tidings.Confirmation(1, 0)
        (again,) = take(consumer, 1)
        assert (again.event.instrument, again.attempt) == ("LATE", 2)
        assert consumer.ack(kept).result(30.0) == tidings.Confirmation(1, 0)
        assert consumer.extend(kept, 1.0).result(30.0) == tidings.Confirmation(0, 1)
    with client.consumer("deadline") as consumer, pytest.raises(tidings.TidingsError):
        consumer.extend(kept, 1.0)


def test_pulling_takes_as_many_as_asked_for(client: tidings.Client) -> None:
    client.create_subscription("pulled", ["analysis/indicators/1d"], delivery="pull")
    client.publish_many(indicator(n, "PULLED", "1d") for n in range(25))
    with client.consumer("pulled") as consumer:
        numbers: list[int] = []
        while len(numbers) < 25:
            part = consumer.pull(10, timeout=30.0)
            assert 0 < len(part) <= 10
            events = [event for event in part if isinstance(event, tidings.DeliveredEvent)]
            numbers.extend(number_of(event.event) for event in events)
            assert consumer.ack(events).result(30.0).confirmed == len(events)
        assert numbers == list(range(25))
        assert consumer.pull(10, timeout=0.01) == []


def test_one_consumer_at_a_time(client: tidings.Client) -> None:
    client.create_subscription("single", ["analysis/summaries"])
    with client.consumer("single"), pytest.raises(tidings.TidingsError) as refused:
        client.consumer("single")
    assert refused.value.code == "SUBSCRIPTION_BUSY"
    client.consumer("single").close()


def test_a_deleted_topic_is_a_gap(client: tidings.Client) -> None:
    client.put_topic("gap/topic", partitions=1)
    client.create_subscription("gap", ["gap/*"], start="earliest")
    client.publish_many([indicator(n, "GAP") for n in range(4)], topic="gap/topic")
    options = tidings.ConsumerOptions(subscription="gap", credit_events=1)
    with client.consumer("gap", options=options) as consumer:
        client.delete_topic("gap/topic")
        told = 0
        while told < 4:
            item = consumer.next(30.0)
            assert item is not None
            if isinstance(item, tidings.Gap):
                assert (item.topic, item.last, item.reason) == ("gap/topic", 3, "TOPIC_DELETED")
                told += item.count
            else:
                told += len(item)
        assert isinstance(item, tidings.Gap)


def test_topics_and_subscriptions_are_managed(client: tidings.Client) -> None:
    topic = client.put_topic("desk/risk", partitions=2, retention_seconds=3600)
    assert (topic.name, topic.partitions, topic.retention.seconds) == ("desk/risk", 2, 3600)
    assert client.topic("desk/risk").topic_id == topic.topic_id
    assert "desk/risk" in [topic.name for topic in client.topics()]
    assert {g.name for g in client.guarantees("desk/risk").guarantees} >= {"order", "durability"}
    client.publish_many([indicator(n, f"R{n}") for n in range(10)], topic="desk/risk")
    stored = [client.browse("desk/risk", partition) for partition in (0, 1)]
    assert sum(map(len, stored)) == 10
    assert [event.offset for event in stored[0]] == list(range(len(stored[0])))
    assert len(client.browse("desk/risk", offset=1, limit=1)) == 1
    made = client.create_subscription("risk", ["desk/*"], labels={"team": "a"}, owner="me")
    assert client.create_subscription("risk", ["desk/*"], labels={"team": "a"}, owner="me") == made
    with pytest.raises(tidings.TidingsError, match="SUBSCRIPTION_EXISTS"):
        client.create_subscription("risk", ["other/*"])
    assert client.subscription("risk").topics == ["desk/*"]
    assert "risk" in [subscription.name for subscription in client.subscriptions()]
    only = 'instrument == "AAPL"'
    changed = client.update_subscription("risk", where=only, max_in_flight=7)
    assert (changed.filter, changed.max_in_flight, changed.revision) == (only, 7, 2)
    with pytest.raises(tidings.TidingsError, match="FILTER_TYPE"):
        client.update_subscription("risk", where="instrument > 1")
    assert client.pause_subscription("risk").paused
    assert not client.resume_subscription("risk").paused
    assert client.test_subscription("risk", samples=0).matched_events == 0
    client.create_subscription("from-time", ["desk/*"], start=START)
    client.create_subscription("from-place", ["desk/*"], start=list(made.boundary))
    client.delete_subscription("risk")
    client.delete_topic("desk/risk")
    with pytest.raises(tidings.TidingsError, match="TOPIC_UNKNOWN"):
        client.topic("desk/risk")


def test_the_newest_value_is_at_hand(client: tidings.Client) -> None:
    def newest() -> tidings.LastValue | None:
        try:
            return client.last_value("indicators", "LAST", timeframe="4h")
        except tidings.TidingsError as error:
            if error.code != "VALUE_UNKNOWN":
                raise
            return None

    client.publish_many(indicator(n, "LAST", "4h") for n in (1, 3, 2))
    # It is taken up behind the answer.
    deadline = time.monotonic() + 30
    while (last := newest()) is None:
        assert time.monotonic() < deadline
    assert (number_of(last.event), last.topic) == (3, "analysis/indicators/4h")
    with pytest.raises(tidings.TidingsError, match="VALUE_UNKNOWN"):
        client.last_value("indicators", "NOTHING", timeframe="4h")


def test_several_threads_share_a_client(client: tidings.Client) -> None:
    placed: list[tidings.Placed] = []

    def publish(thread: int) -> None:
        placed.extend(client.publish(indicator(n, f"T{thread}", "1w")) for n in range(20))

    threads = [threading.Thread(target=publish, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(one.partition, one.offset) for one in placed}) == 80


def in_rows(table: Any) -> list[dict[str, Any]]:
    """Without times, which Python's own types cannot hold to the nanosecond."""
    times = [field.name for field in table.schema if pyarrow.types.is_timestamp(field.type)]
    rows: list[dict[str, Any]] = table.drop_columns(times).to_pylist()
    return rows


def test_deliveries_become_tables(client: tidings.Client) -> None:
    client.create_subscription("tables", ["analysis/indicators/1mo"])
    values = {"rsi_14": 32.7, "source": 1.0, "atr_14": {"status": "WARMING_UP"}}
    event = indicator(1, "TABLE", "1mo").to_document()
    client.publish({**event, "indicators": {"values": values}})
    with client.consumer("tables") as consumer:
        delivery = consumer.next(30.0)
        assert isinstance(delivery, tidings.Delivery)
        wide = delivery.to_arrow()
        (row,) = in_rows(wide)
        assert (row["rsi_14"], row["values.source"], row["atr_14"]) == (32.7, 1.0, None)
        assert (row["source"], row["instrument"], row["is_final"]) == ("pytest", "TABLE", True)
        assert wide.schema.field("interval_start").type == pyarrow.timestamp("ns", tz="UTC")
        assert wide["interval_start"][0].value == tidings.to_event(event).interval_start
        long = in_rows(delivery.to_arrow("long"))
        cells = [(row["name"], row["value"], row["status"]) for row in long]
        assert cells == [
            ("atr_14", None, "WARMING_UP"),
            ("rsi_14", 32.7, "OK"),
            ("source", 1.0, "OK"),
        ]
        for form in get_args(tidings.frames.Form):
            frame = delivery.to_polars(form).to_arrow()
            assert in_rows(frame) == in_rows(delivery.to_arrow(form))
        with pytest.raises(ValueError, match="form is"):
            delivery.to_arrow("tall")  # type: ignore[arg-type]
        assert tidings.frames.to_arrow([]).num_rows == 0


def test_a_crash_loses_nothing_and_repeats_nothing(server: Server) -> None:
    count = 3_000
    with tidings.Client(server.address) as client:
        client.create_subscription("crash", ["analysis/**"], start="earliest")
        publisher, consumer = client.publisher("crash-1"), client.consumer("crash")
        receipts = [publisher.send(indicator(n, f"C{n % 10}")) for n in range(count // 2)]
        receipts[0].result(30.0)
        server.kill()
        receipts += [publisher.send(indicator(n, f"C{n % 10}")) for n in range(count // 2, count)]
        server.start()
        publisher.close()
        assert all(receipt.done() for receipt in receipts)
        places = [receipt.result(0) for receipt in receipts]
        known = [(place.partition, place.offset) for place in places if place.offset is not None]
        assert len(set(known)) == len(known)
        seen: dict[tuple[int, int], str] = {}
        numbers: dict[str, list[int]] = {}
        while len(seen) < count:
            item = consumer.next(30.0)
            assert isinstance(item, tidings.Delivery), item
            consumer.ack(item)
            for event in item:
                where = (event.partition, event.offset)
                assert where not in seen or event.redelivered
                if where not in seen:
                    seen[where] = event.event.origin_id
                    numbers.setdefault(event.event.instrument, []).append(number_of(event.event))
        assert consumer.reconnects >= 1
        assert len(set(seen.values())) == count, "nothing is stored twice"
        assert all(of_key == sorted(of_key) for of_key in numbers.values())
        consumer.close()
        assert client.subscription_status("crash").lag_events == 0


def test_a_consumer_that_may_not_reconnect_ends(server: Server) -> None:
    with tidings.Client(server.address) as client:
        client.create_subscription("once", ["analysis/**"])
        options = tidings.ConsumerOptions(subscription="once", reconnect=False)
        consumer = client.consumer("once", options=options)
        client.publish(indicator(1))
        (event,) = take(consumer, 1)
        server.kill()
        with pytest.raises(tidings.TidingsError) as lost:
            consumer.next(30.0)
        assert lost.value.is_retryable
        with pytest.raises(tidings.TidingsError):
            consumer.ack(event)
