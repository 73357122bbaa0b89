"""A recurrent state of the contract that lives in a buffer of the artifact."""

import pytest
from backend_cases import STATES, contract

from fournex_runtime.errors import ContractError
from fournex_runtime.policy.backend import signature
from fournex_runtime.policy.contract import parse_contract


def test_it_is_neither_taken_nor_given():
    read = parse_contract(contract('torchscript', 'policy.pt', 'lstm-buffers'))
    assert [(one.name, one.buffer, one.shape) for one in read.state] == [
        ('h', 'hidden_state', (1, 1, 4)),
        ('c', 'cell_state', (1, 1, 4)),
    ]
    spec = signature(read)
    assert (spec.state_inputs, spec.state_outputs) == ((), ())
    assert [one.name for one in spec.inputs] == ['obs']


@pytest.mark.parametrize(
    ('backend', 'before', 'after', 'words'),
    [
        ('onnx', '', '', 'buffer hidden_state: an ONNX model has none'),
        ('torchscript', 'cell_state', 'hidden_state', 'two buffers called hidden_state'),
        ('torchscript', 'buffer: cell_state', 'buffer: cell_state, input: c', 'input'),
        ('torchscript', 'buffer: cell_state, ', '', r'state\.c: input is missing'),
    ],
)
def test_what_cannot_be_is_refused(backend, before, after, words):
    assert before in STATES['lstm-buffers']
    text = contract(backend, 'policy.pt', 'lstm-buffers').replace(before, after)
    with pytest.raises(ContractError, match=words):
        parse_contract(text)
