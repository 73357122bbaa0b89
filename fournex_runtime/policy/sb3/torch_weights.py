"""
The tensors of a ``.pth`` file (``torch.save`` of a state dict), without torch.

The file is a zip archive with one folder: ``data.pkl`` describes the tensors, ``data/<key>`` holds
the numbers of one storage each, ``byteorder`` says how (torch/csrc/jit/serialization/pickler and
``torch.serialization._save``). The tensors are views of those bytes, so a file cannot make more
memory out of its storages than it has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ArtifactError
from ..zip_members import ZipMembers
from .inert_pickle import External, Name, Record, Vocabulary, read_pickle
from .numpy_records import describe

_STORAGES = {
    'DoubleStorage': 'f8',
    'FloatStorage': 'f4',
    'HalfStorage': 'f2',
    'LongStorage': 'i8',
    'IntStorage': 'i4',
    'ShortStorage': 'i2',
    'CharStorage': 'i1',
    'ByteStorage': 'u1',
    'BoolStorage': 'b1',
}
_TENSOR = 'torch._utils._rebuild_tensor_v2'
_PARAMETER = 'torch._utils._rebuild_parameter'
_DICT = 'collections.OrderedDict'
_VOCABULARY = Vocabulary(
    types=frozenset(f'torch.{name}' for name in _STORAGES),
    makers=frozenset({_TENSOR, _PARAMETER, _DICT}),
)
_LEGACY = (b'\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.', b'\x80\x02')

Weights = Mapping[str, NDArray[Any]]


def read_weights(data: bytes, where: str) -> Weights:
    """
    Return the tensors of a state dict by name, read-only.

    :param data: the ``.pth`` file.
    :param where: file and member, for errors.
    :raises ArtifactError: it holds anything else than tensors by name, or is damaged.
    """
    if data.startswith(_LEGACY):
        raise ArtifactError(
            f'{where}: written by torch before 1.6 or with '
            '_use_new_zipfile_serialization=False, which is not read. Load the model in its '
            'training environment and save it again with a newer torch'
        )
    members = ZipMembers(data, where)
    pickles = [name for name in members if name.endswith('/data.pkl') and name.count('/') == 1]
    if len(pickles) != 1:
        raise ArtifactError(f'{where}: expected one data.pkl in one folder, found {pickles}')
    folder = pickles[0][: -len('data.pkl')]
    inside = f'{where}: {pickles[0]}'
    root = read_pickle(members[pickles[0]], _VOCABULARY, inside)
    if not isinstance(root, Record) or str(root.made_by) != _DICT:
        if not isinstance(root, dict):
            raise ArtifactError(f'{inside}: expected tensors by name, found {describe(root)}')
        entries = root
    else:
        entries = root.entries
    order = members[f'{folder}byteorder'].strip() if f'{folder}byteorder' in members else b'little'
    if order not in (b'little', b'big'):
        raise ArtifactError(f'{where}: {folder}byteorder: expected little or big, found {order!r}')
    storages = _Storages(members, folder, order == b'big', inside)
    weights = {}
    for name, value in entries.items():
        if not isinstance(name, str):
            raise ArtifactError(f'{inside}: expected the name of a tensor, found {describe(name)}')
        weights[name] = _tensor(value, storages, f'{inside}: {name}')
    return MappingProxyType(weights)


class _Storages:
    """The storages of one file, each read once."""

    def __init__(self, members: ZipMembers, folder: str, big: bool, where: str) -> None:
        self._members = members
        self._folder = folder
        self._big = big
        self._where = where
        self._read: dict[str, NDArray[Any]] = {}

    def array(self, external: Any, where: str) -> NDArray[Any]:
        """Return all numbers of a storage, in one dimension."""
        key = external.key if isinstance(external, External) else None
        if not isinstance(key, tuple) or len(key) != 5 or key[0] != 'storage':
            raise ArtifactError(f'{where}: expected a storage, found {describe(external)}')
        _, kind, name, _, count = key
        if not isinstance(kind, Name) or not isinstance(name, str) or type(count) is not int:
            raise ArtifactError(f'{where}: expected type, name and size of a storage')
        if name not in self._read:
            data = self._members[f'{self._folder}data/{name}']
            dtype = np.dtype(_STORAGES[kind.name])
            if self._big:
                dtype = dtype.newbyteorder('>')
            if count < 0 or count * dtype.itemsize != len(data):
                raise ArtifactError(
                    f'{where}: storage {name}: {count} elements of {dtype} take '
                    f'{count * dtype.itemsize} bytes, found {len(data)}'
                )
            self._read[name] = np.frombuffer(data, dtype=dtype)
        return self._read[name]


def _tensor(value: Any, storages: _Storages, where: str) -> NDArray[Any]:
    if isinstance(value, Record) and str(value.made_by) == _PARAMETER and value.arguments:
        value = value.arguments[0]
    if (
        not isinstance(value, Record)
        or str(value.made_by) != _TENSOR
        or len(value.arguments) not in (6, 7)
        or value.state is not None
    ):
        raise ArtifactError(f'{where}: expected a tensor, found {describe(value)}')
    storage, offset, shape, strides = value.arguments[:4]
    numbers = storages.array(storage, where)
    counts = (offset, *shape, *strides) if _tuples(shape, strides) else (None,)
    if not all(type(n) is int and n >= 0 for n in counts) or len(shape) != len(strides):
        raise ArtifactError(f'{where}: expected offset, shape and strides of a tensor')
    if 0 in shape:
        raise ArtifactError(f'{where}: a tensor of shape {list(shape)}, without any element')
    # A tensor of a state dict has its elements once each, all inside its storage.
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides))
    if math.prod(shape) > numbers.size or last >= numbers.size:
        raise ArtifactError(
            f'{where}: a tensor of shape {list(shape)}, strides {list(strides)} and offset '
            f'{offset} reaches beyond its storage of {numbers.size} elements'
        )
    return np.ndarray(
        shape,
        numbers.dtype,
        buffer=numbers,
        offset=offset * numbers.itemsize,
        strides=tuple(step * numbers.itemsize for step in strides),
    )


def _tuples(*values: Any) -> bool:
    return all(isinstance(value, tuple) and len(value) <= 8 for value in values)
