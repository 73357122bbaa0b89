"""Inputs and outputs as arrays: shape, dtype, batch axis, frames; and what does not fit."""

import pytest

from fournex_runtime.errors import ContractError
from fournex_runtime.policy.backend import signature
from fournex_runtime.policy.contract import parse_contract

IMAGE = (
    '{term: image, height: 4, width: 6, channels: rgb, layout: chw, range: 0-255, resize: area}'
)
HWC = IMAGE.replace('chw', 'hwc')
VALUE = '{term: value, size: 3}'
TWIST = '{term: discrete, as: twist, axes: [linear_x, angular_z], actions: [[0.5, 0], [0, 1]]}'


def contract(inputs=f'[{VALUE}]', outputs=f'[{VALUE}]', more=''):
    return parse_contract(f"""\
name: t
version: 1
period: 10 ms
{more}
inputs: {{obs: {inputs}}}
outputs: {{action: {outputs}}}
artifact: {{file: policy.onnx, sha256: '{'0' * 64}', backend: onnx}}
""")


def array(inputs):
    one = signature(contract(inputs)).inputs[0]
    return one.shape, one.dtype


@pytest.mark.parametrize(
    ('inputs', 'shape', 'dtype'),
    [
        (f'[{VALUE}]', (1, 3), 'float32'),
        (f'{{terms: [{VALUE}]}}', (1, 3), 'float32'),
        (f'{{batch: false, dtype: float64, terms: [{VALUE}]}}', (3,), 'float64'),
        (f'{{shape: [3, 1], dtype: int64, terms: [{VALUE}]}}', (1, 3, 1), 'int64'),
        (f'[{IMAGE}]', (1, 3, 4, 6), 'float32'),
        (f'{{dtype: uint8, terms: [{HWC}]}}', (1, 4, 6, 3), 'uint8'),
        (f'{{history: 2, history_layout: time, order: oldest_first, terms: [{IMAGE}]}}',
         (1, 6, 4, 6), 'float32'),
        (f'{{history: 2, history_layout: time, order: oldest_first, terms: [{HWC}]}}',
         (1, 4, 6, 6), 'float32'),
        (f'{{shape: [2, 4, 6, 3], history: 2, history_layout: time, order: oldest_first, '
         f'terms: [{HWC}]}}', (1, 2, 4, 6, 3), 'float32'),
        (f'{{history: 4, history_layout: time, order: newest_first, terms: [{VALUE}, '
         '{term: clock, of: tick}]}', (1, 16), 'float32'),
        (f'{{shape: [4, 3], history: 4, history_layout: time, order: newest_first, '
         f'terms: [{VALUE}]}}', (1, 4, 3), 'float32'),
    ],
)  # fmt: skip
def test_an_input_is_the_array_that_it_says(inputs, shape, dtype):
    assert array(inputs) == (shape, dtype)


def test_a_history_by_term_is_given_to_every_term():
    found = contract(
        f'{{history: 3, history_layout: term, order: newest_first, terms: [{VALUE}, '
        '{term: clock, of: tick}]}'
    )
    assert [(one.history, one.newest_first) for one in found.observation_terms] == [(3, True)] * 2
    assert found.input_size('obs') == 12


def test_several_inputs_and_outputs_have_arrays_of_their_own():
    found = parse_contract(f"""\
name: t
version: 1
period: 10 ms
inputs:
  image: {{dtype: uint8, terms: [{IMAGE}]}}
  state: [{VALUE}]
outputs:
  choice: {{dtype: int64, shape: [], terms: [{TWIST}]}}
  speed: {{dtype: float64, terms: [{VALUE}]}}
artifact: {{file: policy.onnx, sha256: '{'0' * 64}', backend: onnx}}
""")
    spec = signature(found)
    assert [(one.name, one.shape, one.dtype) for one in (*spec.inputs, *spec.outputs)] == [
        ('image', (1, 3, 4, 6), 'uint8'),
        ('state', (1, 3), 'float32'),
        ('choice', (1,), 'int64'),
        ('speed', (1, 3), 'float64'),
    ]
    assert found.action_size == 4
    assert found.action_terms[0].labels == ('linear_x', 'angular_z')


def test_the_last_action_has_one_value_for_a_choice():
    found = contract(
        '[{term: last_action}]', f'{{dtype: int64, terms: [{TWIST}, {TWIST[:-1]}, name: b}}]}}'
    )
    assert found.observation_terms[0].labels == ('discrete', 'b')


