"""Canonical text, schema and reader are of one mind, over every kind, key and option."""

import json
import pathlib

import numpy as np
import pytest
from json_schema import problems, tree_of
from safetensors.numpy import save
from tiny_session import CONTRACT, WIRING, Run, edited, make_engine, result

from fournex_runtime.errors import BundleError, ContractError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.bundle import load_bundle, seal_bundle
from fournex_runtime.policy.contract import Fact, load_contract, parse_contract
from fournex_runtime.policy.contract_schema import contract_schema, schema_text
from fournex_runtime.policy.term_kinds import ACTION_KINDS, CONTINUOUS_KINDS, OBSERVATION_KINDS
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.wiring import parse_wiring

EXAMPLES = ('rover', 'arm', 'pendulum')
SHA = '0' * 64
OBSERVATIONS = """\
- {term: joint_position, joints: [a, b], relative_to: default_pose, clip: [-1, 1], scale: [1, 2]}
- {term: joint_velocity, joints: same, unit: deg/s, history: 2, order: newest_first}
- {term: joint_effort, joints: ['on', '012'], clip: {low: [0.1, 1e-300]}}
- {term: base_linear_velocity, axes: [z, x]}
- {term: base_angular_velocity, name: 'gyro, raw', unit: ''}
- {term: base_height, relative_to: 0.1, clip: {high: 3}}
- {term: projected_gravity}
- {term: orientation, layout: rotation_6d_rows}
- {term: velocity_command, axes: [linear_x, angular_z]}
- {term: goal_relative, layout: polar}
- {term: goal_pose, layout: position, sign: w_positive}
- {term: target_pose, layout: position+quaternion_xyzw, frame: base}
- {term: range_scan, sectors: 3, angle_min: -1.5, angle_max: 1.5, range_max: 6}
- {term: range, range_max: 0.3}
- {term: height_scan, frame: base, size: [1, 0.5], resolution: 0.5, grid_order: y_fastest,
   reduce: min, fill: -1}
- {term: gait_phase, period: 0.8 s, offsets: [0, 0.5], layout: grouped}
- {term: clock, of: fraction, length: 10 s}
- {term: value, size: 2}
- {term: value, name: one of three, one_hot: 3}
- {term: last_action, of: clipped}
- {term: noise, size: 2, distribution: gumbel}
"""
ACTIONS = """\
- {term: joint_position_target, joints: [a, b], offset: default_pose}
- {term: joint_velocity_target, joints: same, scale: 0.1}
- {term: joint_effort_target, joints: same, clip: [-1, 1]}
- {term: joint_stiffness, joints: same}
- {term: joint_damping, joints: same}
- {term: twist, axes: [linear_x]}
- {term: pose_target, layout: position}
- {term: value, size: 1}
"""


def indented(text, by):
    return ''.join(f'{" " * by}{line}\n' for line in text.splitlines())


WHOLE = f"""\
name: whole
version: 3
description: 'all of it: ✓'
period: 12.5 ms
default_pose: {{a: 0.1, b: -0.2}}
start_pose: default_pose
gains: {{stiffness: {{a: 20, b: 30.5}}, damping: {{b: 0.5, a: 0}}}}
inputs:
  image:
    dtype: uint8
    shape: [2, 6, 4, 3]
    history: 2
    history_layout: time
    order: oldest_first
    terms:
      - {{term: image, height: 6, width: 4, channels: bgr, layout: hwc, range: 0-255, resize: area,
         crop: [1, 2, 30, 40]}}
  depth:
    - {{term: image, name: depth, height: 2, width: 3, channels: depth, layout: chw, range: metres,
       resize: nearest, fill: 9, clip: [0, 5], scale: 0.2, relative_to: 0.5}}
  flat: {{batch: false, dtype: float64, terms: [{{term: value, name: mask, size: 4}}]}}
  obs:
{indented(OBSERVATIONS, 4)}
outputs:
  gestures:
    dtype: int64
    terms:
      - {{term: discrete, as: twist, axes: [linear_y], actions: [-1, 0, 1]}}
      - {{term: discrete, name: d, as: joint_effort_target, joints: [a], actions: [[0], [2.5]]}}
  motion:
{indented(ACTIONS, 4)}
chunk: {{size: 4, step: 25 ms, execute: 2, interpolation: none}}
normalisation:
  - {{kind: mean_std, file: s.safetensors, sha256: '{SHA}', input: obs, clip: 10, epsilon: 1e-8}}
  - {{kind: mean_std, file: d.safetensors, sha256: '{SHA}', input: depth, clip: 5, epsilon: 1e-4}}
state:
  h: {{shape: [1, 2], input: h_in, output: h_out, initial: zeros, reset: never}}
  c:
    shape: [3]
    input: c_in
    output: c_out
    initial: {{file: c.safetensors, sha256: '{SHA}'}}
    reset: episode
artifact: {{file: policy.onnx, sha256: '{SHA}', backend: onnx}}
card: {{file: card.yaml, sha256: '{SHA}'}}
facts:
  period: {{from: artifact, detail: metadata_props step_dt}}
  gains: unknown
  inputs: train.py line 40
"""


