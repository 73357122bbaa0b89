"""Arrays, scalars and dtypes of numpy out of pickles, by their bytes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ArtifactError
from .inert_pickle import Name, Record, Vocabulary

_CORES = ('numpy.core', 'numpy._core')  # before and since numpy 2
_SCALARS = ('bool', 'bool_') + tuple(
    f'{kind}{bits}'
    for kind, widths in (('int', (8, 16, 32, 64)), ('uint', (8, 16, 32, 64)), ('float', (32, 64)))
    for bits in widths
)
_CODES = ('b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8')

NUMPY = Vocabulary(
    types=frozenset({'numpy.ndarray'} | {f'numpy.{name}' for name in _SCALARS}),
    makers=frozenset(
        {'numpy.dtype'}
        | {f'{core}.multiarray._reconstruct' for core in _CORES}
        | {f'{core}.multiarray.scalar' for core in _CORES}
        | {f'{core}.numeric._frombuffer' for core in _CORES}
    ),
)
"""What pickled arrays, scalars and dtypes are made of."""

RANDOM = Vocabulary(
    types=frozenset(
        {'numpy.random.bit_generator.SeedSequence'}
        | {
            f'numpy.random.{module}'
            for module in ('_pcg64.PCG64', '_mt19937.MT19937', '_philox.Philox', '_sfc64.SFC64')
        }
    ),
    makers=frozenset(
        {
            'numpy.random._pickle.__generator_ctor',
            'numpy.random._pickle.__bit_generator_ctor',
            'numpy.random._pickle.__randomstate_ctor',
            'numpy.random.bit_generator.__pyx_unpickle_SeedSequence',
            'gym.utils.seeding.RandomNumberGenerator',
            'gym.utils.seeding.RandomNumberGenerator._generator_ctor',
            'gymnasium.utils.seeding.RandomNumberGenerator',
        }
    ),
)
"""Random generators, which spaces carry along; they are passed over."""


def as_array(value: Any, where: str) -> NDArray[Any]:
    """
    Return a pickled array.

    :raises ArtifactError: it is no array of numbers, or not of the size that it says.
    """
    if not isinstance(value, Record):
        raise ArtifactError(f'{where}: expected an array, found {describe(value)}')
    if value.made_by.name == '_frombuffer' and len(value.arguments) == 4:
        data, dtype, shape, order = value.arguments
        return _array(data, dtype, shape, order == 'F', where)
    if value.made_by.name == '_reconstruct' and isinstance(value.state, tuple):
        if len(value.state) == 5:
            _, shape, dtype, fortran, data = value.state
            return _array(data, dtype, shape, fortran is True, where)
    raise ArtifactError(f'{where}: expected an array, found {describe(value)}')


def _array(data: Any, dtype: Any, shape: Any, fortran: bool, where: str) -> NDArray[Any]:
    kind = as_dtype(dtype, where)
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ArtifactError(f'{where}: expected the shape of an array, found {describe(shape)}')
    if not isinstance(data, (bytes, bytearray)):
        raise ArtifactError(f'{where}: expected bytes of an array, found {describe(data)}')
    size = math.prod(shape) * kind.itemsize
    if size != len(data):
        raise ArtifactError(
            f'{where}: an array of {kind} {list(shape)} takes {size} bytes, found {len(data)}'
        )
    array = np.frombuffer(bytes(data), dtype=kind).reshape(shape, order='F' if fortran else 'C')
    return array.astype(kind.newbyteorder('='), copy=False)


def as_dtype(value: Any, where: str) -> np.dtype[Any]:
    """
    Return a pickled dtype, or type of scalars, of numbers.

    :raises ArtifactError: it is none.
    """
    if isinstance(value, Name) and value.module == 'numpy' and value.name in _SCALARS:
        return np.dtype(value.name.rstrip('_'))
    if isinstance(value, str) and value in _SCALARS:
        return np.dtype(value)
    if isinstance(value, Record) and str(value.made_by) == 'numpy.dtype' and value.arguments:
        code = value.arguments[0]
        if isinstance(code, str) and code in _CODES:
            dtype = np.dtype(code)
            order = (
                value.state[1] if isinstance(value.state, tuple) and len(value.state) > 1 else '='
            )
            return dtype.newbyteorder('>') if order == '>' else dtype
    raise ArtifactError(f'{where}: expected a dtype of numbers, found {describe(value)}')


def as_number(value: Any, where: str) -> int | float:
    """
    Return a number: Python's, or a pickled scalar of numpy.

    :raises ArtifactError: it is none.
    """
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, Record) and value.made_by.name == 'scalar' and len(value.arguments) == 2:
        dtype, data = value.arguments
        return _number(_array(data, dtype, (1,), False, where))
    if isinstance(value, Record) and value.made_by.name in ('_frombuffer', '_reconstruct'):
        array = as_array(value, where)
        if array.size == 1:
            return _number(array.reshape(1))
    raise ArtifactError(f'{where}: expected a number, found {describe(value)}')


def _number(array: NDArray[Any]) -> int | float:
    value: int | float = array[0].item()
    return value


def describe(value: Any) -> str:
    """Return in few words what a pickle holds."""
    if isinstance(value, Record):
        return f'{value.made_by} of {len(value.arguments)} arguments'
    if isinstance(value, (Name, int, float, type(None))):
        return str(value)[:80]
    if isinstance(value, str):
        return repr(value[:80])
    return f'a {type(value).__name__}'
