"""What can go wrong for a caller, in the words of the service where it gave them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc

from tidings.v1.problem_pb2 import Problem

_RETRYABLE = frozenset(
    {
        "RESOURCE_EXHAUSTED",
        "STORAGE_FULL",
        "LOG_READ_ONLY",
        "UNKNOWN_OUTCOME",
        "SHUTTING_DOWN",
        "REBUILDING",
        # These two are this library's own.
        "UNREACHABLE",
        "CONNECTION_LOST",
    }
)
_DETAIL_TYPE = "type.googleapis.com/tidings.v1.Problem"


class TidingsError(Exception):
    """A refusal of the service, or a fault on the way to it.

    `code` is stable and has a page in docs/errors. Codes that only this library gives:
    `UNREACHABLE` (nobody answers), `CONNECTION_LOST` (whether the request was carried out is not
    known), `PROTOCOL` (an answer that the protocol does not have), `CLOSED` (used after close).
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        offset: int | None = None,
        hint: str | None = None,
        retry_after: float | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        """An error of this code."""
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        #: Path of the offending field, e.g. `indicators.values.rsi_14`.
        self.field = field
        #: Byte of the input, where there is no field.
        self.offset = offset
        #: What to do.
        self.hint = hint
        #: Seconds after which it may work.
        self.retry_after = retry_after
        #: HTTP status of the code.
        self.status = status
        #: Names the request in the service's log.
        self.request_id = request_id

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may succeed later, unchanged."""
        return self.code in _RETRYABLE

    def __str__(self) -> str:
        text = f"{self.code}: {self.detail}"
        if self.field:
            text += f" (field {self.field})"
        if self.offset is not None:
            text += f" (byte {self.offset})"
        if self.hint:
            text += f"; {self.hint}"
        return text

    @classmethod
    def from_problem(cls, problem: Problem) -> TidingsError:
        """The error that a problem of the service stands for."""
        has_wait = problem.HasField("retry_after_ms")
        return cls(
            problem.code,
            problem.detail,
            field=problem.field or None,
            offset=problem.offset if problem.HasField("offset") else None,
            hint=problem.hint or None,
            retry_after=problem.retry_after_ms / 1000 if has_wait else None,
            status=problem.status or None,
            request_id=problem.request_id or None,
        )


def of_rpc(error: grpc.RpcError) -> TidingsError:
    """The error that a failed call stands for."""
    trailers: Any = error.trailing_metadata() or ()
    for key, value in trailers:
        problem = _problem_in(value) if key == "grpc-status-details-bin" else None
        if problem is not None:
            return TidingsError.from_problem(problem)
    status, text = error.code(), error.details() or ""
    if status is grpc.StatusCode.UNAVAILABLE and "connect" in text.lower():
        return TidingsError("UNREACHABLE", text, hint="is the service running there?")
    if status is grpc.StatusCode.UNIMPLEMENTED:
        hint = "the service is older than this library"
        return TidingsError("NOT_AVAILABLE", text or "not served", hint=hint)
    return TidingsError("CONNECTION_LOST", f"{status.name}: {text}")


def _problem_in(details: bytes) -> Problem | None:
    """The problem in a serialised `google.rpc.Status`."""
    try:
        for any_message in _field(details, 3):
            type_url = b"".join(_field(any_message, 1)).decode()
            if type_url == _DETAIL_TYPE:
                return Problem.FromString(b"".join(_field(any_message, 2)))
    except (IndexError, ValueError):
        return None
    return None


def _field(message: bytes, wanted: int) -> Iterator[bytes]:
    """Contents of a length-delimited field of a message that has only those and varints."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        value, at = _varint(message, at)
        if tag & 7 == 2:
            if tag >> 3 == wanted:
                yield message[at : at + value]
            at += value
        elif tag & 7 != 0:
            raise ValueError("neither a length nor a varint")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a varint of more than ten bytes")
