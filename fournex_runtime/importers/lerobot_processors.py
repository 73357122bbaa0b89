"""
The pre- and postprocessor of a LeRobot policy, as the arithmetic of a contract's terms.

``policy_preprocessor.json`` and ``policy_postprocessor.json`` list steps; the statistics of a step
lie in a safetensors file beside them. The formulas are those of ``NormalizerProcessorStep`` and
``UnnormalizerProcessorStep`` (lerobot 0.4 to 0.6): an observation becomes
``(x - relative_to) * scale``, an action ``x * scale + offset``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from ..policy.tensor_file import read_tensors
from .draft import Draft
from .foreign import Foreign
from .recognise import Match
from .source_file import SourceFile

_HARMLESS = ('rename_observations_processor', 'to_batch_processor', 'device_processor')
"""Steps that change no number: other names, a batch of one, another device."""

_MODES = {
    'IDENTITY': (),
    'MEAN_STD': ('mean', 'std'),
    'MIN_MAX': ('min', 'max'),
    'QUANTILES': ('q01', 'q99'),
    'QUANTILE10': ('q10', 'q90'),
}
_OLD = (
    'a policy saved before LeRobot 0.4 has its statistics among its weights; convert it with '
    'lerobot/processor/migrate_policy_normalization.py'
)

Vector = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Affine:
    """
    What a step does to a feature: ``(x - relative_to) * scale``, or ``x * scale + relative_to``.

    :param scale: one factor a value; of an image one a channel.
    :param zero: what is subtracted before, or added after it.
    :param where: the statistics.
    """

    scale: list[float]
    zero: list[float]
    where: str


@dataclasses.dataclass(frozen=True)
class Normaliser:
    """
    The step that normalises, or undoes it.

    :param step: its entry among the steps.
    :param file: its statistics.
    :param statistics: by feature and name, such as ``observation.state.mean``.
    :param inverse: it undoes a normalisation.
    """

    step: Foreign
    file: SourceFile
    statistics: Mapping[str, NDArray[Any]]
    inverse: bool

    def of(self, feature: str, kind: str, size: int) -> Affine | None:
        """
        Return what it does to a feature; None where it does nothing.

        :param feature: its name.
        :param kind: its type: ``STATE``, ``VISUAL``, ``ACTION``, …
        :param size: how many values or channels it has.
        :raises ArtifactError: a statistic is missing, of another size or not finite.
        """
        config = self.step['config']
        only = config.get('normalize_observation_keys')
        mode = config['norm_map'].get(kind)
        names = _MODES[mode.word(*_MODES)] if mode is not None else ()
        if not names or (only is not None and feature not in only.texts()):
            return None
        if not any(name.startswith(f'{feature}.') for name in self.statistics):
            return None  # LeRobot leaves alone what has no statistics at all
        low, high = (self._statistic(feature, name, size) for name in names)
        where = f'{self.file.name}: {feature}.{names[0]}, {names[1]}'
        epsilon = config['eps'].number()
        if names == ('mean', 'std'):
            scale = high if self.inverse else 1.0 / (high + epsilon)
            return Affine(scale.tolist(), low.tolist(), where)
        span = np.where(high == low, epsilon, high - low)  # -1 to 1 over it
        middle = (low + span / 2.0).tolist()
        return Affine((span / 2.0 if self.inverse else 2.0 / span).tolist(), middle, where)

    def _statistic(self, feature: str, name: str, size: int) -> Vector:
        where = f'{self.file.path}: {feature}.{name}'
        found = self.statistics.get(f'{feature}.{name}')
        if found is None:
            raise ArtifactError(f'{where} is missing; {self.step.where} normalises with it')
        if found.size != size:
            raise ArtifactError(f'{where}: expected {size} values, found {list(found.shape)}')
        values: Vector = found.astype(np.float64).reshape(-1)
        if not np.isfinite(values).all():
            raise ArtifactError(f'{where}: holds values that are not finite')
        return values


def read_normaliser(match: Match, draft: Draft, name: str, kind: str) -> Normaliser | None:
    """
    Return the step of a processor that normalises; None where it has none.

    :param match: the policy.
    :param draft: notes which files were taken.
    :param name: of the processor.
    :param kind: of the step.
    :raises ArtifactError: a file is missing, or a step does what no contract can say.
    """
    file = match.companion(draft, name, lambda one: _is_processor(one, name))
    if file is None or file.json is None:
        raise ArtifactError(f'{match.file.path}: its {name}.json is missing beside it; {_OLD}')
    found: Normaliser | None = None
    for step in file.json['steps'].items():
        word = step.get('registry_name') or step['class']
        if word.value in _HARMLESS:
            _check_precision(step)
        elif word.value == kind and found is None:
            found = _read_step(match, draft, step, kind)
        else:
            raise word.problem(f'one of {", ".join((*_HARMLESS, kind))}, which a contract can say')
    return found


def _is_processor(file: SourceFile, name: str) -> bool:
    found = file.json
    return found is not None and 'steps' in found and found['name'].value == name


def _check_precision(step: Foreign) -> None:
    config = step.get('config')
    dtype = config.get('float_dtype') if config is not None else None
    if dtype is not None and dtype.value != 'float32':
        raise dtype.problem('null or float32')


def _read_step(match: Match, draft: Draft, step: Foreign, kind: str) -> Normaliser:
    name = step['state_file'].text()
    file = match.needed(draft, f'statistics ({name})', lambda one: one.path.name == name)
    statistics = read_tensors(file.path, file.data, 'reading normalisation statistics')
    return Normaliser(step, file, statistics, kind.startswith('un'))
