"""
How far a session with an exported policy is from its training library: measured, and as a table.

``python test/support/torch_fidelity.py [--python PYTHON] [FILE]`` measures every case of
``torch_cases.py`` and writes the table into FILE (``docs/fidelity.md``). With the package
``rsl-rl-lib`` in that Python its own models are compared; without it, modules of their structure.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from documented_table import Section
from torch_cases import CASES, OBSERVATIONS, Case

TOLERANCE = 1e-6
"""Of a value, or of the range that it went through where that is more than one."""

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
SECTION = Section('exported policies', 'torch_fidelity.py')
KINDS = {'onnx': 'ONNX', 'torchscript': 'TorchScript', 'torch_export': 'torch.export'}


@dataclasses.dataclass(frozen=True)
class Result:
    """
    What came out for one case.

    :param observations: how many were compared.
    :param episodes: how many episodes they were.
    :param reach: from the least to the greatest action of the library.
    :param changed: how often the library's action was not what the network gave.
    :param difference: greatest difference of an action.
    :param state_difference: greatest difference of the recurrent state.
    :param state_reach: greatest magnitude of the library's.
    :param bit_equal: what the network gave, and its state, always had the library's bits.
    :param writer: what the policy comes from.
    :param runner: what ran the artifact.
    """

    observations: int
    episodes: int
    reach: float
    changed: int
    difference: float
    state_difference: float
    state_reach: float
    bit_equal: bool
    writer: str
    runner: str

    @property
    def within_tolerance(self) -> bool:
        """Return whether actions and states are those of the library."""
        return self.difference <= TOLERANCE * max(
            1.0, self.reach
        ) and self.state_difference <= TOLERANCE * max(1.0, self.state_reach)


def measure(
    python: pathlib.Path, environment: dict[str, str], folder: pathlib.Path, *policies: str
) -> dict[str, Result]:
    """
    Let the Python that has torch make, export, run and compare; return results by case.

    :param policies: names of those to take; all of them if none is named.
    """
    support = pathlib.Path(__file__).parent
    path = os.pathsep.join([str(support), environment['PYTHONPATH']])
    answer = subprocess.run(
        [
            python,
            '-W',
            'ignore',
            support / 'torch_reference.py',
            folder / 'results.json',
            *policies,
        ],
        env={**environment, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    found = json.loads((folder / 'results.json').read_text())
    return {name: Result(**one) for name, one in found.items()}


def row(case: Case) -> str:
    """Return the first columns of the table for a case; no two are alike."""
    made = f'trained, {case.policy.steps} steps' if case.policy.steps else 'initialised'
    columns = (case.policy.library, case.policy.name, made, KINDS[case.backend])
    return '| ' + ' | '.join(columns) + ' |'


def table(results: dict[str, Result]) -> list[str]:
    """Return the lines of the documentation's section."""
    writers = ', '.join(sorted({one.writer for one in results.values()}))
    runners = ', '.join(sorted({one.runner for one in results.values()}))
    worst = max(one.difference for one in results.values())
    episodes = next(iter(results.values())).episodes
    lines = [
        '## Exported policies',
        '',
        f'What a session commands, from the sensor message to the command (terms, normalisation, '
        "artifact, clip, scale and offset), against the training library's own answer to the same "
        f'{OBSERVATIONS} observations in {episodes} episodes; each exported as its library does '
        f'it. The greatest difference of an action is {worst:.1e}; the tests allow '
        f'{TOLERANCE:.0e} of its range. `bit-equal` is said of what the network gives and of its '
        f'state; the tests demand it where torch runs what torch trained. Made by {writers}; run '
        f'by {runners}.',
        '',
        '| library | policy | model | artifact | greatest difference | of the state | bit-equal |',
        '| --- | --- | --- | --- | --- | --- | --- |',
    ]
    for case in CASES:
        result = results[case.name]
        figures = (
            f'{result.difference:.1e}' if result.difference else '0',
            f'{result.state_difference:.1e}' if result.state_difference else '0',
            'yes' if result.bit_equal else 'no',
        )
        state = figures[1] if case.policy.is_recurrent else ''
        lines.append(f'{row(case)} {figures[0]} | {state} | {figures[2]} |')
    return lines


def main() -> None:
    """Measure everything and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('file', type=pathlib.Path, nargs='?', default='docs/fidelity.md')
    parser.add_argument('--python', type=pathlib.Path, default='.venv-torch/bin/python')
    parser.add_argument('--rsl-rl', default='', help='folder that has rsl-rl-lib, for its import')
    options = parser.parse_args()
    kept = {key: one for key, one in os.environ.items() if key in ('PATH', 'HOME', 'LANG')}
    path = os.pathsep.join(filter(None, [str(CHECKOUT), options.rsl_rl]))
    with tempfile.TemporaryDirectory() as folder:
        environment = {**kept, 'PYTHONPATH': path}
        results = measure(options.python.absolute(), environment, pathlib.Path(folder))
    for name, result in results.items():
        print(name, result)
    SECTION.write(options.file, table(results))
    sys.exit(not all(one.within_tolerance for one in results.values()))


if __name__ == '__main__':
    main()
