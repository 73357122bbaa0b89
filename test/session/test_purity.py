"""Observe and conclude change nothing that they are given; nobody changes what they keep."""

import copy
import dataclasses

import numpy as np
import pytest
from ros_messages import ARRAY, FLOAT64, cdr, joint_state
from tiny_session import MS, WIRING, Run, edited, make_engine, result

from fournex_runtime.session.tick import (
    Answer,
    AnswerKind,
    EpisodeStart,
    Mode,
    Received,
    TickInputs,
)


def arrays_of(thing):
    """Return every array that a value holds, however deep."""
    if isinstance(thing, np.ndarray):
        return [thing]
    if isinstance(thing, dict):
        return [array for value in thing.values() for array in arrays_of(value)]
    if isinstance(thing, (list, tuple)):
        return [array for value in thing for array in arrays_of(value)]
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        values = [getattr(thing, field.name) for field in dataclasses.fields(thing)]
        return arrays_of(values)
    return []


def frozen_copy(thing):
    """Return everything in a value as bytes and plain values, to compare with later."""
    if isinstance(thing, np.ndarray):
        return (thing.dtype.str, thing.shape, thing.tobytes())
    if isinstance(thing, dict):
        return {key: frozen_copy(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [frozen_copy(value) for value in thing]
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return [frozen_copy(getattr(thing, field.name)) for field in dataclasses.fields(thing)]
    return copy.deepcopy(thing)


OPERATED = edited(
    WIRING,
    ('    reward:', '    overrides: {joystick: {topic: joy, priority: 1, timeout: 30 ms}}\n'
     '    soft_start: 60 ms\n    reward:'),
    ('stale: hold 60 ms', 'stale: hold 20 ms then ramp 40 ms to zero'),
    ('default: stop', 'default: stop\n      late: hold 20 ms then stop\n'
     '      late_answer: use in the next tick'),
)  # fmt: skip


def make_run():
    return Run(make_engine(wiring=OPERATED))


def scripted(run):
    """Yield inputs and answers of ticks that visit every mode and every kind of fault."""
    joints = run.joints
    yield [], {}, None
    yield joints(0.1, 0.2), {'episode': 'one'}, result(0.5, -0.5, h=(1.0, 2.0))
    yield joints(0.3, 0.4), {}, result(5.0, -5.0, h=(3.0, 4.0))
    for _ in range(4):
        yield [], {}, result(0.1, 0.1)
    yield joints(0.5, 0.6), {}, result(0.2, 0.2)
    yield joints(), {'stop': 'operator'}, None
    yield joints(), {'episode': 'two'}, result(np.nan, 0.0)
    yield joints(), {'episode': 'three'}, Answer(AnswerKind.LATE, problem='late')
    yield joints(), {'episode': 'four'}, Answer(AnswerKind.FAILED, problem='failed')
    yield [b'garbage'], {'episode': 'five'}, None
    yield [joint_state(['a', 'b'], [np.nan, 0.0])], {'episode': 'six'}, None
    yield joints(), {'episode': 'seven'}, result(0.1, 0.2)
    yield joints(), {'joy': [cdr(ARRAY, data=[0.1, 9.0])]}, None
    yield joints(), {'episode': 'eight'}, result(0.1, 0.2)
    yield joints(), {}, Answer(AnswerKind.LATE, problem='late')
    yield joints(), {}, dataclasses.replace(result(0.3, 0.4), kind=AnswerKind.BELATED)


def tick(run, joints, more, answer):
    more = dict(more)
    return run.tick(joints, [], more.pop('joy', []), answer=answer, **more)


def test_no_argument_is_ever_changed_and_the_same_arguments_give_the_same_bits():
    run = make_run()
    engine, other = run.engine, make_run().engine
    modes, answers = set(), set()
    for index, (joints, more, answer) in enumerate(scripted(run)):
        given = tuple(run.take(0, data) for data in joints)
        start = EpisodeStart(more['episode'], 7) if 'episode' in more else None
        reward = (Received(index + 1, run.now_ns, cdr(FLOAT64, data=0.5)),)
        now = run.now_ns
        joy = tuple(run.take(2, data) for data in more.get('joy', ()))
        inputs = TickInputs((given, reward, joy), now, now, now, start, more.get('stop', ''))
        state, before = run.state, frozen_copy(run.state)
        request = engine.observe(inputs, state)
        asked = request.observation is not None
        reply = (answer or result(0.0, 0.0)) if asked else Answer(AnswerKind.NONE)
        request_before, reply_before = frozen_copy(request), frozen_copy(reply)
        record, following = engine.conclude(request, reply, state)
        record_before = frozen_copy(record)
        # once more, and by another engine of the same contract and wiring
        for again in (engine, other):
            request_again = again.observe(inputs, state)
            record_again, state_again = again.conclude(request_again, reply, state)
            assert frozen_copy(record_again) == record_before
            assert frozen_copy(state_again) == frozen_copy(following)
        assert frozen_copy(state) == before
        assert frozen_copy(request) == request_before
        assert frozen_copy(reply) == reply_before
        modes.add(record.mode)
        answers.add(record.answer)
        run.state = following
        run.now_ns += 20 * MS
    assert modes == set(Mode)
    assert answers == set(AnswerKind)


def test_nothing_that_a_session_keeps_or_gives_away_can_be_written():
    run = make_run()
    for joints, more, answer in scripted(run):
        record = tick(run, joints, more, answer)
        arrays = arrays_of(record) + arrays_of(run.state) + arrays_of(run.request)
        writable = [array for array in arrays if array.flags.writeable]
        assert writable == []


def test_a_policy_that_writes_into_its_arguments_is_stopped_by_numpy():
    run = Run()
    run.tick(run.joints(), answer=result(0.5, 0.5, h=(1.0, 2.0)))
    for array in (run.request.observation.inputs['obs'], run.state.recurrent['h']):
        with pytest.raises(ValueError, match='read-only'):
            array += 1.0


def test_a_policy_that_uses_its_buffers_again_changes_nothing_of_before():
    run = Run()
    buffers = result(0.5, 0.25, h=(1.0, 2.0))
    record = run.tick(run.joints(), answer=buffers)
    buffers.outputs['action'][:] = 9.0
    buffers.state['h'][:] = 9.0
    assert record.raw_action['action'].tolist() == [[0.5, 0.25]]
    assert run.state.recurrent['h'].tolist() == [[1.0, 2.0]]
    assert run.state.last_action.raw.tolist() == [0.5, 0.25]


def test_records_of_before_stay_as_they_were():
    run, records, copies = make_run(), [], []
    for joints, more, answer in scripted(run):
        records.append(tick(run, joints, more, answer))
        copies.append(frozen_copy(records[-1]))
    assert [frozen_copy(record) for record in records] == copies
