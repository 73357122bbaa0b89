"""``fournex inspect``, on the bundles, wirings and recordings that the rest makes."""

from __future__ import annotations

import pathlib
import shutil

import pytest
from tiny_session import WIRING, edited, make_bundle

from fournex_runtime.cli.show_wiring import show_wiring
from fournex_runtime.session.wiring import parse_wiring


def rows(text: str) -> list[list[str]]:
    """Return the words of each line."""
    return [line.split() for line in text.splitlines()]


def test_a_bundle_shows_every_value_of_its_contract(fournex):
    done = fournex('inspect', 'examples/rover/bundle')
    assert done.status == 0, done.err
    assert 'rover-nav@' in done.out
    assert '20 Hz (period 50 ms)' in done.out
    assert 'input obs: float32 [1, 43]' in done.out
    found = rows(done.out)
    assert ['0-35', 'range_scan', 'sector_0', '…', 'sector_35', 'm', '[0,', '2]', 'file'] in found
    assert ['36', 'goal_relative', 'distance', 'm', '[0,', '5]', '0.2', 'file'] in found
    assert ['37', 'cos_bearing', '1', '[-1,', '1]'] in found
    assert ['41', 'last_action,', 'clipped', 'linear_x', '1', 'file'] in found
    assert 'range_scan: sectors 36, range_max 6, angle_min -3.142, angle_max 3.142' in done.out
    # an action of -1 to 1 becomes 0.35 ± 0.35 m/s
    assert [
        '0', 'twist', 'linear_x', 'm/s', '[-1,', '1]', '0.35', '0.35', '0', 'to', '0.7', 'file',
    ] in found  # fmt: skip


def test_a_recurrent_bundle_shows_its_state(fournex):
    done = fournex('inspect', 'examples/pendulum/bundle/policy.yaml')
    assert done.status == 0, done.err
    assert 'h_in → h_out' in done.out
    assert "zeros at each episode's start" in done.out


CONTRACT = """
name: two-joints
version: 4
period: 10 ms
default_pose: {left: 0.5, right: -0.25}
inputs:
  obs:
    - {term: joint_position, joints: [left, right], relative_to: default_pose, history: 3,
       order: oldest_first}
    - {term: projected_gravity}
normalisation: {kind: mean_std, file: stats.safetensors, sha256: STATS, clip: 10.0, epsilon: 1e-8}
outputs:
  action:
    - {term: joint_position_target, joints: same, offset: default_pose, scale: 0.5, clip: [-1, 1]}
artifact: {file: policy.onnx, sha256: ARTIFACT, backend: onnx}
"""


def test_history_and_normalisation_are_shown_at_their_places(fournex, tmp_path):
    import hashlib

    import numpy as np
    from safetensors.numpy import save

    mean = np.arange(9, dtype=np.float64)
    stats = save({'mean': mean, 'var': np.full(9, 4.0)})
    (tmp_path / 'stats.safetensors').write_bytes(stats)
    (tmp_path / 'policy.onnx').write_bytes(b'not looked into')
    text = CONTRACT.replace('STATS', hashlib.sha256(stats).hexdigest())
    text = text.replace('ARTIFACT', hashlib.sha256(b'not looked into').hexdigest())
    (tmp_path / 'policy.yaml').write_text(text)
    done = fournex('inspect', tmp_path)
    assert done.status == 1, 'the artifact is none'
    found = rows(done.out)
    # oldest first: left is at 0, 2, 4, its newest value at 4, where the mean is 4
    assert [
        '0,2,4',
        'joint_position',
        'left',
        'rad',
        '0.5',
        '3,',
        'oldest',
        'first',
        '4',
        '2',
    ] in (found)
    assert ['8', 'z', '1', '8', '2'] in found
    assert ['1', 'right', 'rad', '[-1,', '1]', '0.5', '-0.25', '-0.75', 'to', '0.25'] in found
    assert 'clip((x - mean) / sqrt(var + 1e-08), ±10)' in done.out


