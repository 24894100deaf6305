"""The client of Tidings: `Client` for threads, `aio.Client` for asyncio.

with tidings.Client("127.0.0.1:8080") as client:
client.create_subscription("desk", ["analysis/**"])
client.publish({"source": "rsi-service", "instrument": "AAPL", ...})
with client.consumer("desk") as consumer:
for item in consumer:
...
consumer.ack(item)
"""

from tidings import aio, frames, v1
from tidings._acks import Ack
from tidings._backoff import Backoff
from tidings._place import key_hash
from tidings._receipt import Outcome, Placed, Receipt
from tidings.aio.client import LastValue, StoredEvent
from tidings.aio.consumer import ConsumerOptions
from tidings.aio.publisher import PublisherOptions
from tidings.client import Client, Consumer, Publisher
from tidings.delivery import Confirmation, DeliveredEvent, Delivery, Gap, Run
from tidings.errors import TidingsError
from tidings.event import (
    Anomaly,
    Correlation,
    Event,
    EventLike,
    Indicators,
    IntervalComplete,
    KeyPoint,
    Pattern,
    Patterns,
    Summary,
    Value,
    to_dict,
    to_event,
)

__version__ = "0.1.0"

__all__ = [
    "Ack",
    "Anomaly",
    "Backoff",
    "Client",
    "Confirmation",
    "Consumer",
    "ConsumerOptions",
    "Correlation",
    "DeliveredEvent",
    "Delivery",
    "Event",
    "EventLike",
    "Gap",
    "Indicators",
    "IntervalComplete",
    "KeyPoint",
    "LastValue",
    "Outcome",
    "Pattern",
    "Patterns",
    "Placed",
    "Publisher",
    "PublisherOptions",
    "Receipt",
    "Run",
    "StoredEvent",
    "Summary",
    "TidingsError",
    "Value",
    "aio",
    "frames",
    "key_hash",
    "to_dict",
    "to_event",
    "v1",
]
