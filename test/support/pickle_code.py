"""
Pickles and archives written by hand: what a training library writes, and what an attacker would.

``pickled(value)`` writes plain values, and these, which need nothing to be importable:
"""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import pathlib
import struct
import zipfile
from typing import Any


@dataclasses.dataclass(frozen=True)
class Global:
    """A class or function by name."""

    module: str
    name: str


@dataclasses.dataclass(frozen=True)
class Call:
    """A call (``REDUCE``) of a `Global`; ``state`` is what is set afterwards (``BUILD``)."""

    function: Global
    arguments: tuple
    state: Any = None


@dataclasses.dataclass(frozen=True)
class Persistent:
    """A reference to what lies outside of the pickle."""

    key: Any


def pickled(value: Any) -> bytes:
    """Return a pickle of protocol 2."""
    return b'\x80\x02' + code(value) + b'.'


def code(value: Any) -> bytes:
    """Return what puts a value on the stack of whoever reads the pickle."""
    if value is None or isinstance(value, bool):
        return {None: b'N', True: b'\x88', False: b'\x89'}[value]
    if isinstance(value, int):
        data = value.to_bytes(value.bit_length() // 8 + 1, 'little', signed=True)
        return b'\x8a' + bytes([len(data)]) + data
    if isinstance(value, float):
        return b'G' + struct.pack('>d', value)
    if isinstance(value, str):
        return b'X' + struct.pack('<I', len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return b'B' + struct.pack('<I', len(value)) + value
    if isinstance(value, tuple):
        return b'(' + b''.join(map(code, value)) + b't'
    if isinstance(value, list):
        return b'](' + b''.join(map(code, value)) + b'e'
    if isinstance(value, dict):
        return b'}(' + b''.join(code(one) for pair in value.items() for one in pair) + b'u'
    if isinstance(value, Persistent):
        return code(value.key) + b'Q'
    if isinstance(value, Global):
        return b'c' + f'{value.module}\n{value.name}\n'.encode()
    assert isinstance(value, Call)
    built = b'' if value.state is None else code(value.state) + b'b'
    return code(value.function) + code(value.arguments) + b'R' + built


def tensor(key: str, count: int, shape: tuple, strides: tuple, offset: int = 0) -> Call:
    """Return a float32 tensor as ``torch.save`` writes it."""
    storage = Persistent(('storage', Global('torch', 'FloatStorage'), key, 'cpu', count))
    function = Global('torch._utils', '_rebuild_tensor_v2')
    return Call(function, (storage, offset, shape, strides, False, None))


def torch_file(entries: Any, storages: dict[str, bytes]) -> bytes:
    """Return a ``.pth`` file."""
    data = {'archive/data.pkl': pickled(entries), 'archive/byteorder': b'little'}
    return zipped(data | {f'archive/data/{key}': one for key, one in storages.items()})


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, 'w', method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def members(file: pathlib.Path) -> dict[str, bytes]:
    """Return the members of a zip archive."""
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_setting(data: bytes, name: str, pickle: bytes) -> bytes:
    """Return the member ``data`` of a saved model with another pickled setting."""
    settings = json.loads(data)
    settings[name] = {':type:': 'unknown', ':serialized:': base64.b64encode(pickle).decode()}
    return json.dumps(settings).encode()
