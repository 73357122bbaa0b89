"""
``VecNormalize`` files (``vec_env.save()``): the statistics, read without running the pickle.

The file is a pickle of a whole environment wrapper (``stable_baselines3.common.vec_env``), last
observations and random generators included. Only numbers are taken out of it.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ArtifactError
from ..zip_members import read_file
from .inert_pickle import Record, Vocabulary, read_pickle
from .numpy_records import as_array, as_number, describe
from .spaces import SPACES

_WRAPPER = 'stable_baselines3.common.vec_env.vec_normalize.VecNormalize'
_STATISTICS = 'stable_baselines3.common.running_mean_std.RunningMeanStd'
_VOCABULARY = SPACES | Vocabulary(makers=frozenset({_WRAPPER, _STATISTICS, 'collections.deque'}))
_HINT = (
    'Save the VecNormalize again around a plain environment, or write mean and var yourself '
    '(safetensors, float64)'
)

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class VecNormalizeStatistics:
    """
    How training normalised observations.

    :param mean: mean of each value, by key of the observation; by '' where it has no keys.
    :param var: variance of each value, likewise.
    :param count: how many observations they are made of, likewise.
    :param clip_obs: greatest magnitude after normalisation.
    :param epsilon: added to the variance.
    :param norm_obs: whether observations were normalised at all.
    """

    mean: Mapping[str, Floats]
    var: Mapping[str, Floats]
    count: Mapping[str, float]
    clip_obs: float
    epsilon: float
    norm_obs: bool

    @property
    def norm_obs_keys(self) -> tuple[str, ...]:
        """Return the keys that were normalised; one '' for an observation without keys."""
        return tuple(self.mean) if self.norm_obs else ()

    def normalise(self, observation: NDArray[Any], key: str = '') -> NDArray[np.float32]:
        """Return a normalised observation, as ``VecNormalize.normalize_obs`` computes it."""
        spread = np.sqrt(self.var[key] + self.epsilon)
        values = np.clip((observation - self.mean[key]) / spread, -self.clip_obs, self.clip_obs)
        return np.asarray(values, dtype=np.float32)


def read_vec_normalize(file: pathlib.Path) -> VecNormalizeStatistics:
    """
    Read the statistics of a saved ``VecNormalize``; nothing in it is run.

    :param file: the file of ``vec_env.save()``.
    :raises ArtifactError: it is damaged, dangerous, or something else.
    """
    found = read_pickle(read_file(file), _VOCABULARY, str(file), _HINT)
    if not isinstance(found, Record) or str(found.made_by) != _WRAPPER:
        raise ArtifactError(f'{file}: expected a {_WRAPPER}, found {describe(found)}')
    state = found.state
    if not isinstance(state, dict):
        raise ArtifactError(f'{file}: expected the attributes of a VecNormalize')
    norm_obs = state.get('norm_obs', True) is True
    statistics = _statistics(state, norm_obs, str(file))
    return VecNormalizeStatistics(
        MappingProxyType({key: one[0] for key, one in statistics.items()}),
        MappingProxyType({key: one[1] for key, one in statistics.items()}),
        MappingProxyType({key: one[2] for key, one in statistics.items()}),
        _positive(state, 'clip_obs', str(file)),
        _positive(state, 'epsilon', str(file)),
        norm_obs,
    )


def _statistics(
    state: Mapping[Any, Any], norm_obs: bool, where: str
) -> dict[str, tuple[Floats, Floats, float]]:
    where = f'{where}: obs_rms'
    found = state.get('obs_rms')
    if isinstance(found, Record) and str(found.made_by) == 'collections.OrderedDict':
        found = found.entries
    if found is None and not norm_obs:
        return {}
    if isinstance(found, Record):
        return {'': _one(found, where)}
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise ArtifactError(f'{where}: expected statistics, found {describe(found)}')
    keys = state.get('norm_obs_keys')
    chosen = list(found) if keys is None else keys
    if not isinstance(chosen, (list, tuple)) or not all(key in found for key in chosen):
        raise ArtifactError(
            f'{where}: expected statistics of {chosen!s:.200}, found {list(found)}'
        )
    return {key: _one(found[key], f'{where}: {key}') for key in chosen}


def _one(found: Any, where: str) -> tuple[Floats, Floats, float]:
    if (
        not isinstance(found, Record)
        or str(found.made_by) != _STATISTICS
        or not isinstance(found.state, dict)
    ):
        raise ArtifactError(f'{where}: expected a {_STATISTICS}, found {describe(found)}')
    mean = _finite(found.state.get('mean'), f'{where}: mean')
    var = _finite(found.state.get('var'), f'{where}: var')
    if mean.shape != var.shape or (var < 0.0).any():
        raise ArtifactError(
            f'{where}: expected mean and var of one shape and var >= 0, found shapes '
            f'{list(mean.shape)} and {list(var.shape)}'
        )
    return mean, var, float(as_number(found.state.get('count'), f'{where}: count'))


def _finite(value: Any, where: str) -> Floats:
    array = as_array(value, where).astype(np.float64)
    if not np.isfinite(array).all():
        raise ArtifactError(f'{where}: expected finite numbers, found others')
    return array


def _positive(state: Mapping[Any, Any], name: str, where: str) -> float:
    number = float(as_number(state.get(name), f'{where}: {name}'))
    if not number > 0.0:
        raise ArtifactError(f'{where}: {name}: expected a number above 0, found {number}')
    return number