def test_every_kind_is_in_the_whole_one():
    contract = parse_contract(WHOLE)
    assert {one.kind for one in contract.observation_terms} == set(OBSERVATION_KINDS)
    assert {one.kind for one in contract.action_terms} == set(ACTION_KINDS)
    assert {one.command for one in contract.action_terms} == set(CONTINUOUS_KINDS)


def test_no_option_has_the_name_of_a_key_that_every_term_has():
    common = {'term', 'name', 'joints', 'unit', 'frame', 'clip', 'scale', 'offset', 'relative_to'}
    common |= {'history', 'order', 'as', 'actions'}
    for kind in (*OBSERVATION_KINDS.values(), *CONTINUOUS_KINDS.values()):
        assert not common & {option.key for option in kind.options}, kind.name


def texts(checkout):
    shipped = [(checkout / f'examples/{name}/bundle/policy.yaml').read_text() for name in EXAMPLES]
    return [*shipped, CONTRACT, WHOLE]


def test_the_canonical_text_is_an_equal_contract(checkout):
    for text in texts(checkout):
        contract = parse_contract(text)
        written = contract.to_text()
        again = parse_contract(written)
        assert '!!' not in written
        assert again == contract
        assert again.to_text() == written
        assert written != text  # so that equal contracts are not merely equal texts


def test_contracts_that_differ_are_not_equal():
    contract = parse_contract(WHOLE)
    for before, after in [
        ('fill: 9', 'fill: 8'), ('1e-300', '2e-300'), ('12.5 ms', '25 ms'), ('damping: {b: 0.5',
         'damping: {b: 0.6'), ('[2.5]', '[2.25]'), ('reset: never', 'reset: episode'),
        ('from: artifact', 'from: file'), ('crop: [1, 2', 'crop: [1, 3'), ('order: oldest_first',
         'order: newest_first'),
        ('input: depth, clip: 5', 'input: depth, clip: 6'),
    ]:  # fmt: skip
        changed = parse_contract(edited(WHOLE, (before, after)))
        assert changed != contract
        assert parse_contract(changed.to_text()) == changed


def test_facts_say_where_they_came_from():
    contract = parse_contract(WHOLE)
    assert contract.facts == {
        'period': Fact('artifact', 'metadata_props step_dt'),
        'gains': Fact('unknown'),
        'inputs': Fact('user', 'train.py line 40'),
    }
    assert str(contract.facts['period']) == 'artifact: metadata_props step_dt'
    assert contract.start_pose == contract.default_pose
    assert contract.gains.stiffness == {'a': 20.0, 'b': 30.5}


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (('{from: artifact,', '{from: artefact,'), 'facts.period.from: expected one of artifact'),
        (('damping: {b: 0.5, a: 0}', 'damping: {b: 0.5}'), "the same joints; only one has ['a']"),
        (('damping: {b: 0.5', 'damping: {b: -0.5'), 'gains.damping.b: expected a number of at le'),
        (('start_pose: default_pose', 'start_pose: home'), 'start_pose: expected a mapping of jo'),
        (('file: c.safetensors', 'file: s.safetensors'), 'the file s.safetensors is named twice'),
        (('file: d.safetensors', 'file: s.safetensors'), 'the file s.safetensors is named twice'),
        (
            ('input: depth, clip', 'input: obs, clip'),
            'normalisation[0].input: obs is normalised tw',
        ),
        (('input: depth', 'input: dept'), 'normalisation[1].input: expected one of image, depth'),
        (('input: depth', 'input: image'), 'image is uint8; what is normalised is float32 or'),
        (
            ('{file: c.safetensors', '{file: ../c'),
            "'../c' is not the name of a file in the bundle",
        ),
        (('file: card.yaml', 'file: policy.yaml'), "card.file: 'policy.yaml' is not the name of"),
        (('file: card.yaml', 'file: c.safetensors'), 'the file c.safetensors is named twice'),
        (('initial: zeros', 'initial: ones'), "state.h.initial: expected zeros, found 'ones'."),
    ],
)
def test_refusals(change, words):
    with pytest.raises(ContractError) as caught:
        parse_contract(edited(WHOLE, change))
    assert words in str(caught.value)


# --- schema --------------------------------------------------------------------------------------


def test_the_schema_in_the_repository_is_up_to_date(checkout):
    written = (checkout / 'config/policy.schema.json').read_text(encoding='utf-8')
    assert written == schema_text(), (
        'python -m fournex_runtime.policy.contract_schema > config/policy.schema.json'
    )


