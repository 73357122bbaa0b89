"""Normalisation statistics that lie beside a policy: the file of a ``VecNormalize``."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import ArtifactError
from ..policy.backend import ArraySpec
from ..policy.sb3.vec_normalize import VecNormalizeStatistics, read_vec_normalize
from ..policy.tensor_file import write_tensors
from .draft import Draft
from .questions import Question
from .recognise import Match
from .source_file import SourceFile


def take_statistics(
    match: Match,
    draft: Draft,
    inputs: Sequence[ArraySpec],
    question: Question,
    folders: Sequence[str] = ('.', '*'),
) -> None:
    """
    Put the statistics of a VecNormalize into the bundle; where there is none, ask.

    :param match: the policy.
    :param draft: what they are put into.
    :param inputs: what the policy takes; of no axis where its size is not known.
    :param question: what to ask where none is found.
    :param folders: where to look beside the files that the user names; empty where statistics
        could be in the network already.
    :raises ArtifactError: there are several, it cannot be read, or is of another policy.
    """
    file = match.companion(draft, 'VecNormalize', _is_vec_normalize, folders)
    if file is None:
        draft.ask(question)
        return
    statistics = file.once(_statistics)
    made = []
    keys = draft.known('normalisation', statistics.norm_obs_keys, f'{file.name}: obs_rms')
    for key in keys:
        spec = _input_of(key, statistics, inputs, file, match.file)
        suffix = f'_{spec.name}' if len(keys) > 1 else ''
        data = write_tensors(
            {'mean': statistics.mean[key].reshape(-1), 'var': statistics.var[key].reshape(-1)},
            'writing normalisation statistics',
        )
        made.append(
            {
                'kind': 'mean_std',
                **draft.add_file(f'normalisation{suffix}.safetensors', data),
                'input': spec.name,
                'clip': statistics.clip_obs,
                'epsilon': statistics.epsilon,
            }
        )
    if made:
        draft.tree['normalisation'] = made


def _is_vec_normalize(file: SourceFile) -> bool:
    # the class comes first; a replay buffer beside it can have gigabytes
    return file.is_pickle and b'VecNormalize' in file.head


def _statistics(file: SourceFile) -> VecNormalizeStatistics:
    return read_vec_normalize(file.path)


def _input_of(
    key: str,
    statistics: VecNormalizeStatistics,
    inputs: Sequence[ArraySpec],
    file: SourceFile,
    policy: SourceFile,
) -> ArraySpec:
    """Return the input that statistics are for: the one of their key, or the only one."""
    size = statistics.mean[key].size
    for spec in inputs:
        named = spec.name == key or (not key and len(inputs) == 1)
        if named and (not spec.shape or math.prod(spec.shape) == size):
            return spec
    takes = ', '.join(f'{spec.name} {list(spec.shape[1:])}' for spec in inputs)
    raise ArtifactError(
        f'{file.path}: obs_rms: normalises {key or "observations"} of {size} values, the policy '
        f'in {policy.path} takes {takes}. Name the VecNormalize of this policy with --also'
    )
