"""``fournex replay``, on recordings as they were made and on altered ones."""

from __future__ import annotations

import shutil

import pytest

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.bag_reader import RecordedMessage

STATES = '/joint_states'


def test_every_tick_is_equal(fournex, bag):
    done = fournex('replay', bag, '--verify')
    assert done.status == 0, done.out + done.err
    assert done.out.splitlines() == [
        f'replaying 2002 ticks from {bag}: observations 2002 equal, raw actions 2002 equal, '
        'safe actions 2002 equal, commands 2002 equal'
    ]


def test_one_altered_bit_of_an_input_is_found(fournex, bag, rewrite, tmp_path):
    """
    A bit of the cart's position in the 501st message, the newest one at tick 250.

    Not the last bit of the float64: the policy's float32 input has no place for it.
    """

    def alter(message: RecordedMessage) -> bytes:
        data = bytearray(message.data)
        if message.topic == STATES and message.sequence == 501:
            decoded = messages().decode(message.data, 'sensor_msgs/msg/JointState')
            at = bytes(data).index(decoded.position.tobytes())
            data[at + 5] ^= 1
        return bytes(data)

    done = fournex('replay', rewrite(bag, tmp_path / 'altered', alter))
    assert done.status == 1
    assert 'observations 2001 equal and 1 UNEQUAL' in done.out
    assert 'raw actions 2002 equal' in done.out
    assert 'first difference: tick 250: observation obs[0]' in done.out


def test_one_altered_command_is_found(fournex, bag, rewrite, tmp_path):
    def alter(message: RecordedMessage) -> bytes:
        data = bytearray(message.data)
        if message.topic == '/effort_controller/commands' and message.sequence == 7:
            data[-1] ^= 1
        return bytes(data)

    done = fournex('replay', rewrite(bag, tmp_path / 'altered', alter))
    assert done.status == 1
    assert 'commands 2001 equal and 1 UNEQUAL' in done.out
    assert 'first difference: tick 6: the command on /effort_controller/commands' in done.out


def test_a_missing_input_is_unverifiable_not_equal(fournex, bag, rewrite, tmp_path):
    def alter(message: RecordedMessage) -> bytes | None:
        return None if (message.topic, message.sequence) == (STATES, 501) else message.data

    done = fournex('replay', rewrite(bag, tmp_path / 'altered', alter))
    assert done.status == 1
    assert 'observations 2001 equal and 1 unverifiable' in done.out
    assert 'tick 250: message 501 of /joint_states is not there' in done.out


def test_a_bundle_elsewhere_is_taken_and_another_one_refused(fournex, bag, checkout, tmp_path):
    elsewhere = tmp_path / 'moved'
    shutil.copytree(checkout / 'examples' / 'pendulum' / 'bundle', elsewhere)
    assert fournex('replay', bag, '--bundle', elsewhere).status == 0
    assert fournex('replay', bag, '--bundle', f'pendulum={elsewhere}').status == 0
    with open(elsewhere / 'policy.yaml', 'a') as contract:
        contract.write('# another version\n')
    done = fournex('replay', bag, '--bundle', elsewhere)
    assert (done.status, done.out) == (2, '')
    assert 'the recording was made with pendulum-balance@' in done.err


@pytest.mark.parametrize(
    ('path', 'words'),
    [('nowhere', 'no such folder or file'), ('config', 'is not a bag')],
)
def test_what_is_no_recording_is_refused(fournex, path, words):
    done = fournex('replay', path)
    assert (done.status, done.out) == (2, '')
    assert words in done.err