def test_what_the_reader_takes_the_schema_takes(checkout):
    schema = json.loads(schema_text())
    for text in texts(checkout):
        for one in (text, parse_contract(text).to_text()):
            assert problems(tree_of(one), schema) == []


@pytest.mark.parametrize(
    'change',
    [
        ('name: whole', 'nmae: whole'),
        ('version: 3', 'version: 0'),
        ('period: 12.5 ms', 'period: 12.5'),
        ('dtype: uint8', 'dtype: uint16'),
        ('channels: bgr', 'channels: bge'),
        ('layout: hwc, ', ''),
        ('range_max: 6', 'range_max: 0'),
        ('{term: projected_gravity}', '{term: projected_gravity, joints: [a]}'),
        ('{term: last_action, of: clipped}', '{term: last_action, scale: 2}'),
        ('of: fraction, length: 10 s', 'of: fractions, length: 10 s'),
        ('reset: never', 'reset: often'),
        ('backend: onnx', 'backend: pickle'),
        ('card: {file: card.yaml', 'card: {file: notes/card.yaml'),
        ('as: twist, axes: [linear_y]', 'as: twist'),
        ('interpolation: none', 'interpolation: cubic'),
        ('from: artifact', 'from: artefact'),
        ('epsilon: 1e-8', 'epsilon: 0'),
        ('kind: mean_std, file: s', 'kind: min_max, file: s'),
    ],
)
def test_what_the_schema_refuses_the_reader_refuses_too(change):
    text = edited(WHOLE, change)
    assert problems(tree_of(text), contract_schema())
    with pytest.raises(ContractError):
        parse_contract(text)


# --- first values of states ----------------------------------------------------------------------


def stateful(tmp_path, tensors, reset='episode'):
    contract = edited(
        CONTRACT,
        ('initial: zeros, reset: episode',
         f"initial: {{file: h.safetensors, sha256: '{SHA}'}}, reset: {reset}"),
    )  # fmt: skip
    (tmp_path / 'policy.yaml').write_text(contract)
    (tmp_path / 'policy.onnx').write_bytes(b'weights')
    (tmp_path / 'h.safetensors').write_bytes(save(tensors))
    return seal_bundle(tmp_path)


@pytest.mark.parametrize('reset', ['episode', 'never'])
def test_a_state_begins_with_its_file(tmp_path, reset):
    bundle = stateful(tmp_path, {'h': np.array([[1.5, -2.5]], np.float32)}, reset)
    assert len(bundle.contract.files) == 2
    wiring = parse_wiring(WIRING, pathlib.Path('wiring.yaml'), {'tiny': bundle}).sessions[0]
    run = Run(Engine(bundle, wiring, messages()))
    run.tick(run.joints(), answer=result(0.0, 0.0, h=(7.0, 8.0)))
    assert run.request.recurrent['h'].tolist() == [[1.5, -2.5]]
    run.tick(run.joints(), answer=result(0.0, 0.0, h=(7.0, 8.0)), episode='second')
    expected = [[7.0, 8.0]] if reset == 'never' else [[1.5, -2.5]]
    assert run.request.recurrent['h'].tolist() == expected


def test_zeros_that_are_never_reset():
    run = Run(make_engine(edited(CONTRACT, ('reset: episode', 'reset: never'))))
    run.tick(run.joints(), answer=result(0.0, 0.0, h=(7.0, 8.0)))
    run.tick(run.joints(), episode='second')
    assert run.request.recurrent['h'].tolist() == [[7.0, 8.0]]


def test_files_of_states_that_do_not_fit(tmp_path):
    for tensors, words in [
        ({'c': np.zeros((1, 2), np.float32)}, "has no tensor 'h'; found"),
        ({'h': np.zeros((1, 3), np.float32)}, 'h is float32 [1, 3], the contract says float32 [1'),
        ({'h': np.zeros((1, 2), np.float64)}, 'h is float64 [1, 2], the contract says float32'),
        ({'h': np.full((1, 2), np.nan, np.float32)}, 'h holds values that are not finite'),
    ]:
        with pytest.raises(BundleError) as caught:
            stateful(tmp_path, tensors)
        assert words in str(caught.value)
    stateful(tmp_path, {'h': np.zeros((1, 2), np.float32)})
    (tmp_path / 'h.safetensors').write_bytes(b'other')
    with pytest.raises(BundleError, match=r'h\.safetensors: altered: .*state\.h\.initial\.sha256'):
        load_bundle(tmp_path)


def test_the_examples_load(checkout):
    for name in EXAMPLES:
        assert load_contract(checkout / f'examples/{name}/bundle/policy.yaml').text
