"""The ring gives back what was put in, in order, or says that it had no room."""

import os
import random

import pytest

from fournex_runtime.errors import RecordingError
from fournex_runtime.record.ring import MINIMUM_BYTES, RingHandles, RingReader, RingWriter

EVERYTHING = 1 << 40


@pytest.fixture
def ring():
    handles = RingHandles.create(MINIMUM_BYTES)
    writer, reader = RingWriter(handles), RingReader(handles)
    yield writer, reader, handles
    writer.close()
    reader.close()
    handles.close()


def drain(reader, limit=EVERYTHING):
    reader.poll()
    found = [
        (
            record.channel,
            bytes(record.data),
            record.log_time_ns,
            record.publish_time_ns,
            record.sequence,
        )
        for record in reader.records(limit)
    ]
    reader.release()
    return found


@pytest.mark.parametrize('seed', range(20))
def test_random_sizes_in_random_batches_come_back_equal_and_in_order(ring, seed):
    writer, reader, _ = ring
    generator = random.Random(seed)
    largest = generator.choice([40, 3000, writer.largest])
    expected, found, refused = [], [], 0
    for number in range(3000):
        size = generator.randrange(largest + 1)
        record = (number % 7, generator.randbytes(size), 10**18 + number, 10**18 - number, number)
        if writer.write(*record):
            expected.append(record)
        else:
            refused += 1
        if generator.random() < 0.2:
            writer.commit()
        if generator.random() < 0.1:
            found += drain(reader, limit=generator.choice([1, 5000, EVERYTHING]))
    writer.commit()
    found += drain(reader)
    assert found == expected
    assert len(expected) > 300
    if largest > 1000:
        assert refused, 'the ring was never full, so that was not tested'


def test_an_empty_ring_takes_the_largest_record_wherever_it_stands(ring):
    writer, reader, handles = ring
    for offset in range(0, handles.capacity, 4099):
        assert writer.write(0, bytes(offset % 4000), 0, 0, 0)
        writer.commit()
        drain(reader)
        assert writer.write(1, b'x' * writer.largest, 1, 2, 3)
        writer.commit()
        assert drain(reader) == [(1, b'x' * writer.largest, 1, 2, 3)]


def test_a_full_ring_refuses_and_loses_nothing_that_it_took(ring):
    writer, reader, _ = ring
    taken = 0
    while writer.write(0, b'a' * 1000, 0, 0, taken):
        taken += 1
    assert not writer.write(0, b'a' * 1000, 0, 0, 0)
    writer.commit()
    assert [record[4] for record in drain(reader)] == list(range(taken))
    assert writer.write(0, b'a' * 1000, 0, 0, 0)


def test_a_record_larger_than_the_ring_is_refused(ring):
    writer, _, handles = ring
    assert not writer.write(0, bytes(handles.capacity), 0, 0, 0)
    assert writer.write(0, b'small', 0, 0, 0)


def test_nothing_is_visible_before_commit(ring):
    writer, reader, _ = ring
    writer.write(0, b'one', 1, 2, 3)
    assert drain(reader) == []
    writer.commit()
    assert drain(reader) == [(0, b'one', 1, 2, 3)]


def test_sequences_keep_their_low_32_bits(ring):
    writer, reader, _ = ring
    writer.write(0, b'', 0, 0, 2**32 + 5)
    writer.commit()
    assert drain(reader)[0][4] == 5


def test_arrays_are_written_by_their_bytes(ring):
    import numpy

    writer, reader, _ = ring
    numbers = numpy.arange(4.0)
    writer.write(0, memoryview(numbers).cast('B'), 0, 0, 0)
    writer.commit()
    assert drain(reader)[0][1] == numbers.tobytes()


def test_the_memory_cannot_be_resized_under_the_other_side(ring):
    _, _, handles = ring
    for size in (0, 2 * handles.capacity):
        with pytest.raises(PermissionError):
            os.ftruncate(handles.memory, size)


def test_what_is_not_a_record_is_an_error_and_not_a_crash(ring):
    writer, reader, handles = ring
    writer.write(0, b'good', 0, 0, 0)
    writer.commit()
    os.pwrite(handles.memory, b'\xf0\xff\xff\xff', 0)
    with pytest.raises(RecordingError, match='damaged at byte 0'):
        drain(reader)


def test_a_ring_too_small_is_refused_before_anything_is_opened():
    before = os.listdir('/proc/self/fd')
    with pytest.raises(RecordingError, match=f'needs {MINIMUM_BYTES}'):
        RingHandles.create(100)
    assert os.listdir('/proc/self/fd') == before


def test_a_ring_that_is_shut_takes_nothing_more(ring):
    writer, reader, _ = ring
    assert writer.write(0, b'before', 0, 0, 0)
    writer.commit()
    writer.shut()
    drain(reader)
    reader.release()
    assert not writer.write(0, b'after', 0, 0, 0)


def test_a_full_ring_refuses_images_before_it_refuses_tick_records():
    handles = RingHandles.create(1024 * 1024)
    writer = RingWriter(handles)
    while writer.write(0, bytes(100_000), 0, 0, 0):
        pass
    assert all(writer.write(1, bytes(1000), 0, 0, 0) for _ in range(120))
    while writer.write(1, bytes(1000), 0, 0, 0):
        pass
    writer.close()
    handles.close()