def sealed(folder, text):
    """Return the folder with a contract and an artifact that nobody looks into."""
    from fournex_runtime.policy.bundle import seal_bundle

    (folder / 'policy.onnx').write_bytes(b'not looked into')
    zeros = f"'{'0' * 64}'"
    (folder / 'policy.yaml').write_text(text.replace('ARTIFACT', zeros).replace('STATS', zeros))
    return seal_bundle(folder).folder


def without_normalisation(text):
    return '\n'.join(one for one in text.splitlines() if not one.startswith('normalisation'))


FACTS = """
gains: {stiffness: {left: 20, right: 21.5}, damping: {left: 0.5, right: 0.5}}
start_pose: {left: 0.0, right: 0.25}
facts:
  inputs.obs: {from: deploy.yaml, detail: observations}
  inputs.obs.joint_position.history: user
  inputs.obs.joint_position.order: unknown
  outputs.action.scale: artifact
  default_pose: {from: deploy.yaml, detail: default_joint_pos}
  gains: unknown
  period: user
"""


def test_each_fact_is_shown_with_its_source(fournex, tmp_path):
    done = fournex('inspect', sealed(tmp_path, without_normalisation(CONTRACT) + FACTS))
    assert done.status == 1, 'the artifact is none'
    lines = done.out.splitlines()
    assert 'UNKNOWN   inputs.obs.joint_position.order, gains' in lines
    assert 'rate      100 Hz (period 10 ms)  from: user' in lines
    sources = {line.split()[1]: line for line in lines if ' file' in line or ' scale ' in line}
    assert sources['joint_position'].endswith('  file, history user, order UNKNOWN')
    assert sources['projected_gravity'].endswith('  file')
    assert next(line for line in lines if line.startswith('   0  joint_position_target')).endswith(
        '  scale artifact'
    )  # nobody has said where the rest of it came from
    assert '  default_pose  from: file: deploy.yaml: default_joint_pos' in lines
    assert '  start_pose  from: not said' in lines
    assert '  gains.stiffness  from: unknown' in lines
    assert '  gains.damping  from: unknown' in lines
    found = rows(done.out)
    assert ['joint', 'default_pose', 'start_pose', 'stiffness', 'damping'] in found
    assert ['right', '-0.25', '0.25', '21.5', '0.5'] in found
    assert ['gains', 'UNKNOWN'] in found


def test_without_facts_nothing_is_said_of_sources(fournex, tmp_path):
    done = fournex('inspect', sealed(tmp_path, without_normalisation(CONTRACT)))
    assert done.status == 1, 'the artifact is none'
    assert 'from' not in done.out.replace('artifact: ', '').split('NOT THOSE')[0]
    assert 'model card' not in done.out


def test_chunks_and_several_normalised_inputs(fournex, tmp_path):
    import numpy as np
    from safetensors.numpy import save_file

    text = CONTRACT.replace('inputs:\n', 'inputs:\n  goal: [{term: value, size: 3}]\n')
    text = text.replace('STATS, clip', 'STATS, input: obs, clip')
    one = 'kind: mean_std, file: goal.safetensors, sha256: STATS, input: goal, clip: 5, epsilon: 1'
    text = text.replace('normalisation: {', f'normalisation:\n  - {{{one}}}\n  - {{')
    text += 'chunk: {size: 8, step: 20 ms, execute: 4, interpolation: linear}\n'
    save_file({'mean': np.arange(9.0), 'var': np.ones(9)}, tmp_path / 'stats.safetensors')
    save_file({'mean': np.full(3, 0.5), 'var': np.full(3, 9.0)}, tmp_path / 'goal.safetensors')
    done = fournex('inspect', sealed(tmp_path, text))
    assert done.status == 1, 'the artifact is none'
    assert 'normalises  goal by goal.safetensors: clip((x - mean) / sqrt(var + 1), ±5)' in done.out
    assert '            obs by stats.safetensors: clip((x' in done.out
    assert ['0-2', 'value', 'value_0', '…', 'value_2', '0.5', '3'] in rows(done.out)
    assert '8 actions at once, 20 ms apart, 4 of them played, linear interpolation' in done.out


