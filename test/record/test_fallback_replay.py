"""Ticks in which a second policy acts are made again by it, and judged like any other."""

import dataclasses
import shutil

import numpy as np
import pytest
from ros_messages import joint_state
from tiny_session import MS, edited

from fournex_runtime.cli.recorded_run import read_run
from fournex_runtime.cli.report_data import report_data
from fournex_runtime.cli.show_tick import show_tick
from fournex_runtime.errors import ReplayError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.policy.bundle import seal_bundle
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.recorded_configuration import read_manifest
from fournex_runtime.record.recording_difference import recording_difference
from fournex_runtime.record.replay import verify
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.tick import (
    Answer,
    AnswerKind,
    EpisodeStart,
    Mode,
    PolicyChoice,
    Received,
    TickInputs,
    Timing,
)
from fournex_runtime.session.wiring import load_wiring
from fournex_runtime.sim.evaluation_recording import EvaluationRecording

TICKS, SILENT = 30, 10
FALLBACK = """\
    fallback:
      calm:
        policy: CALM
        inputs:
          joint_position: {topic: spare, type: sensor_msgs/msg/JointState, budget: 50 ms}
    reward:"""


@pytest.fixture
def recorded(checkout, tmp_path):
    """
    Return a function that records a run, with ``written(record)`` in place of each record.

    ``choices`` says which policy is chosen with which tick.
    """
    pendulum = checkout / 'examples' / 'pendulum'
    calm = shutil.copytree(pendulum / 'bundle', tmp_path / 'calm')
    text = (calm / 'policy.yaml').read_text()
    (calm / 'policy.yaml').write_text(edited(text, ('name: pendulum-balance', 'name: calm')))
    seal_bundle(calm)
    file = tmp_path / 'wiring.yaml'
    file.write_text(
        edited(
            (pendulum / 'wiring.yaml').read_text(),
            ('policy: bundle', f'policy: {pendulum / "bundle"}'),
            ('stale: hold 60 ms then stop', 'stale: policy calm'),
            ('    reward:', FALLBACK.replace('CALM', str(calm))),
        )
    )

    def record(
        written=lambda one: one,
        same=False,
        answered=lambda found: found,
        choices=(),
        name='bag',
    ):
        if same:  # the session's own policy, with other sensors
            text = file.read_text()
            file.write_text(edited(text, (f'policy: {calm}', f'policy: {pendulum / "bundle"}')))
        wiring = load_wiring(file)
        (session,) = wiring.sessions
        engine = Engine(wiring.bundles[session.name], session, messages())
        backend = load_backend(engine.bundle)
        folder = tmp_path / name
        recording = EvaluationRecording(
            folder, wiring, [engine], [backend.description], messages()
        )
        recording.start()
        state, now_ns, modes = engine.initial_state(), 1_000_000_000, []
        for tick in range(TICKS):
            poles = [0.05 * np.sin(tick), 0.04 * np.cos(tick)]
            given = [[joint_state(['pole', 'cart'], [pole, 0.01], now_ns)] for pole in poles]
            index = (tick + 1, tick + 1)
            if tick >= SILENT:
                given[0] = []
            taken = tuple(
                tuple(Received(number, now_ns, one) for one in some)
                for number, some in zip(index, given)
            )
            episode = EpisodeStart('one', 1) if tick == 0 else None
            choice = PolicyChoice(dict(choices)[tick]) if tick in dict(choices) else None
            times = (now_ns, now_ns, now_ns)
            inputs = TickInputs((*taken, ()), *times, episode, policy=choice)
            request = engine.observe(inputs, state)
            asked = request.observation
            answer = Answer(AnswerKind.NONE)
            if asked is not None:  # both bundles have one network
                found = backend.run(asked.inputs, request.recurrent)
                found = found if request.second is None else answered(found)
                answer = Answer(AnswerKind.RESULT, *found)
            one, state = engine.conclude(request, answer, state)
            recording.on_tick(inputs, written(one), Timing(), state)
            modes.append((one.mode, one.policy))
            now_ns += 20 * MS
        recording.close()
        return folder, modes

    return record


def test_each_policy_makes_its_own_ticks_again(recorded):
    bag, modes = recorded()
    assert set(modes) == {(Mode.POLICY, 'pendulum-balance@1'), (Mode.FALLBACK, 'calm@1')}
    (result,) = verify(bag)
    assert (result.all_equal, result.ticks) == (True, TICKS), result
    with BagReader(bag) as reader:
        (session,) = read_manifest(reader, reader.types()).sessions
    assert [one.policy for one in session.fallback_policies] == ['calm@1']
    assert '\nname: calm\n' in session.fallback_policies[0].contract


