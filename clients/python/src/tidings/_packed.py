"""Bodies that travel packed: one LZ4 block after its unpacked length, as `Delivery.codec` says."""

from __future__ import annotations

from tidings.errors import TidingsError

try:
    import lz4.block as _lz4
except ImportError:  # pragma: no cover - an extra
    _lz4 = None

#: `codec` of a body that is as it is.
PLAIN = 0
#: `codec` of one LZ4 block after its unpacked length in 4 bytes, little-endian.
LZ4 = 1

#: Most bytes of a body once it is unpacked: those of the largest batch.
BYTES_MAX = 16 << 20

_LENGTH_BYTES = 4
#: A byte of an LZ4 block stands for no more than so many.
_GROWTH_MAX = 255

_MISSING = "the package lz4 is not installed"
_HINT = "pip install 'tidings[lz4]'"


def wish(compression: str | None) -> str | None:
    """What to ask the service for: nothing that could not be read here."""
    if _lz4 is not None:
        return compression
    if compression in (None, "none"):
        return "none"
    raise TidingsError("PROTOCOL", _MISSING, field="compression", hint=_HINT)


def unpack(body: bytes, codec: int) -> bytes:
    """The body that these bytes stand for; room is made only for what they can hold."""
    if codec == PLAIN:
        return body
    if codec != LZ4:
        raise TidingsError("PROTOCOL", f"a body is packed with codec {codec}", hint="update")
    if _lz4 is None:
        raise TidingsError("PROTOCOL", _MISSING, hint=_HINT)
    length = int.from_bytes(body[:_LENGTH_BYTES], "little")
    if length > min((len(body) - _LENGTH_BYTES) * _GROWTH_MAX, BYTES_MAX):
        raise TidingsError("PROTOCOL", f"{len(body)} packed bytes say that they are {length}")
    try:
        unpacked: bytes = _lz4.decompress(body[_LENGTH_BYTES:], uncompressed_size=length)
    except _lz4.LZ4BlockError as error:
        raise TidingsError("PROTOCOL", f"a packed body is damaged: {error}") from error
    if len(unpacked) != length:
        raise TidingsError("PROTOCOL", f"a packed body has {len(unpacked)} bytes, not {length}")
    return unpacked