def test_the_model_card_is_shown(fournex):
    done = fournex('inspect', 'examples/rover/bundle')
    card = done.out.partition('\nmodel card\n')[2]
    assert 'approved by  NOBODY; to approve: sha256 ' in card
    assert '94 of 100' in card and 'drives forward only' in card


def test_a_contract_that_is_not_that_of_the_network_is_shown_and_says_so(fournex, pendulum):
    done = fournex('inspect', pendulum(('h: {shape: [1, 1, 32]', 'h: {shape: [1, 1, 16]')))
    assert done.status == 1, done.err
    assert 'NOT THOSE OF THE ARTIFACT: ' in done.out
    assert 'input h_in is float32 [1, 1, 32]' in done.out


@pytest.fixture
def pendulum(checkout, tmp_path):
    """Return a function that copies the pendulum's bundle with parts of the contract replaced."""

    def make(*replacements):
        folder = tmp_path / 'bundle'
        shutil.copytree(checkout / 'examples/pendulum/bundle', folder)
        text = (folder / 'policy.yaml').read_text()
        for before, after in replacements:
            assert before in text
            text = text.replace(before, after)
        (folder / 'policy.yaml').write_text(text)
        return folder

    return make


def test_a_wiring_is_checked_as_the_runtime_checks_it(fournex, wiring, checkout, pendulum):
    """Neither reading the wiring nor reading the contract finds these."""
    wrong = fournex(
        'inspect', wiring(('type: sensor_msgs/msg/JointState', 'type: std_msgs/msg/Int8'))
    )
    assert (wrong.status, wrong.out) == (2, '')
    assert 'wiring.yaml:' in wrong.err and 'joint_position' in wrong.err
    missing = wiring(('type: sensor_msgs/msg/JointState', 'type: sensor_msgs/msg/JoinState'))
    assert 'JoinState' in fournex('inspect', missing).err
    other = pendulum(('h: {shape: [1, 1, 32]', 'h: {shape: [1, 1, 16]'))
    file = wiring((f'policy: {checkout}/examples/pendulum/bundle', f'policy: {other}'))
    misfit = fournex('inspect', file)
    assert (misfit.status, misfit.out) == (2, '')
    assert 'policy.onnx: input h_in is float32 [1, 1, 32]' in misfit.err


def test_a_wiring_shows_topics_budgets_limits_and_reactions(fournex):
    done = fournex('inspect', 'rover')
    assert done.status == 0, done.err
    found = rows(done.out)
    assert [
        'scan', 'sensor_msgs/msg/LaserScan', 'as', 'offered', 'range_scan', 'by', 'its', 'kind',
        '200', 'ms',
    ] in found  # fmt: skip
    assert ['twist', 'linear_x', '-0.2', '0.7', 'unlimited', 'm/s'] in found
    assert 'hold the last command 200 ms, then stop' in done.out
    assert 'linear_x 0, angular_z 0' in done.out  # the stop command
    assert 'computed by cpu; threads: 1; in a worker\n    here onnxruntime ' in done.out
    assert ['pole', '0', '0.2'] in rows(fournex('inspect', 'pendulum').out)


def test_a_wiring_shows_who_shares_a_policy():
    head, session = WIRING.split('  tiny:\n')
    other = edited(session, ('topic: commands', 'topic: other_commands'))
    both = parse_wiring(
        f'{head}  left:\n{session}  right:\n{other}',
        pathlib.Path('wiring.yaml'),
        dict.fromkeys(('left', 'right'), make_bundle()),
    )
    shown = show_wiring(both, {})
    assert 'in a worker, with right' in shown and 'in a worker, with left' in shown


def test_a_wiring_shows_where_the_robot_is_to_begin(fournex):
    assert ['pole', '0', '0.2'] in rows(fournex('inspect', 'pendulum').out)


def test_a_wiring_shows_how_softly_a_policy_takes_over_and_how_long_a_command_counts():
    bundles = {'tiny': make_bundle()}
    more = '    soft_start: 2 s\n    command_timeout: 300 ms\n    reward:'
    soft = edited(WIRING, ('    reward:', more))
    shown = show_wiring(parse_wiring(soft, pathlib.Path('wiring.yaml'), bundles), {})
    assert '  takes over softly, within 2 s' in shown.splitlines()
    assert '    no command is said again for longer than 300 ms' in shown.splitlines()
    shown = show_wiring(parse_wiring(WIRING, pathlib.Path('wiring.yaml'), bundles), {})
    assert 'softly' not in shown


