"""``fournex replay``, on recordings as they were made and on altered ones."""

from __future__ import annotations

import shutil

import pytest

from fournex_runtime.cli import replay
from fournex_runtime.errors import FournexError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.bag_reader import BagReader, RecordedMessage
from fournex_runtime.record.bag_writer import BagWriter
from fournex_runtime.record.channel import Channel
from fournex_runtime.record.definitions import describe
from fournex_runtime.record.ring import RingRecord
from fournex_runtime.session.blame import STAGES

STATES = '/joint_states'
TICKS = '/fournex/pendulum/tick'


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
    altered = str(tmp_path / 'altered')
    assert replay.main([altered, '--max-unverifiable', '0.0001']) == 1
    assert replay.main([altered, '--max-unverifiable', '0.001', '--max-error', '0']) == 0


def test_ticks_that_the_recorder_could_not_keep_are_unverifiable(bag, tmp_path, capsys):
    """The last 1000 ticks found no room: no number is left out, but they are counted."""
    with BagReader(bag) as reader:
        channels = [Channel(one.topic, one.type) for one in reader.channels]
        index = {channel.topic: place for place, channel in enumerate(channels)}
        lossy = BagWriter(tmp_path / 'lossy', describe(channels, messages()))
        lossy.open()
        for one in reader.messages():
            times = one.log_time_ns, one.publish_time_ns
            lossy.write(RingRecord(index[one.topic], one.sequence, *times, memoryview(one.data)))
            if (one.topic, one.sequence) == (TICKS, 1002):
                break
    lossy.write_dropped({TICKS: 1000})
    lossy.close()
    assert replay.main([str(tmp_path / 'lossy')]) == 1
    assert 'replaying 2002 ticks' in (said := capsys.readouterr().out)
    assert said.count('1002 equal and 1000 unverifiable') == 4
    assert 'tick 1002: 1000 tick records are not in the bag' in said


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


def test_what_is_there_of_a_bag_that_was_cut_off_is_compared(fournex, bag, tmp_path):
    whole = next(bag.glob('*.mcap')).read_bytes()
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(whole[: len(whole) // 2])
    done = fournex('replay', cut)
    assert done.status == 0, done.out + done.err
    notice, counts = done.out.splitlines()
    assert notice == f'{cut} is not whole: cut.mcap is cut off; what is there of it is compared'
    ticks = int(counts.split()[1])
    assert 500 < ticks < 1500 and f'observations {ticks} equal' in counts


@pytest.mark.parametrize(
    ('path', 'words'),
    [('nowhere', 'no such folder or file'), ('config', 'is not a bag')],
)
def test_what_is_no_recording_is_refused(fournex, path, words):
    done = fournex('replay', path)
    assert (done.status, done.out) == (2, '')
    assert words in done.err


# --- a part of a recording -----------------------------------------------------------------------


def test_one_tick_is_shown_as_the_policy_saw_it(fournex, bag):
    done = fournex('replay', bag, '--tick', 100)
    assert done.status == 0, done.out + done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert 'mode policy' in done.out.splitlines()[0]
    at, kind, joint, unit, read, seen = next(
        line for line in lines if 'joint_position' in line[1:2]
    )
    assert (at, kind, joint, unit) == ('0', 'joint_position', 'cart', 'm')
    assert float(seen) == pytest.approx(2.0 * float(read), rel=1e-3)  # the contract's scale
    term, joint, raw, wanted, sent, unit = next(
        line for line in lines if line[:1] == ['joint_effort_target']
    )
    assert (joint, unit) == ('cart', 'N')
    assert float(wanted) == pytest.approx(10.0 * float(raw), rel=1e-3)
    assert wanted == sent
    timing = next(line for line in done.out.splitlines() if line.startswith('released '))
    stages = [part.split()[0] for part in timing.split('; ')[1].split(', ')]
    assert stages == list(STAGES)
    assert done.out.rstrip().endswith('made again: equal to the last bit')


def test_a_part_is_compared_alone(fournex, bag, rewrite, tmp_path):
    def alter(message: RecordedMessage) -> bytes:
        data = bytearray(message.data)
        if message.topic == '/effort_controller/commands' and message.sequence == 301:
            data[-1] ^= 1
        return bytes(data)

    altered = rewrite(bag, tmp_path / 'altered', alter)
    before = fournex('replay', altered, '--from', 100, '--to', 299)
    assert (before.status, before.out.split()[:3]) == (0, ['replaying', '200', 'ticks'])
    around = fournex('replay', altered, '--from', 290)
    assert around.status == 1
    assert 'commands 1711 equal and 1 UNEQUAL' in around.out
    assert 'first difference: tick 300: the command on' in around.out
    shown = fournex('replay', altered, '--tick', 300)
    assert shown.status == 1
    assert 'tick 300: the command on /effort_controller/commands has other' in shown.out
    episode = fournex('replay', altered, '--episode', 'seed-10001')
    assert (episode.status, episode.out.split()[:3]) == (0, ['replaying', '1001', 'ticks'])


def test_what_is_not_in_it_is_refused(fournex, bag):
    for arguments in (('--tick', 2002), ('--episode', 'seed-1'), ('--from', 5000)):
        done = fournex('replay', bag, *arguments)
        assert done.status == 2
        assert 'it has pendulum: ticks 0 to 2001, episodes seed-10000, seed-10001' in done.err


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (
            ('--tick', 3, '--from', 0, '--policy', '/nowhere', '--episode', 'x', '--max-error', 1),
            '--tick is one tick, as it was recorded: leave out --from and --episode and --policy '
            'and --max-error',
        ),
        (('--session', 'pendulum'), 'without --tick every session is compared: leave out --sess'),
        (('--verify', '--wiring', 'here'), 'compare with another version: leave out --verify'),
        (('--max-error', 'nan'), "--max-error: expected a finite number, found 'nan'"),
        (('--max-error', 'inf'), "--max-error: expected a finite number, found 'inf'"),
        (('--max-unverifiable', '1.1'), '--max-unverifiable: expected a number from 0 to 1'),
        (('--policy', 'BUNDLE', '--max-unverifiable', '0.1'), 'fails with --max-error only'),
        (('--max-error', '-1'), "--max-error: expected a number of at least 0, found '-1'"),
        (('--tick', '-1'), '--tick: expected a whole number of at least 0'),
        (('--bundle', 'rover=BUNDLE'), "the recording has no session 'rover'; it has pendulum"),
        (('--bundle', 'BUNDLE', '--bundle', 'pendulum=BUNDLE'), '--bundle says twice which bun'),
    ],
)
def test_options_that_go_nowhere_are_refused(bag, checkout, arguments, words, capsys):
    bundle = str(checkout / 'examples' / 'pendulum' / 'bundle')
    given = [str(one).replace('BUNDLE', bundle) for one in arguments]
    with pytest.raises((FournexError, SystemExit)) as refused:  # both are exit status 2
        replay.main([str(bag), *given])
    out, err = capsys.readouterr()
    assert (out, getattr(refused.value, 'code', 2)) == ('', 2)
    assert words in err + str(refused.value)
