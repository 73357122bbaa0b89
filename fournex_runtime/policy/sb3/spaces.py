"""
Observation and action spaces, as Gymnasium and Gym pickle them.

``shape``, bounds and sizes are all that a policy needs of a space.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ArtifactError
from .inert_pickle import Record, Vocabulary
from .numpy_records import NUMPY, RANDOM, as_array, as_dtype, as_number, describe

_MOST_VALUES = 1 << 24
_MODULES = {
    'Box': 'box',
    'Discrete': 'discrete',
    'MultiDiscrete': 'multi_discrete',
    'MultiBinary': 'multi_binary',
    'Dict': 'dict',
}

SPACES = (
    NUMPY
    | RANDOM
    | Vocabulary(
        makers=frozenset(
            {'collections.OrderedDict'}
            | {
                f'{library}.spaces.{module}.{name}'
                for library in ('gym', 'gymnasium')
                for name, module in _MODULES.items()
            }
        )
    )
)
"""What pickled spaces are made of."""


@dataclasses.dataclass(frozen=True, eq=False)
class Box:
    """
    Numbers within bounds.

    :param low: least value of each, in the shape of the space.
    :param high: greatest.
    :param dtype: numpy's name of the type of its elements.
    """

    low: NDArray[Any]
    high: NDArray[Any]
    dtype: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape."""
        return self.low.shape

    @property
    def size(self) -> int:
        """Return the number of values."""
        return self.low.size

    @property
    def is_image(self) -> bool:
        """Return whether Stable-Baselines3 takes it for an image: uint8, 0 to 255, three axes."""
        return (
            len(self.shape) == 3
            and self.dtype == 'uint8'
            and bool((self.low == 0).all() and (self.high == 255).all())
        )


@dataclasses.dataclass(frozen=True)
class Discrete:
    """One of ``n`` choices, counted from 0."""

    n: int


@dataclasses.dataclass(frozen=True)
class MultiDiscrete:
    """Several choices, each one of so many."""

    nvec: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class MultiBinary:
    """Values that are 0 or 1, in a shape."""

    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Return the number of values."""
        return math.prod(self.shape)


@dataclasses.dataclass(frozen=True)
class Dict:
    """Spaces by name, in the order in which networks take them."""

    spaces: Mapping[str, PlainSpace]


PlainSpace = Box | Discrete | MultiDiscrete | MultiBinary
Space = PlainSpace | Dict


def as_space(value: Any, where: str) -> Space:
    """
    Return a pickled space.

    :raises ArtifactError: it is none, or none that policies of Stable-Baselines3 take.
    """
    if not isinstance(value, Record) or value.made_by.name not in _MODULES:
        raise ArtifactError(
            f'{where}: expected a space ({", ".join(_MODULES)}), found {describe(value)}'
        )
    if not isinstance(value.state, dict):
        raise ArtifactError(f'{where}: expected the attributes of a {value.made_by.name}')
    if value.made_by.name == 'Dict':
        return _dict(value.state, where)
    return _READERS[value.made_by.name](value.state, where)


def _attribute(state: Mapping[Any, Any], name: str, where: str) -> Any:
    if name not in state:
        raise ArtifactError(f'{where}: a space without its {name!r}')
    return state[name]


def _dict(state: Mapping[Any, Any], where: str) -> Dict:
    spaces = _attribute(state, 'spaces', where)
    if isinstance(spaces, Record) and str(spaces.made_by) == 'collections.OrderedDict':
        spaces = spaces.entries
    if not isinstance(spaces, dict) or not all(isinstance(key, str) for key in spaces):
        raise ArtifactError(f'{where}: expected spaces by name, found {describe(spaces)}')
    read: dict[str, PlainSpace] = {}
    for key, one in spaces.items():
        space = as_space(one, f'{where}: {key}')
        if isinstance(space, Dict):
            raise ArtifactError(f'{where}: {key}: a Dict in a Dict, which no policy takes')
        read[key] = space
    if not read:
        raise ArtifactError(f'{where}: expected at least one space in the Dict, found none')
    return Dict(MappingProxyType(read))


def _box(state: Mapping[Any, Any], where: str) -> Box:
    low = as_array(_attribute(state, 'low', where), f'{where}: low')
    high = as_array(_attribute(state, 'high', where), f'{where}: high')
    dtype = as_dtype(_attribute(state, 'dtype', where), f'{where}: dtype')
    if low.shape != high.shape or low.size == 0:
        raise ArtifactError(
            f'{where}: expected bounds of one shape, found {list(low.shape)} and '
            f'{list(high.shape)}'
        )
    if np.isnan(low).any() or np.isnan(high).any() or (low > high).any():
        raise ArtifactError(f'{where}: expected low <= high everywhere')
    return Box(low, high, dtype.newbyteorder('=').name)


def _discrete(state: Mapping[Any, Any], where: str) -> Discrete:
    _starts_at_zero(state.get('start', 0), where)
    return Discrete(_count(_attribute(state, 'n', where), where))


def _multi_discrete(state: Mapping[Any, Any], where: str) -> MultiDiscrete:
    nvec = as_array(_attribute(state, 'nvec', where), f'{where}: nvec')
    if nvec.ndim != 1 or nvec.size == 0:
        raise ArtifactError(f'{where}: expected a MultiDiscrete of one axis, found {nvec.shape}')
    if 'start' in state and state['start'] is not None:
        for start in as_array(state['start'], f'{where}: start').reshape(-1).tolist():
            _starts_at_zero(start, where)
    counts = tuple(_count(n, where) for n in nvec.tolist())
    if sum(counts) > _MOST_VALUES:
        raise ArtifactError(f'{where}: expected at most {_MOST_VALUES} choices in all')
    return MultiDiscrete(counts)


def _multi_binary(state: Mapping[Any, Any], where: str) -> MultiBinary:
    n = _attribute(state, 'n', where)
    if isinstance(n, Record) and n.made_by.name != 'scalar':
        n = tuple(as_array(n, f'{where}: n').reshape(-1).tolist())
    if isinstance(n, (tuple, list)):
        shape = tuple(_count(one, where) for one in n)
    else:
        shape = (_count(n, where),)
    if math.prod(shape) > _MOST_VALUES:
        raise ArtifactError(f'{where}: expected at most {_MOST_VALUES} values')
    return MultiBinary(shape)


def _count(value: Any, where: str) -> int:
    count = as_number(value, where)
    if not 1 <= count <= _MOST_VALUES or count != int(count):
        raise ArtifactError(f'{where}: expected a number from 1 to {_MOST_VALUES}, found {count}')
    return int(count)


def _starts_at_zero(value: Any, where: str) -> None:
    start = as_number(value, where)
    if start != 0:
        raise ArtifactError(
            f'{where}: choices counted from {start}. Stable-Baselines3 counts from 0 whatever the '
            'space says; shift them in a wrapper of the environment'
        )


_READERS: Mapping[str, Callable[[Mapping[Any, Any], str], PlainSpace]] = {
    'Box': _box,
    'Discrete': _discrete,
    'MultiDiscrete': _multi_discrete,
    'MultiBinary': _multi_binary,
}
