"""The real service for every test that wants one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import tidings

ROOT = Path(os.environ.get("TIDINGS_ROOT", Path(__file__).parents[3]))
START = datetime(2026, 1, 2, 15, tzinfo=timezone.utc)


class Server:
    """A running service that a test may kill and start again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self._child: subprocess.Popen[str] | None = None

    def start(self) -> None:
        executable = os.environ.get("TIDINGS_BIN", str(ROOT / "target/debug/tidings"))
        command = [executable, "--json", "serve", "--addr", self.address, "--data-dir"]
        with open(self._directory / "stderr", "a") as log:
            self._child = subprocess.Popen(
                [*command, str(self._directory / "data")],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self._directory,
            )
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        assert line, (self._directory / "stderr").read_text()
        assert json.loads(line)["addr"] == self.address

    def kill(self, sig: int = signal.SIGKILL) -> None:
        if self._child is not None:
            self._child.send_signal(sig)
            self._child.wait()
            self._child = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("shared"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def client(shared: Server) -> Iterator[tidings.Client]:
    with tidings.Client(shared.address) as client:
        yield client


def indicator(number: int, instrument: str = "AAPL", timeframe: str = "5m") -> tidings.Event:
    """An indicator event; its number is the value of `rsi_14`."""
    start = START + timedelta(minutes=5 * number)
    return tidings.Event(
        id=f"{instrument}-{timeframe}-{number}",
        source="pytest",
        instrument=instrument,
        venue="XNAS",
        timeframe=timeframe,
        interval_start=start,
        interval_end=start + timedelta(minutes=5),
        produced_at=start + timedelta(minutes=5, seconds=1),
        payload=tidings.Indicators({"rsi_14": float(number)}),
    )


def number_of(event: tidings.v1.Event) -> int:
    return int(event.indicators.values["rsi_14"].value)