def test_a_wiring_shows_the_robots_names_units_and_fields():
    wiring = edited(
        WIRING,
        ('    inputs:', '    joint_names: {a: motor_1}\n    inputs:'),
        ('budget: 50 ms}', 'budget: 50 ms, unit: deg}'),
        ('std_msgs/msg/Float64MultiArray\n        joints: [b, a]',
         'sensor_msgs/msg/BatteryState\n        fields: {a: voltage, b: current}\n'
         '        unit: deg/s\n        set: {present: true}'),
    )  # fmt: skip
    bundles = {'tiny': make_bundle()}
    shown = show_wiring(parse_wiring(wiring, pathlib.Path('wiring.yaml'), bundles), {})
    assert ' '.join(shown.split()).count('a motor_1') == 1
    assert 'by its kind, in deg' in shown
    assert 'a: voltage, b: current, in deg/s, present = true' in shown


@pytest.mark.parametrize(
    ('record', 'words'),
    [
        ('{mode: ring, keep: 10 s, memory: 64 MB}', 'the last 10 s and 5 s after, when something'),
        ('{mode: ring, disk: 10 GB}', 'of memory and 10.0 GB of disk; zstd'),
        ('{keep: 20 GB, split_time: 60 s}', 'everything; files of 2.0 GB; a file for each 60 s'),
    ],
)
def test_a_wiring_shows_how_recordings_are_made(record, words):
    wiring = edited(WIRING, ('robot: tiny\n', f'robot: tiny\nrecord: {record}\n'))
    read = parse_wiring(wiring, pathlib.Path('wiring.yaml'), {'tiny': make_bundle()})
    assert words in show_wiring(read, {})


def test_a_recording_shows_topics_ticks_and_episodes(fournex, bag):
    done = fournex('inspect', bag)
    assert done.status == 0, done.err
    assert 'nothing: every number is there' in done.out
    found = rows(done.out)
    assert ['/fournex/pendulum/tick', 'fournex_msgs/msg/Tick', '2002', '50.0', '—'] in found
    assert ['ticks', '2002', '(0', 'to', '2001)'] in found
    assert ['modes', 'policy', '2002'] in found
    assert ['seed-10000', '10000', '1001'] == next(
        row for row in found if row[:1] == ['seed-10000']
    )[:3]
    assert '/effort_controller/commands' in done.out


def test_a_recording_that_was_cut_off_says_so(fournex, bag, tmp_path):
    whole = next(bag.glob('*.mcap')).read_bytes()
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(whole[: len(whole) // 2])
    done = fournex('inspect', cut)
    assert done.status == 0, done.err
    assert 'NOT WHOLE: cut.mcap is cut off' in done.out
    assert 'modes' in done.out


@pytest.mark.parametrize(
    ('path', 'words'),
    [
        ('examples/rovr', 'Did you mean rover?'),
        ('/nowhere/at/all', 'does not exist either'),
        ('examples/rover', 'Did you mean examples/rover/wiring.yaml'),
        ('examples/rover/train.py', 'not something to inspect'),
        ('config', 'neither a policy bundle'),
    ],
)
def test_what_cannot_be_inspected_is_named(fournex, path, words):
    done = fournex('inspect', path)
    assert (done.status, done.out) == (2, '')
    assert words in done.err


def test_a_contract_with_a_misspelt_key_names_line_and_key(fournex, checkout, tmp_path):
    bundle = tmp_path / 'bundle'
    shutil.copytree(checkout / 'examples' / 'rover' / 'bundle', bundle)
    text = (bundle / 'policy.yaml').read_text()
    (bundle / 'policy.yaml').write_text(text.replace('range_max:', 'range_mx:'))
    done = fournex('inspect', bundle)
    assert (done.status, done.out) == (2, '')
    assert 'policy.yaml:' in done.err
    assert 'range_m' in done.err
