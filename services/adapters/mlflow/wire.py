"""Frames between the harness and a scoring process: a JSON header and columns as an Arrow stream. Never a pickle.

Each frame is two lengths of four bytes, the header and the body. Everything read is checked against a limit.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

import numpy as np

from services.evaluation.harness.rows import Array, Columns

_LENGTHS = struct.Struct(">II")
_LARGEST_HEADER = 4 * 1024**2
_LARGEST_BODY = 2**31


def send(connection: socket.socket, header: dict[str, Any], body: bytes = b"") -> None:
    head = json.dumps(header).encode()
    connection.sendall(_LENGTHS.pack(len(head), len(body)) + head)
    if body:
        connection.sendall(body)


def receive(connection: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Raises EOFError when the other side is gone, ValueError for what is no frame, TimeoutError."""
    head, body = _LENGTHS.unpack(_exactly(connection, _LENGTHS.size))
    if head > _LARGEST_HEADER or body > _LARGEST_BODY:
        raise ValueError("a frame is larger than allowed")
    header = json.loads(_exactly(connection, head))
    if not isinstance(header, dict):
        raise ValueError("a header is no object")  # noqa: TRY004 - what was received, not how we were called
    return header, _exactly(connection, body)


def packed(columns: Columns) -> bytes:
    import pyarrow as pa

    table = pa.table({name: pa.array(values, from_pandas=values.dtype.kind == "O") for name, values in columns.items()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def unpacked(body: bytes) -> Any:
    """The columns as a pandas frame, as a model expects them."""
    import pyarrow as pa

    with pa.ipc.open_stream(body) as reader:
        return reader.read_all().to_pandas()


def floats(body: bytes) -> Array:
    if len(body) % 8:
        raise ValueError("an answer is no list of numbers")
    return np.frombuffer(body, dtype="<f8").copy()


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts, left = [], size
    while left:
        part = connection.recv(min(left, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
