"""Event ids: 16 bytes, made here, read from text, or derived from a foreign id."""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid


def new_id() -> bytes:
    """A UUID of version 7: its order is the order of making, to the millisecond."""
    millis = time.time_ns() // 1_000_000
    value = (millis & ((1 << 48) - 1)) << 80 | secrets.randbits(80)
    return _stamp(value, version=7)


def foreign_id(source: str, text: str) -> bytes:
    """The UUID of version 8 that stands for an id that is not a UUID."""
    digest = hashlib.sha256(source.encode() + b"\0" + text.encode()).digest()
    return _stamp(int.from_bytes(digest[:16], "big"), version=8)


def _stamp(value: int, version: int) -> bytes:
    value = value & ~(0xF << 76) | version << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return value.to_bytes(16, "big")


def parse_id(text: str) -> bytes | None:
    """Reads the hyphenated form, in either case; `None` for anything else."""
    if len(text) != 36 or any(text[at] != "-" for at in (8, 13, 18, 23)):
        return None
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        return None


def format_id(value: bytes) -> str:
    """The hyphenated form, lower case."""
    return str(uuid.UUID(bytes=value)) if len(value) == 16 else value.hex()
