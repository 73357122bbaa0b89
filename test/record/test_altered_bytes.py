"""A bit of a recording that is another one: found or without effect, never a shorter success."""

from __future__ import annotations

import functools
import random
import shutil
import struct

import pytest
from hard_life import HardLife
from replayed_cases import CASES, wiring_of

from fournex_runtime.errors import FournexError, RecordingError, ReplayError
from fournex_runtime.record.replay import verify

TICKS, OF_EACH_KIND = 40, 3
MAGIC = 8


@pytest.fixture(scope='module')
def bag(checkout, tmp_path_factory):
    """Return a recording of some ticks."""
    folder = tmp_path_factory.mktemp('altered')
    HardLife(wiring_of(CASES[0], folder / 'case', checkout, None), folder / 'bag', 1).live(TICKS)
    return folder / 'bag'


@pytest.fixture
def altered(bag, tmp_path):
    """Return a function that verifies the recording with other bytes in its file."""

    def verified(change):
        copy = tmp_path / 'bag'
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(bag, copy)
        (file,) = copy.glob('*.mcap')
        file.write_bytes(change(file.read_bytes()))
        (result,) = verify(copy)
        return result

    return verified


def records(data):
    """Yield the kind of each record of an MCAP file, where it begins and where it ends."""
    yield 0, 0, MAGIC
    at = MAGIC
    while at < len(data) - MAGIC:
        (length,) = struct.unpack_from('<Q', data, at + 1)
        yield data[at], at, at + 9 + length
        at += 9 + length
    yield 256, at, len(data)


def flipped(at, bit, data):
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]


def test_a_bit_in_any_kind_of_record_is_found_or_changes_nothing(bag, altered):
    (file,) = bag.glob('*.mcap')
    chance, kinds = random.Random(1), {}
    for kind, begin, end in records(file.read_bytes()):
        kinds.setdefault(kind, []).append((begin, end))
    assert len(kinds) >= 14
    refused = 0
    for spans in kinds.values():
        for _ in range(OF_EACH_KIND):
            at, bit = chance.randrange(*chance.choice(spans)), 1 << chance.randrange(8)
            try:
                result = altered(functools.partial(flipped, at, bit))
            except FournexError:
                refused += 1
            else:
                assert result.ticks == TICKS, f'bit {bit} of byte {at}'
    assert refused > OF_EACH_KIND


@pytest.mark.parametrize(
    ('before', 'after', 'error', 'words'),
    [
        (b'TickTiming timing', b'TickTimint timing', RecordingError, 'which is not defined'),
        (
            b'float64[] data',
            b'float64[] date',
            ReplayError,
            'std_msgs/msg/Float64MultiArray is not',
        ),
    ],
)
def test_a_definition_that_is_another_one_is_named(altered, before, after, error, words):
    def change(data):
        assert before in data
        return data.replace(before, after)

    with pytest.raises(error, match=words):
        altered(change)
