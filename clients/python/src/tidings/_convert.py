"""Between documents and messages: the JSON form of docs/spec/event.md, from the descriptors.

Of a message's fields, every `fixed64` is a time and every `bytes` but an event's id is hexadecimal:
that holds for all of event.proto, so that a new field needs no new line here.
"""

from __future__ import annotations

import difflib
import math
import struct
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, SupportsFloat, SupportsIndex, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from tidings._ids import foreign_id, format_id, new_id, parse_id
from tidings._times import to_nanos, to_text
from tidings.errors import TidingsError
from tidings.v1.event_pb2 import Event, Kind

#: Reads a value of a document into a scalar of a message; takes the value and its path.
_Read = Callable[[Any, str], Any]
#: Puts a value of a document into a field of a message.
_Put = Callable[[Any, Any, str], None]

_INTEGERS = frozenset(
    {
        FieldDescriptor.TYPE_UINT32,
        FieldDescriptor.TYPE_UINT64,
        FieldDescriptor.TYPE_INT32,
        FieldDescriptor.TYPE_INT64,
    }
)
_FLOATS = frozenset({FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT})
_INTEGER_MAX = 2**53 - 1
#: Messages that may be written as the value of one of their fields.
_SHORT = {"Patterns": "patterns", "Value": "value"}


def read_event(document: Mapping[str, Any]) -> Event:
    """The event that a document describes, with an id."""
    rest = dict(document)
    text = rest.pop("id", None)
    event = Event()
    _fill(event, rest, "")
    if not event.kind:
        payload = event.WhichOneof("payload")
        if payload is not None:
            event.kind = cast(Kind, Kind.Value(payload.upper()))
    _identify(event, text)
    return event


def _identify(event: Event, text: object) -> None:
    if text is None:
        event.id = new_id()
    elif isinstance(text, bytes):
        event.id = text
    elif hasattr(text, "bytes"):
        # A uuid.UUID.
        event.id = text.bytes
    elif not isinstance(text, str):
        raise TidingsError("FIELD_INVALID", f"{text!r} is not an id", field="id")
    elif (known := parse_id(text)) is not None:
        event.id = known
    else:
        event.id = foreign_id(event.source, text)
        event.origin_id = text


def _fill(message: Message, document: Mapping[str, Any], path: str) -> None:
    puts = _puts(message.DESCRIPTOR)
    for name, value in document.items():
        put = puts.get(name)
        if put is None:
            raise _unknown(name, puts, path)
        if value is not None:
            put(message, value, f"{path}{name}")


def _unknown(name: object, known: Iterable[str], path: str) -> TidingsError:
    near = difflib.get_close_matches(str(name), list(known), n=1)
    hint = f"did you mean `{near[0]}`?" if near else None
    return TidingsError(
        "FIELD_UNKNOWN", f"there is no field `{path}{name}`", field=f"{path}{name}", hint=hint
    )


@cache
def _puts(descriptor: Descriptor) -> dict[str, _Put]:
    return {field.name: _put(field) for field in descriptor.fields}


def _put(field: FieldDescriptor) -> _Put:
    name = field.name
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _put_map(name, field.message_type.fields_by_name["value"])
    if field.is_repeated:
        return _put_list(name, field)
    if field.message_type is not None:
        return lambda message, value, path: _put_message(getattr(message, name), value, path)
    read = _scalar(field)
    return lambda message, value, path: _assign(message, name, read(value, path), path)


def _assign(message: Message, name: str, value: object, path: str) -> None:
    try:
        setattr(message, name, value)
    except (TypeError, ValueError) as error:
        raise TidingsError("FIELD_INVALID", str(error), field=path) from error


def _put_message(message: Message, value: Any, path: str) -> None:
    message.SetInParent()
    kind = message.DESCRIPTOR.name
    if hasattr(value, "to_document"):
        value = value.to_document()
    if kind in _SHORT and not isinstance(value, Mapping):
        # The list itself, or a bare number.
        _puts(message.DESCRIPTOR)[_SHORT[kind]](message, value, path)
        return
    if not isinstance(value, Mapping):
        raise TidingsError("FIELD_INVALID", f"{value!r} is not an object", field=path)
    _fill(message, value, f"{path}.")


