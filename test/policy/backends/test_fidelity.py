"""A session's commands against the answers of the library that trained its policy."""

from __future__ import annotations

import pytest
import torch_fidelity
from torch_cases import CASES, OBSERVATIONS, POLICIES

ALWAYS = (
    'PPO, VecNormalize by the contract',
    'SAC, spread over the action space',
    'RecurrentPPO, LSTM of two layers, state in buffers, VecNormalize',
)
"""The policies that every change is tested with."""


def chosen(case):
    """Return a case with its marks."""
    marks = () if case.policy.name in ALWAYS else pytest.mark.soak
    return pytest.param(case, id=case.name, marks=marks)


@pytest.fixture(scope='module')
def results(request, torch_python, torch_environment, tmp_path_factory):
    """Return what came out for each case."""
    asked = {
        one.callspec.params['case'].policy.name
        for one in request.session.items
        if 'results' in getattr(one, 'fixturenames', ()) and one.path == request.path
    }
    folder = tmp_path_factory.mktemp('results')
    return torch_fidelity.measure(torch_python, torch_environment, folder, *asked)


@pytest.mark.torch
@pytest.mark.timeout(500)
@pytest.mark.parametrize('case', [chosen(case) for case in CASES])
def test_commands_are_those_of_the_library(case, results):
    result = results[case.name]
    assert result.observations == OBSERVATIONS and result.episodes > 20
    assert result.reach > 0.1, 'not one and the same action all the time'
    assert result.within_tolerance, result
    if case.backend != 'onnx':
        assert result.bit_equal, result
    if case.policy.is_recurrent:
        assert result.state_reach > 0.1
    if case.policy.name == 'PPO, clipped':
        assert 0 < result.changed < OBSERVATIONS, 'some are clipped, some are not'


def test_the_documented_table_has_a_row_for_each_case(checkout):
    section = torch_fidelity.SECTION.read(checkout / 'docs' / 'fidelity.md')
    rows = [line for line in section.splitlines() if line.startswith('| ')][2:]
    again = 'run test/support/torch_fidelity.py again'
    assert len(rows) == len(CASES) == 3 * len(POLICIES), again
    for case, line in zip(CASES, rows):
        start = torch_fidelity.row(case)
        assert line.startswith(start), again
        figures = line[len(start) :].rstrip().removesuffix('|').split('|')
        difference, state, equal = (one.strip() for one in figures)
        assert float(difference) <= torch_fidelity.TOLERANCE
        assert bool(state) == case.policy.is_recurrent
        assert equal == 'yes' or case.backend == 'onnx'
