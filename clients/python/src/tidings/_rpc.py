"""The methods of proto/tidings/v1 and the connection that carries them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import grpc
import grpc.aio
from google.protobuf.message import Message

from tidings.errors import TidingsError, of_rpc
from tidings.v1 import admin_pb2 as admin
from tidings.v1 import consumer_pb2 as consumer
from tidings.v1 import publisher_pb2 as publisher

Ask = TypeVar("Ask", bound=Message)
Answer = TypeVar("Answer", bound=Message)

_MESSAGE_BYTES_MAX = 32 << 20
_OPTIONS = (
    ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.keepalive_time_ms", 30_000),
    # Two clients of one process have two connections: credit counts by connection.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True)
class Method(Generic[Ask, Answer]):
    """A method and its messages."""

    path: str
    answer: type[Answer]
    ask: type[Ask]


def _admin(name: str, ask: type[Ask], answer: type[Answer]) -> Method[Ask, Answer]:
    return Method(f"/tidings.v1.Admin/{name}", answer, ask)


DESCRIBE = Method(
    "/tidings.v1.Publisher/Describe", publisher.DescribeResponse, publisher.DescribeRequest
)
PUBLISH = Method(
    "/tidings.v1.Publisher/Publish", publisher.PublishResponse, publisher.PublishRequest
)
PUBLISH_STREAM = Method(
    "/tidings.v1.Publisher/PublishStream",
    publisher.PublishStreamResponse,
    publisher.PublishStreamRequest,
)
CONSUME = Method("/tidings.v1.Consumer/Consume", consumer.ConsumeResponse, consumer.ConsumeRequest)
LIST_TOPICS = _admin("ListTopics", admin.ListTopicsRequest, admin.ListTopicsResponse)
GET_TOPIC = _admin("GetTopic", admin.GetTopicRequest, admin.Topic)
PUT_TOPIC = _admin("PutTopic", admin.PutTopicRequest, admin.PutTopicResponse)
DELETE_TOPIC = _admin("DeleteTopic", admin.DeleteTopicRequest, admin.DeleteTopicResponse)
GET_GUARANTEES = _admin("GetGuarantees", admin.GetGuaranteesRequest, admin.Guarantees)
BROWSE_TOPIC = _admin("BrowseTopic", admin.BrowseTopicRequest, admin.BrowseTopicResponse)
LIST_SUBSCRIPTIONS = _admin(
    "ListSubscriptions", admin.ListSubscriptionsRequest, admin.ListSubscriptionsResponse
)
GET_SUBSCRIPTION = _admin("GetSubscription", admin.GetSubscriptionRequest, admin.Subscription)
CREATE_SUBSCRIPTION = _admin(
    "CreateSubscription", admin.CreateSubscriptionRequest, admin.CreateSubscriptionResponse
)
DELETE_SUBSCRIPTION = _admin(
    "DeleteSubscription", admin.DeleteSubscriptionRequest, admin.DeleteSubscriptionResponse
)
UPDATE_SUBSCRIPTION = _admin(
    "UpdateSubscription", admin.UpdateSubscriptionRequest, admin.UpdateSubscriptionResponse
)
PAUSE_SUBSCRIPTION = _admin(
    "PauseSubscription", admin.PauseSubscriptionRequest, admin.UpdateSubscriptionResponse
)
RESUME_SUBSCRIPTION = _admin(
    "ResumeSubscription", admin.ResumeSubscriptionRequest, admin.UpdateSubscriptionResponse
)
TEST_SUBSCRIPTION = _admin(
    "TestSubscription", admin.TestSubscriptionRequest, admin.TestSubscriptionResponse
)
GET_SUBSCRIPTION_STATUS = _admin(
    "GetSubscriptionStatus", admin.GetSubscriptionStatusRequest, admin.SubscriptionStatus
)
GET_LAST_VALUE = _admin("GetLastValue", admin.GetLastValueRequest, admin.LastValue)


def target(address: str) -> str:
    """`host:port` of an address with or without `http://`."""
    if "://" not in address:
        address = f"http://{address}"
    parts = urlsplit(address)
    if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError(f"{address!r} is not an address such as http://127.0.0.1:8080")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{parts.port or 8080}"


class Stream(Generic[Ask, Answer]):
    """An open stream in both directions; its errors are `TidingsError`."""

    def __init__(self, call: grpc.aio.StreamStreamCall[Ask, Answer]) -> None:
        self._call = call

    async def write(self, message: Ask) -> None:
        """Hands a message to the transport; waits while that is full."""
        try:
            await self._call.write(message)
        except (grpc.RpcError, grpc.aio.UsageError) as error:
            raise self._fault(error) from error

    async def read(self) -> Answer | None:
        """The next message; `None` when the service has ended the stream."""
        try:
            message = await self._call.read()
        except grpc.RpcError as error:
            raise of_rpc(error) from error
        return None if message is grpc.aio.EOF else message  # type: ignore[return-value]

    async def done_writing(self) -> None:
        """Nothing more will be written."""
        try:
            await self._call.done_writing()
        except (grpc.RpcError, grpc.aio.UsageError) as error:
            raise self._fault(error) from error

    def cancel(self) -> None:
        """Ends it at once."""
        self._call.cancel()

    def _fault(self, error: Exception) -> TidingsError:
        if isinstance(error, grpc.RpcError):
            return of_rpc(error)
        return TidingsError("CONNECTION_LOST", "the stream has ended")


class Connection:
    """One connection, made when it is first needed and again when it broke."""

    def __init__(self, address: str) -> None:
        self._calls = grpc.aio.insecure_channel(target(address), options=_OPTIONS)

    async def ask(self, method: Method[Ask, Answer], message: Ask, timeout: float) -> Answer:
        """One question, one answer."""
        call = self._calls.unary_unary(
            method.path,
            request_serializer=method.ask.SerializeToString,
            response_deserializer=method.answer.FromString,
        )
        try:
            return await call(message, timeout=timeout)
        except grpc.RpcError as error:
            raise of_rpc(error) from error

    def stream(self, method: Method[Ask, Answer]) -> Stream[Ask, Answer]:
        """Opens a stream."""
        calls: grpc.aio.StreamStreamMultiCallable[Ask, Answer] = self._calls.stream_stream(
            method.path,
            request_serializer=method.ask.SerializeToString,
            response_deserializer=method.answer.FromString,
        )
        return Stream(calls())

    async def close(self) -> None:
        """Ends everything that runs over it."""
        await self._calls.close()
