"""Robots, backends, and everything that goes wrong: what was recorded is replayed to the bit."""

from __future__ import annotations

import collections
import concurrent.futures
import os
import pathlib
import shutil

import pytest
from documented_table import Section
from hard_life import OFTEN, HardLife
from replayed_cases import CASES, Case, wiring_of

from fournex_runtime.record.replay import verify

TABLE = Section('a million ticks', 'test_many_ticks.py', 'test/record')
FEW = 500
"""Ticks of each case in the tests of every change."""
IN_PROCESS = tuple(case for case in CASES if case.in_process and not case.artifact)


def lived(case: Case, ticks: int, folder: pathlib.Path, checkout, artifacts=None):
    """Record ticks of a case and verify them; return what happened and how many were equal."""
    wiring = wiring_of(case, folder, checkout, artifacts)
    life = HardLife(wiring, folder / 'bag', 1, in_process=case.in_process, kills=case.kills)
    life.live(ticks)
    (found,) = verify(folder / 'bag')
    assert found.ticks == ticks
    assert found.all_equal, f'{case}: {found.first_difference}: {found}'
    assert life.happened['policy'] > ticks / 2, life.happened
    shutil.rmtree(folder)
    return life.happened


@pytest.mark.parametrize('case', IN_PROCESS, ids=str)
def test_whatever_goes_wrong_every_tick_is_equal(case, checkout, tmp_path):
    happened = lived(case, FEW, tmp_path / 'case', checkout)
    assert happened['stopped'] and happened['fallback'] and happened['outage']


@pytest.fixture(scope='module')
def artifacts(with_torch, tmp_path_factory):
    """Return what torch exports, a folder for each robot."""
    folder = tmp_path_factory.mktemp('artifacts')
    for robot in ('pendulum', 'arm'):
        (folder / robot).mkdir()
        with_torch(f'{robot}_artifacts.py', 'export', folder / robot)
    return folder


@pytest.mark.soak
@pytest.mark.torch
@pytest.mark.timeout(7200)
def test_a_million_ticks_are_equal(checkout, artifacts, tmp_path):
    found: dict[Case, collections.Counter[str]] = {}
    went_wrong: collections.Counter[str] = collections.Counter()
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        running = {
            pool.submit(lived, case, case.ticks, tmp_path / str(number), checkout, artifacts): case
            for number, case in enumerate(CASES)
        }
        for done in concurrent.futures.as_completed(running):
            case, happened = running[done], done.result()
            found[case] = happened
            went_wrong.update({what: happened[what] for what in OFTEN if happened[what]})
            write_table(checkout / 'docs' / 'replay.md', found, went_wrong)
            print(f'{case} ({case.backend}): {case.ticks} ticks are equal', flush=True)
    assert sum(case.ticks for case in found) >= 1_000_000
    assert set(went_wrong) == set(OFTEN), 'everything has gone wrong at least once'


def write_table(page: pathlib.Path, found, went_wrong) -> None:
    """Put the table into the page: of what has been verified so far."""
    total = sum(case.ticks for case in found)
    counted = ', '.join(f'{what} {went_wrong[what]}' for what in OFTEN if went_wrong[what])
    rows = [
        f'| {case.robot} | {case.backend} | {case.name} | {case.ticks} | {found[case]["policy"]} '
        f'| {found[case]["fallback"]} | {found[case]["stopped"]} | {found[case]["limited"]} |'
        for case in CASES
        if case in found
    ]
    TABLE.write(
        page,
        [
            f'{total} ticks, every stage of each equal to the bit. What went wrong in them:',
            f'{counted}.',
            '',
            '| robot | backend | | ticks | policy | fallback | stopped | limited |',
            '| --- | --- | --- | --- | --- | --- | --- | --- |',
            *rows,
        ],
    )
