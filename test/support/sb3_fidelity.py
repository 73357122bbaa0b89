"""
How far our actions are from those of Stable-Baselines3's ``predict()``: measured, and as a table.

``python test/support/sb3_fidelity.py [--python PYTHON] [FILE]``, in the environment that ROS 2
runs in, measures every case and writes the table into FILE (``docs/fidelity.md``).
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import sb3_cases
from documented_table import Section
from sb3_file import read_sb3

from fournex_runtime.policy.onnx_backend import OnnxModel
from fournex_runtime.policy.sb3.actions import action_mapping
from fournex_runtime.policy.sb3.features import FIRST, LAST
from fournex_runtime.policy.sb3.network import MASKS, STARTS, OnnxPolicy, build_onnx
from fournex_runtime.policy.sb3.saved_policy import Sb3Policy
from fournex_runtime.policy.sb3.spaces import Box
from fournex_runtime.policy.sb3.vec_normalize import read_vec_normalize

TOLERANCE = 1e-6
TIE = 1e-5
"""Choices whose logits or values differ by less are tied: float32 does not tell them apart."""

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = CHECKOUT / 'test' / 'policy' / 'sb3' / 'reference.py'
SECTION = Section('stable-baselines3', 'sb3_fidelity.py')


@dataclasses.dataclass(frozen=True)
class Result:
    """
    What came out for one case.

    :param observations: how many were compared.
    :param difference: greatest difference of an action.
    :param state_difference: greatest difference of the recurrent state.
    :param wrong: choices that differ although the library's was ahead by more than :data:`TIE`.
    :param ties: choices that differ at a tie.
    :param writer: what wrote the model.
    """

    observations: int
    difference: float = 0.0
    state_difference: float = 0.0
    wrong: int = 0
    ties: int = 0
    writer: str = ''


def make_references(
    python: pathlib.Path, environment: dict[str, str], folder: pathlib.Path, *names: str
) -> None:
    """Let the Python that has torch make models and answers."""
    path = os.pathsep.join([str(REFERENCE.parents[2] / 'support'), environment['PYTHONPATH']])
    answer = subprocess.run(
        [python, REFERENCE, folder, *names],
        env={**environment, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def observations(case: sb3_cases.Case, folder: pathlib.Path) -> dict[str, np.ndarray]:
    """Return the observations of a case by input of its model."""
    with np.load(folder / f'{case.observation}.npz') as loaded:
        seen = {key[3:]: loaded[key] for key in loaded.files}
    if case.normalise:
        statistics = read_vec_normalize(folder / f'{case.name}.pkl')
        seen |= {key: statistics.normalise(seen[key], key) for key in statistics.norm_obs_keys}
    return {key or 'obs': one for key, one in seen.items()}


def measure(case: sb3_cases.Case, folder: pathlib.Path) -> Result:
    """Read the model of a case, rebuild it, run it on every observation and compare."""
    policy = read_sb3(folder / f'{case.name}.zip')
    built = build_onnx(policy, FIRST if case.observation == 'image_first' else LAST)
    seen = observations(case, folder)
    with np.load(folder / f'{case.name}.npz') as loaded:
        expected = {key: loaded[key] for key in loaded.files}
    assert policy.algorithm == case.algorithm
    inputs = [
        {one.name: _row(seen[one.name][i], one) for one in built.signature.inputs}
        for i in range(sb3_cases.OBSERVATIONS)
    ]
    model = OnnxModel(built.model, case.name, built.signature, built.state)
    if case.is_recurrent:
        raw, apart = _run_sequences(model, built, inputs, expected)
    else:
        raw = np.concatenate([model.run(one, {})[0]['actions'] for one in inputs])
        apart = 0.0
    result = _compare(policy, raw, expected['actions'], expected['gaps'])
    if case.is_masked:
        masked = np.concatenate(
            [
                model.run({**one, MASKS: mask[np.newaxis]}, {})[0]['actions']
                for one, mask in zip(inputs, expected['masks'])
            ]
        )
        other = _compare(policy, masked, expected['masked_actions'], expected['masked_gaps'])
        result = dataclasses.replace(
            result, wrong=result.wrong + other.wrong, ties=result.ties + other.ties
        )
    version = policy.versions['Stable-Baselines3']
    return dataclasses.replace(result, state_difference=apart, writer=version)


def _row(value, spec) -> np.ndarray:
    return np.asarray(value).astype(spec.dtype).reshape(spec.shape)


def _run_sequences(
    model: OnnxModel, built: OnnxPolicy, inputs: list[dict], expected: dict[str, np.ndarray]
) -> tuple[np.ndarray, float]:
    """Step each sequence by itself; where an episode starts, either way of saying so."""
    zeros = {one.name: np.zeros(one.shape, np.float32) for one in built.state}
    raw: dict[int, np.ndarray] = {}
    apart = 0.0
    for sequence in range(sb3_cases.SEQUENCES):
        state = zeros
        for step, starts in enumerate(expected['starts']):
            index = step * sb3_cases.SEQUENCES + sequence
            given = inputs[index]
            if starts[sequence] and sequence % 2:
                given = {**given, STARTS: np.ones(1, np.float32)}
            elif starts[sequence]:
                state = zeros
            outputs, state = model.run(given, state)
            raw[index] = outputs['actions']
            theirs = expected['states'][step][:, :, sequence]
            ours = np.stack([state['h'][:, 0], state['c'][:, 0]])
            apart = max(apart, float(np.abs(ours - theirs).max()))
    return np.concatenate([raw[index] for index in sorted(raw)]), apart


def _compare(policy: Sb3Policy, raw: np.ndarray, actions: np.ndarray, gaps: np.ndarray) -> Result:
    theirs = actions.reshape(len(actions), -1)
    assert raw.shape == theirs.shape
    if isinstance(policy.action_space, Box):
        ours = action_mapping(policy).apply(raw)
        return Result(len(raw), difference=float(np.abs(ours - theirs).max()))
    differ = raw != theirs
    assert gaps.shape == differ.shape
    tied = differ & (gaps < TIE)
    return Result(len(raw), wrong=int((differ & ~tied).sum()), ties=int(tied.sum()))


def row(case: sb3_cases.Case) -> str:
    """Return the first columns of the table for a case; no two are alike."""
    environment = not case.action
    made = f'trained, {case.steps} steps' if case.steps else 'initialised'
    extra = [case.variant.replace('_', ' ')] if case.variant else []
    extra += ['VecNormalize'] if case.normalise else []
    kind = f'{case.policy}{"Lstm" if case.is_recurrent else ""}Policy'
    space = case.observation.replace('_', ' ')
    action = 'its own' if environment else case.action.replace('_', ' ')
    columns = (case.algorithm, kind, space, action, ', '.join(extra), made)
    return '| ' + ' | '.join(columns) + ' |'


def table(results: dict[sb3_cases.Case, Result]) -> list[str]:
    """Return the lines of the documentation's section."""
    versions = sorted({result.writer for result in results.values()})
    boxes = max(one.difference for one in results.values())
    states = max(one.state_difference for one in results.values())
    lines = [
        '## Stable-Baselines3 and sb3-contrib',
        '',
        f'{len(results)} models saved by Stable-Baselines3 {", ".join(versions)}, read without '
        "it and run by ONNX Runtime, against the library's own `predict(deterministic=True)` on "
        f'{sb3_cases.OBSERVATIONS} observations each. The greatest difference of an action after '
        f'clipping or spreading over the action space is {boxes:.1e}, that of a recurrent state '
        f'{states:.1e}; the tests allow {TOLERANCE:.0e}. Choices must be equal; `tied` counts '
        f'those where two choices were within {TIE:.0e} of each other and the other one was '
        'taken. Spaces and variants are those of `test/policy/sb3/reference.py`.',
        '',
        '| algorithm | policy | observation | action | with | model | greatest difference | '
        'of the state | choices wrong | tied |',
        '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ]
    for case, result in results.items():
        chooses = not result.difference
        figures = (
            '' if chooses else f'{result.difference:.1e}',
            f'{result.state_difference:.1e}' if case.is_recurrent else '',
            str(result.wrong) if chooses else '',
            str(result.ties) if chooses else '',
        )
        lines.append(row(case) + ' ' + ' | '.join(figures) + ' |')
    return lines


def main() -> None:
    """Measure everything and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('file', type=pathlib.Path, nargs='?', default='docs/fidelity.md')
    parser.add_argument('--python', type=pathlib.Path, default='.venv-torch/bin/python')
    options = parser.parse_args()
    kept = {key: one for key, one in os.environ.items() if key in ('PATH', 'HOME', 'LANG')}
    with tempfile.TemporaryDirectory() as folder:
        print('making the models …', flush=True)
        make_references(
            options.python.absolute(), {**kept, 'PYTHONPATH': str(CHECKOUT)}, pathlib.Path(folder)
        )
        results = {}
        for case in sb3_cases.CASES:
            results[case] = measure(case, pathlib.Path(folder))
            print(case.name, results[case], flush=True)
    SECTION.write(options.file, table(results))
    sys.exit(any(one.wrong or one.difference > TOLERANCE for one in results.values()))


if __name__ == '__main__':
    main()
