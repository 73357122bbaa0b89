"""The shared memory of a worker: who may do what with it, and which answer belongs to whom."""

import os
import time

import numpy as np
import pytest

from fournex_runtime.errors import ArtifactError
from fournex_runtime.policy.backend import ArraySpec, Signature
from fournex_runtime.policy.contract import RecurrentState
from fournex_runtime.worker.channel import (
    ChannelHandles,
    ChannelLayout,
    SessionSide,
    WorkerSide,
)
from fournex_runtime.worker.wait import Waiter

STATE = (RecurrentState('h', (2, 1, 3), 'h_in', 'h_out'),)
SPEC = Signature(
    inputs=(ArraySpec('image', (1, 3, 5, 7), 'uint8'), ArraySpec('obs', (1, 4), 'float64')),
    outputs=(ArraySpec('action', (1, 2), 'float32'), ArraySpec('choice', (1,), 'int64')),
    state_inputs=(ArraySpec('h_in', (2, 1, 3), 'float32'),),
    state_outputs=(ArraySpec('h_out', (2, 1, 3), 'float32'),),
)
RANDOM = np.random.default_rng(0)
INPUTS = {
    'image': RANDOM.integers(0, 255, (1, 3, 5, 7), np.uint8),
    'obs': RANDOM.standard_normal((1, 4)),
}
MEMORY = {'h': RANDOM.standard_normal((2, 1, 3)).astype(np.float32)}
OUTPUTS = {
    'action': RANDOM.standard_normal((1, 2)).astype(np.float32),
    'choice': np.array([2**40]),
}


@pytest.fixture
def handles():
    found = ChannelHandles.create(ChannelLayout(SPEC, STATE).size)
    yield found
    for descriptor in found.descriptors:
        os.close(descriptor)


@pytest.fixture
def sides(handles):
    layout = ChannelLayout(SPEC, STATE)
    return SessionSide(layout, handles), WorkerSide(layout, handles)


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def test_arrays_of_every_shape_and_dtype_go_through(sides):
    session, worker = sides
    session.put([(INPUTS, MEMORY)], 'f')
    assert same(worker.places[0][0], INPUTS) and same(worker.places[0][1], MEMORY)
    worker.answer([(OUTPUTS, {'h': worker.places[0][1]['h'] * 2})], 'f')
    [(outputs, following)] = session.take([(INPUTS, MEMORY)])
    assert same(outputs, OUTPUTS) and same(following, {'h': MEMORY['h'] * 2})


def test_no_two_arrays_share_a_byte(sides):
    session, worker = sides
    ones = {name: np.ones_like(array) for name, array in {**INPUTS, **MEMORY}.items()}
    session.put([(ones, ones)], 'f')
    worker.answer([(OUTPUTS, MEMORY)], 'f')
    worker.fail('x' * 100_000)
    assert same(worker.places[0][0], {name: ones[name] for name in INPUTS})
    assert same(worker.places[0][1], {'h': ones['h']})
    worker.answer([(OUTPUTS, MEMORY)], 'f')
    [(outputs, following)] = session.take([(INPUTS, MEMORY)])
    assert same(outputs, OUTPUTS) and same(following, MEMORY)


def test_what_was_taken_out_is_ours_alone(sides):
    session, worker = sides
    worker.answer([(OUTPUTS, MEMORY)], 'f')
    [(outputs, following)] = session.take([(INPUTS, MEMORY)])
    zeros = {name: array * 0 for name, array in OUTPUTS.items()}
    worker.answer([(zeros, {'h': MEMORY['h'] * 0})], 'f')
    assert same(outputs, OUTPUTS) and same(following, MEMORY)


def test_an_error_comes_through_in_as_many_words_as_there_is_room_for(sides):
    session, worker = sides
    for said in ('the äxle is broken', 'x' * 100_000):
        worker.fail(said)
        with pytest.raises(ArtifactError) as caught:
            session.take([(INPUTS, MEMORY)])
        problem = str(caught.value)
        assert problem and said.startswith(problem) and len(problem) >= min(len(said), 4000)
    worker.answer([(OUTPUTS, MEMORY)], 'f')
    assert len(session.take([(INPUTS, MEMORY)])) == 1


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'obs': np.zeros((1, 3))}, r'f: input obs has shape \[1, 3\], expected \[1, 4\]'),
        (
            {'obs': np.zeros((1, 4), np.float32)},
            'f: input obs has dtype float32, expected float64',
        ),
        ({'obs': np.zeros((4,))}, r'f: input obs has shape \[4\]'),
    ],
)
def test_a_request_is_checked_before_it_is_copied(sides, change, words):
    with pytest.raises(ArtifactError, match=words):
        sides[0].put([({**INPUTS, **change}, MEMORY)], 'f')
    with pytest.raises(ArtifactError, match='f: state h is missing'):
        sides[0].put([(INPUTS, {})], 'f')


def test_an_answer_of_the_wrong_kind_is_named(sides):
    with pytest.raises(ArtifactError, match='f: output choice has dtype int32, expected int64'):
        sides[1].answer([({**OUTPUTS, 'choice': np.array([1], np.int32)}, MEMORY)], 'f')
    with pytest.raises(ArtifactError, match='f: state output h is missing'):
        sides[1].answer([(OUTPUTS, {})], 'f')


def test_nobody_can_change_the_size_of_the_memory(handles):
    size = os.fstat(handles.memory).st_size
    for other in (0, size - 1, size + 4096):
        with pytest.raises(PermissionError):
            os.ftruncate(handles.memory, other)
    assert os.fstat(handles.memory).st_size == size


def test_a_wait_ends_at_its_deadline_or_when_there_is_something(handles):
    waiter = Waiter((handles.answer, handles.request))
    for timeout_ns in (300_000, 5_000_000):
        began_ns = time.monotonic_ns()
        assert not waiter.wait(timeout_ns)
        assert time.monotonic_ns() - began_ns >= timeout_ns
    assert not waiter.wait(-5)
    os.eventfd_write(handles.request, 1)
    assert waiter.wait(10_000_000_000)
    assert (waiter.readable(0), waiter.readable(1)) == (False, True)


def test_a_wait_for_half_a_millisecond_is_not_one_of_a_whole(handles):
    waiter, took = Waiter((handles.answer,)), []
    for _ in range(50):
        began_ns = time.monotonic_ns()
        waiter.wait(300_000)
        took.append(time.monotonic_ns() - began_ns)
    assert min(took) < 1_000_000