def _put_map(name: str, value_field: FieldDescriptor) -> _Put:
    read = None if value_field.message_type is not None else _scalar(value_field)

    def put(message: Any, value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            raise TidingsError("FIELD_INVALID", f"{value!r} is not an object", field=path)
        entries = getattr(message, name)
        for key, item in value.items():
            at = f"{path}.{key}"
            if not isinstance(key, str):
                raise TidingsError("FIELD_INVALID", f"{key!r} is not a name", field=at)
            if item is None:
                hint = 'a missing value says why: {"status": "NO_DATA"}'
                raise TidingsError("FIELD_INVALID", "no value", field=at, hint=hint)
            if read is None:
                _put_message(entries[key], item, at)
            else:
                entries[key] = read(item, at)

    return put


def _put_list(name: str, field: FieldDescriptor) -> _Put:
    read = None if field.message_type is not None else _scalar(field)

    def put(message: Any, value: Any, path: str) -> None:
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
            raise TidingsError("FIELD_INVALID", f"{value!r} is not a list", field=path)
        items = getattr(message, name)
        for index, item in enumerate(value):
            at = f"{path}[{index}]"
            if read is None:
                _put_message(items.add(), item, at)
            else:
                items.append(read(item, at))

    return put


def _scalar(field: FieldDescriptor) -> _Read:
    if field.type == FieldDescriptor.TYPE_FIXED64:
        return to_nanos
    if field.type == FieldDescriptor.TYPE_ENUM:
        return _enum(field)
    if field.type in _INTEGERS:
        return _integer
    if field.type in _FLOATS:
        return _number
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _bytes
    return _boolean if field.type == FieldDescriptor.TYPE_BOOL else _text


def _enum(field: FieldDescriptor) -> _Read:
    values = field.enum_type.values if field.enum_type is not None else ()
    numbers = {value.name: value.number for value in values if value.number}

    def read(value: Any, path: str) -> int:
        if isinstance(value, str):
            if value in numbers:
                return numbers[value]
            hint = "one of " + ", ".join(numbers)
            code = "KIND_UNKNOWN" if path == "kind" else "FIELD_INVALID"
            raise TidingsError(code, f"{value!r} is not known", field=path, hint=hint)
        return _integer(value, path)

    return read


def _integer(value: Any, path: str) -> int:
    try:
        if isinstance(value, SupportsIndex) and not isinstance(value, bool):
            number = value.__index__()
        elif isinstance(value, str):
            number = int(value)
        else:
            raise ValueError
    except ValueError:
        detail = f"{value!r} is not an integer"
        raise TidingsError("FIELD_INVALID", detail, field=path) from None
    if not 0 <= number <= _INTEGER_MAX:
        raise TidingsError("FIELD_INVALID", f"{number} is not 0 to 2^53 - 1", field=path)
    return number


def _number(value: Any, path: str) -> float:
    if type(value) is float:
        # By far the most; asking for a protocol is slow.
        number = value
    elif isinstance(value, (bool, str, bytes)) or not isinstance(value, SupportsFloat):
        raise TidingsError("FIELD_INVALID", f"{value!r} is not a number", field=path)
    else:
        number = float(value)
    if not math.isfinite(number):
        hint = 'a missing value is left out, or says why: {"status": "NO_DATA"}'
        raise TidingsError("NUMBER_NOT_FINITE", f"{number} is not finite", field=path, hint=hint)
    return number


def _bytes(value: Any, path: str) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        detail = f"{value!r} is not hexadecimal"
        raise TidingsError("FIELD_INVALID", detail, field=path) from None


def _boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"):
        raise TidingsError("FIELD_INVALID", f"{value!r} is not true or false", field=path)
    return bool(value)


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise TidingsError("FIELD_INVALID", f"{value!r} is not a text", field=path)
    return value


def write_event(event: Event) -> dict[str, Any]:
    """The document of an event, as the service itself would write it."""
    document: dict[str, Any] = write(event)
    if event.id:
        document["id"] = format_id(event.id)
    return document


def write(message: Message) -> Any:
    """The document of a message: members in the order of field numbers, maps in key order."""
    kind = message.DESCRIPTOR.name
    if kind == "Patterns":
        return [write(pattern) for pattern in message.patterns]  # type: ignore[attr-defined]
    document: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            of = field.message_type.fields_by_name["value"]
            document[field.name] = {key: _written(of, value[key]) for key in sorted(value)}
        elif field.is_repeated:
            document[field.name] = [_written(field, item) for item in value]
        else:
            document[field.name] = _written(field, value)
    if kind == "Value" and document.keys() == {"value"}:
        return document["value"]
    return document


def _written(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return write(value)
    if field.type == FieldDescriptor.TYPE_FIXED64:
        return to_text(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known is not None else value
    if field.type == FieldDescriptor.TYPE_BYTES:
        return value.hex()
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return _shortest(value)
    return value


def _shortest(value: float) -> float:
    """The shortest decimal that reads back as this number of 32 bits."""
    packed = struct.pack("<f", value)
    for digits in range(1, 9):
        short = float(f"{value:.{digits}g}")
        if struct.pack("<f", short) == packed:
            return short
    return float(f"{value:.9g}")
