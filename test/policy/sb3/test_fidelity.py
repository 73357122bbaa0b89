"""Our actions against Stable-Baselines3's own ``predict()``, for every kind of model."""

from __future__ import annotations

import re

import pytest
import sb3_fidelity
from sb3_cases import ALGORITHMS, CASES

PROMISED = """PPO A2C SAC TD3 DDPG DQN QR-DQN TQC TRPO RecurrentPPO MaskablePPO""".split()


EVERY = 6
"""Every change is tested with one case of so many, and with one of each algorithm."""
FIRST = {case.algorithm: case for case in reversed(CASES)}


def chosen(index, case):
    """Return a case with its marks."""
    always = index % EVERY == 0 or FIRST[case.algorithm] is case
    return pytest.param(case, id=case.name, marks=() if always else pytest.mark.soak)


@pytest.fixture(scope='module')
def references(request, torch_python, torch_environment, tmp_path_factory):
    """Return the folder with models that the library made, and what it answered."""
    folder = tmp_path_factory.mktemp('references')
    asked = [
        one.callspec.params['case'].name
        for one in request.session.items
        if 'references' in getattr(one, 'fixturenames', ()) and one.path == request.path
    ]
    sb3_fidelity.make_references(torch_python, torch_environment, folder, *asked)
    return folder


@pytest.mark.torch
@pytest.mark.timeout(600)
@pytest.mark.parametrize('case', [chosen(*one) for one in enumerate(CASES)])
def test_actions_are_those_of_predict(case, references):
    result = sb3_fidelity.measure(case, references)
    assert result.observations == 1000
    assert result.difference <= sb3_fidelity.TOLERANCE
    assert result.state_difference <= sb3_fidelity.TOLERANCE
    assert result.wrong == 0
    assert result.ties <= 5


def test_every_algorithm_meets_every_policy_and_space():
    assert sorted(ALGORITHMS) == sorted(PROMISED)
    assert len({case.name for case in CASES}) == len(CASES)
    for algorithm in PROMISED:
        mine = [case for case in CASES if case.algorithm == algorithm]
        assert {case.policy for case in mine} == {'Mlp', 'Cnn', 'MultiInput'}
        assert {'vector', 'discrete', 'multi_binary', 'image'} <= {one.observation for one in mine}
    for algorithm in ('PPO', 'A2C', 'TRPO', 'RecurrentPPO'):
        actions = {case.action for case in CASES if case.algorithm == algorithm}
        assert {'box', 'discrete', 'multi_discrete', 'multi_binary'} <= actions
    trained = {case.algorithm for case in CASES if case.steps >= 2000}
    assert {'PPO', 'SAC', 'DQN', 'RecurrentPPO'} <= trained


def test_the_documented_table_has_a_row_for_each_case_within_tolerance(checkout):
    section = sb3_fidelity.SECTION.read(checkout / 'docs' / 'fidelity.md')
    rows = [line for line in section.splitlines() if re.match(r'\| \S+ \| \w+Policy \|', line)]
    by_case = {case: sb3_fidelity.row(case) for case in CASES}
    assert len(set(by_case.values())) == len(CASES)
    again = 'run test/support/sb3_fidelity.py again'
    assert len(rows) == len(CASES), again
    for line, start in zip(rows, by_case.values()):
        assert line.startswith(start), again
        difference, state, wrong, _ = (
            one.strip() for one in line[len(start) :].rstrip().removesuffix('|').split('|')
        )
        assert float(difference or 0.0) <= sb3_fidelity.TOLERANCE
        assert float(state or 0.0) <= sb3_fidelity.TOLERANCE
        assert wrong in ('', '0')
