"""What an ONNX model says of itself, read without any library for it."""

from __future__ import annotations

import pytest
from linear_onnx import linear_onnx, weights

from fournex_runtime.policy.onnx_header import OnnxArray, read_onnx_header

MODEL = linear_onnx(weights(6, 2), {'joint_names': 'a,b', 'kp': '[1.0]'}, batch='N')


def test_names_shapes_dtypes_and_metadata_are_read():
    header = read_onnx_header(MODEL)
    assert header.inputs == (OnnxArray('obs', 'float32', (None, 6)),)
    assert header.outputs == (OnnxArray('actions', 'float32', (None, 2)),)
    assert dict(header.metadata) == {'joint_names': 'a,b', 'kp': '[1.0]'}
    assert header.operators == ('MatMul',)


def test_what_trained_policies_say_is_what_onnx_runtime_finds(checkout):
    import onnxruntime

    for file in sorted(checkout.glob('examples/*/bundle/policy.onnx')):
        header = read_onnx_header(file.read_bytes())
        session = onnxruntime.InferenceSession(file, providers=['CPUExecutionProvider'])
        for ours, theirs in (
            (header.inputs, session.get_inputs()),
            (header.outputs, session.get_outputs()),
        ):
            assert [one.name for one in ours] == [one.name for one in theirs]
            lengths = [[n if isinstance(n, int) else None for n in one.shape] for one in theirs]
            assert [list(one.shape) for one in ours] == lengths


@pytest.mark.parametrize('kept', [1, 10, len(MODEL) // 2, len(MODEL) - 1])
def test_a_model_that_is_cut_off_is_none(kept):
    with pytest.raises(ValueError, match='.'):
        read_onnx_header(MODEL[:kept])


@pytest.mark.parametrize('data', [b'', b'\x08\x08', b'hello world', b'\x08\x08:\x02\n\x00'])
def test_other_bytes_are_no_model(data):
    with pytest.raises(ValueError, match='.'):
        read_onnx_header(data)
