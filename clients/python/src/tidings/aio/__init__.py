"""The client for asyncio."""

from tidings.aio.client import Client
from tidings.aio.consumer import Consumer
from tidings.aio.publisher import Publisher

__all__ = ["Client", "Consumer", "Publisher"]