@pytest.mark.parametrize(
    ('inputs', 'words'),
    [
        (f'{{shape: [4], terms: [{VALUE}]}}',
         'inputs.obs.shape: is [4], the terms make it [3]: the network takes 4 values, these '
         'terms make 3'),
        (f'{{shape: [-1, 3], terms: [{VALUE}]}}', 'obs.shape: expected whole numbers above 0'),
        (f'{{shape: [n, 3], terms: [{VALUE}]}}', "obs.shape: expected a number, found 'n'"),
        (f'{{shape: [3, 6, 4], terms: [{IMAGE}]}}', 'shape: is [3, 6, 4], the terms make it [3, '),
        (f'{{shape: [72], terms: [{IMAGE}]}}', 'shape: is [72], the terms make it [3, 4, 6]'),
        (f'{{shape: [5, 3], history: 4, history_layout: time, order: newest_first, '
         f'terms: [{VALUE}]}}', 'shape: is [5, 3], the terms make it [12] or [4, 3]'),
        (f'[{IMAGE}, {VALUE}]', 'image fills a whole input; put the other terms into another'),
        (f'{{dtype: float16, terms: [{VALUE}]}}', 'dtype: expected one of float32, float64, u'),
        (f'{{dtype: uint8, terms: [{IMAGE.replace("0-255", "0-1")}]}}',
         'dtype: uint8 holds whole numbers: expected range 0-255 without scale'),
        (f'{{dtype: uint8, terms: [{IMAGE[:-1]}, scale: 2}}]}}', 'dtype: uint8 holds whole numb'),
        (f'{{history: 2, order: newest_first, terms: [{VALUE}]}}', 'history_layout is missing'),
        (f'{{history: 2, history_layout: time, terms: [{VALUE}]}}', 'order is missing: expected'),
        (f'{{history: 2, history_layout: time, order: newest, terms: [{VALUE}]}}',
         "order: expected one of oldest_first, newest_first, found 'newest'. Did you mean new"),
        (f'{{history: 2, history_layout: term, order: newest_first, terms: [{IMAGE}]}}',
         'history_layout: image fills a whole input, so its frames go by time'),
        (f'[{IMAGE[:-1]}, history: 2, order: newest_first}}]', 'frames of an image are stacke'),
        ('{history: 2, history_layout: time, order: newest_first, terms: [{term: value, size: 1, '
         'history: 2, order: newest_first}]}', 'history: value has a history of its own'),
        (f'{{terms: [{VALUE}], bach: true}}', 'inputs.obs.bach: unknown key. Did you mean batch?'),
        ('[{term: value, size: 1, name: a/b}]', "name: 'a/b' is no name of a term"),
        ('[{term: value, size: 1, one_hot: 2}]', 'one_hot: a choice of N is one number in a mess'),
        ('[{term: value}]', 'size is missing: expected a whole number of at least 1'),
        (f'[{IMAGE.replace("rgb", "depth")}]', 'range: metres are for channels: depth'),
        (f'[{IMAGE[:-1]}, fill: 0}}]', 'fill: is what no measurement reads as: for channels: de'),
        ('[{term: image, height: 1, width: 1, channels: depth, layout: chw, range: metres, '
         'resize: area, fill: 0}]', 'resize: area would mix near and far'),
        (f'[{IMAGE[:-1]}, crop: [0, 0, 1.5, 1]}}]', 'crop: expected [top, left, height, wid'),
        (f'[{IMAGE.replace("area", "none")[:-1]}, crop: [0, 0, 4, 5]}}]', 'crop: is not of hei'),
        (f'[{IMAGE[:-1]}, scale: [1, 2]}}]', 'a number for all, or a list of 3; found'),
        ('[{term: clock, of: tick, length: 1 s}]', 'length: is how long an episode is'),
        ('[{term: clock, of: fraction}]', 'length: is how long an episode is'),
        ('[{term: gait_phase, period: forever, layout: grouped}]', 'period: expected a duration'),
        ('[{term: height_scan, size: [1, 1], resolution: 0.3, grid_order: x_fastest, reduce: max, '
         'fill: 0}]', 'size: 1.0 m is no multiple of the resolution'),
        ('[{term: orientation}]', 'layout is missing: expected one of quaternion_xyzw'),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(inputs, words):
    with pytest.raises(ContractError) as caught:
        contract(inputs)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ('outputs', 'words'),
    [
        (f'{{shape: [4], terms: [{VALUE}]}}', 'outputs.action.shape: is [4], the terms make it ['),
        (f'[{TWIST}]', 'discrete is a discrete: expected dtype int64, found float32'),
        (f'{{dtype: int64, terms: [{VALUE}]}}', 'value is a value: expected dtype float32 or f'),
        (f'{{dtype: uint8, terms: [{TWIST}]}}', 'dtype: expected one of float32, float64, int64'),
        (f'{{dtype: int64, terms: [{TWIST.replace("[0, 1]", "[0]")}]}}',
         'actions: action 1 has 1 numbers, expected 2: linear_x, angular_z'),
        (f'{{dtype: int64, terms: [{TWIST.replace(", [0, 1]", "")}]}}', 'actions: expected at l'),
        (f'{{dtype: int64, terms: [{TWIST.replace("0.5", "a")}]}}', 'actions[0]: expected a numb'),
        (f'{{dtype: int64, terms: [{TWIST.replace("as: twist", "as: twits")}]}}',
         'as: expected one of joint_position_target'),
        (f'{{dtype: int64, terms: [{TWIST[:-1]}, scale: 2}}]}}', 'scale: a discrete action takes'),
    ],
)  # fmt: skip
def test_outputs_that_do_not_fit(outputs, words):
    with pytest.raises(ContractError) as caught:
        contract(outputs=outputs)
    assert words in str(caught.value)


def test_only_real_numbers_are_normalised():
    more = f"normalisation: {{kind: mean_std, file: s, sha256: '{'0' * 64}', clip: 1, epsilon: 1}}"
    with pytest.raises(ContractError, match='input: obs is uint8; what is normalised is float32'):
        contract(f'{{dtype: uint8, terms: [{VALUE}]}}', more=more)
    with pytest.raises(ContractError, match='normalisation: sha256 is missing'):
        contract(more='normalisation: {kind: mean_std, file: s, clip: 1, epsilon: 1}')
