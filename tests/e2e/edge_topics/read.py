"""Reads every message of topics from their beginning, and writes one JSON line for each."""

import base64
import json
import sys

import pulsar
from pulsar.schema import Double, JsonSchema, Long, Map, Record, String

# Longer than a quiet broker takes to send what it has.
QUIET_MS = 3000


class Value(Record):
    value = Double()
    status = String()


class Indicators(Record):
    values = Map(Value())


class Event(Record):
    id = String()
    source = String()
    kind = String()
    instrument = String()
    venue = String()
    timeframe = String()
    interval_end = String()
    key_seq = Long()
    indicators = Indicators()


def value(message, form):
    """What the schema makes of it, or its bytes."""
    if form == "bytes":
        return {"bytes": base64.b64encode(message.data()).decode()}
    event = message.value()
    return {
        "id": event.id,
        "instrument": event.instrument,
        "timeframe": event.timeframe,
        "key_seq": event.key_seq,
        "rsi_14": event.indicators.values["rsi_14"].value,
    }


def main():
    url, form, wanted, topics = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
    errors = pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)
    client = pulsar.Client(url, logger=errors)
    schema = pulsar.schema.BytesSchema() if form == "bytes" else JsonSchema(Event)
    consumer = client.subscribe(
        topics, "e2e", schema=schema, initial_position=pulsar.InitialPosition.Earliest
    )
    ids = set()
    while True:
        try:
            # Until all are there, and then until nothing comes any more.
            message = consumer.receive(60_000 if len(ids) < wanted else QUIET_MS)
        except pulsar.Timeout:
            break
        about = message.properties()
        ids.add(about["id"])
        line = {
            "key": message.partition_key(),
            "event_time": message.event_timestamp(),
            "properties": about,
            "value": value(message, form),
        }
        print(json.dumps(line))
        consumer.acknowledge(message)
    client.close()


main()