SWAPS = {3: 'calm', 6: '', 8: 'calm'}
"""From the 10th tick on its own inputs are silent, which is nothing to the one that is chosen."""


def test_a_swap_is_made_again_and_shown(recorded, tmp_path):
    bag, modes = recorded(choices=SWAPS)
    assert {mode for mode, _ in modes} == {Mode.POLICY}
    calm = [number for number, (_, policy) in enumerate(modes) if policy == 'calm@1']
    assert calm == [3, 4, 5, *range(8, TICKS)]
    shown = {}
    (result,) = verify(bag, watch=lambda tick: shown.update({tick.record.tick: tick}))
    assert (result.all_equal, result.ticks) == (True, TICKS), result
    text = show_tick(shown[3], TICKS - 1)
    assert '\ncalm@1 is chosen with this tick, in place of pendulum-balance@1\n' in text
    assert '  spare         #4 ' in text and 'made again: equal to the last bit' in text
    assert '\ncalm@1 is chosen\n' in show_tick(shown[4], TICKS - 1)
    (session,) = report_data(read_run(bag))['sessions']
    words = [(one['tick'], one['words']) for one in session['events'] if one['kind'] == 'choice']
    assert words == [
        (3, 'calm is chosen'), (6, 'pendulum-balance@1 is chosen'), (8, 'calm is chosen'),
    ]  # fmt: skip
    other, _ = recorded(choices={4: 'calm'}, name='other')
    (found,) = recording_difference(bag, other).sessions
    assert found.stages['inputs'].first.words == "policy chosen: 'calm' and ''"


def test_a_policy_that_the_session_does_not_have_is_refused_by_name(recorded):
    bag, _ = recorded(lambda one: dataclasses.replace(one, chosen='clam'))
    with pytest.raises(ReplayError, match="tick 0: of policy 'clam', which session pendulum does"):
        verify(bag)


def test_the_second_policy_can_be_the_first_one_with_other_sensors(recorded):
    bag, modes = recorded(same=True)
    assert {mode for mode, _ in modes} == {Mode.POLICY, Mode.FALLBACK}
    assert {policy for _, policy in modes} == {'pendulum-balance@1'}
    (result,) = verify(bag)
    assert (result.all_equal, result.ticks) == (True, TICKS), result


def test_what_another_processor_computed_of_it_is_told_in_its_units(recorded):
    def other_bits(found):
        return tuple(
            {
                name: np.nextafter(one, np.float32(2.0), dtype=np.float32)
                for name, one in side.items()
            }
            for side in found
        )

    bag, modes = recorded(answered=other_bits)
    seconds = sum(policy == 'calm@1' for _, policy in modes)
    (result,) = verify(bag)
    assert (result.raw_actions.unequal, result.raw_actions.equal) == (seconds, TICKS - seconds)
    assert result.safe_actions.all_equal and result.commands.all_equal and result.only_inference
    found = {(one.stage, one.name): one for one in result.deviations}
    error = found['raw action', 'calm@1 joint_effort_target/cart']
    assert (error.unit, error.ticks) == ('N', seconds) and 0.0 < error.greatest < 1e-5
    assert found['state', 'calm@1 h'].ticks == seconds
    assert result.within(1e-5) and not result.within(1e-9)


@pytest.mark.parametrize(
    ('field', 'words'),
    [
        ('observation', 'tick 20: observation obs[0]: recorded'),
        ('raw_action', 'tick 20: raw action action[0]: recorded'),
        ('state', 'tick 20: state '),
        ('safe_action', 'tick 20: safe action joint_effort_target[0]: recorded'),
    ],
)
def test_one_bit_of_a_second_policys_tick_is_found(recorded, field, words):
    def changed(record):
        if record.tick != 20:
            return record
        assert record.policy == 'calm@1'
        arrays = dict(getattr(record, field))
        name = next(iter(arrays))
        arrays[name] = np.frombuffer(
            bytes([arrays[name].tobytes()[0] ^ 1]) + arrays[name].tobytes()[1:],
            arrays[name].dtype,
        ).reshape(arrays[name].shape)
        return dataclasses.replace(record, **{field: arrays})

    bag, _ = recorded(changed)
    (result,) = verify(bag)
    assert not result.all_equal
    assert result.first_difference.startswith(words)
