"""The section ``record`` of a wiring: how recordings are cut, packed and kept within bounds."""

import pytest

from fournex_runtime.configuration import FOREVER_NS, parse
from fournex_runtime.errors import WiringError
from fournex_runtime.session.wiring_record import (
    EVERYTHING,
    NO_LIMIT,
    RecordWiring,
    parse_size,
    read_record,
)

SECOND_NS = 1_000_000_000


def read(text):
    return read_record(parse(f'record: {text}', 'wiring.yaml', WiringError).section('record'))


def test_without_a_section_everything_goes_into_one_file():
    assert read_record(None) == read('{}') == EVERYTHING
    assert (EVERYTHING.split_bytes, EVERYTHING.split_ns) == (NO_LIMIT, FOREVER_NS)


def test_a_continuous_recording_is_split_and_kept_within_a_budget():
    found = read(
        '{compression: lz4, chunk: 1 MiB, split_size: 1 GB, split_time: 10 min, keep: 20 GB}'
    )
    assert found == RecordWiring(
        compression='lz4',
        chunk_bytes=2**20,
        split_bytes=10**9,
        split_ns=600 * SECOND_NS,
        keep_bytes=20 * 10**9,
    )


def test_what_is_to_be_forgotten_piece_by_piece_comes_in_pieces():
    assert read('{keep: 20 GB}').split_bytes == 2 * 10**9
    assert read('{keep: 2 MB}').split_bytes == 10**6


def test_a_ring_keeps_seconds_within_memory():
    assert read('{mode: ring}') == RecordWiring(ring=True)
    found = read(
        '{mode: ring, keep: 10 s, after: 2 s, memory: 64 MiB, disk: 1 GB, compression: none}'
    )
    assert (found.keep_ns, found.after_ns) == (10 * SECOND_NS, 2 * SECOND_NS)
    assert (found.memory_bytes, found.compression) == (2**26, 'none')
    assert found.keep_bytes == 10**9


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('{mode: rings}', r'record.mode: expected one of .*Did you mean ring\?'),
        ('{compression: gzip}', 'record.compression: expected one of zstd, lz4, none'),
        ('{keep: 30 s}', "record.keep: '30 s' is not a size"),
        ('{keep: 20}', "record.keep: '20' is not a size: write a number and a unit"),
        ('{mode: ring, keep: 20 GB}', "record.keep: '20 GB' is not a duration"),
        ('{mode: ring, keep: forever}', 'record.keep: forever is mode: continuous'),
        ('{mode: ring, split_size: 1 GB}', 'record.split_size: is for mode: continuous'),
        ('{disk: 1 GB}', 'record.disk: is for mode: ring'),
        ('{after: 1 s}', 'record.after: is for mode: ring'),
        ('{keep: 1 GB, split_size: 600 MB}', 'record.split_size: expected at most half of keep'),
        ('{split_size: 10 kB}', 'record.split_size: expected at least 1000000 B, found 10000 B'),
        ('{split_time: 10 ms}', 'record.split_time: expected at least 1 s'),
        ('{chunk: 1 GB}', 'record.chunk: expected at most 64 MiB'),
        ('{splitsize: 1 GB}', r'record.splitsize: unknown key. Did you mean split_size\?'),
    ],
)
def test_refusals(text, words):
    with pytest.raises(WiringError, match=words):
        read(text)


@pytest.mark.parametrize('text', ['0 GB', '-1 GB', '1', 'GB', '9999999999 TB', 'nan GB'])
def test_no_size(text):
    with pytest.raises(ValueError, match='is not'):
        parse_size(text)
