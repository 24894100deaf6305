"""Compiles the messages of proto/tidings/v1 into the wheel."""

from __future__ import annotations

import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GeneratedMessages(BuildHookInterface):  # type: ignore[type-arg]
    """Adds `tidings/v1/*_pb2.py` and their types."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Runs the compiler and names its output to the builder."""
        from grpc_tools import protoc

        root = Path(self.root)
        # In a source distribution the contract lies beside this file.
        protos = next(p for p in (root / "proto", root / "../../proto") if p.is_dir()).resolve()
        self._out = tempfile.TemporaryDirectory()
        out = Path(self._out.name)
        names = sorted(str(path) for path in (protos / "tidings/v1").glob("*.proto"))
        arguments = [
            "protoc",
            f"--proto_path={protos}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--python_out={out}",
            f"--pyi_out={out}",
            *names,
        ]
        if protoc.main(arguments) != 0:
            raise RuntimeError(f"the messages of {protos} do not compile")
        for made in (out / "tidings/v1").iterdir():
            build_data["force_include"][str(made)] = f"tidings/v1/{made.name}"
        build_data["pure_python"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Removes what the compiler wrote."""
        self._out.cleanup()
