"""Robots, backends, and everything that goes wrong: what was recorded is replayed to the bit."""

from __future__ import annotations

import collections
import concurrent.futures
import os
import pathlib
import shutil

import pytest
from documented_table import Section
from hard_life import OFTEN, SHOWN, HardLife
from replayed_cases import CASES, LEROBOT_CASES, Case, wiring_of

from fournex_runtime.record.compare import compare
from fournex_runtime.record.replay import verify
from fournex_runtime.session.wiring import load_wiring

TABLE = Section('a million ticks', 'test_many_ticks.py', 'test/record')
LEROBOT_TABLE = Section('policies of LeRobot', 'test_many_ticks.py', 'test/record')
FEW = 500
"""Ticks of each case in the tests of every change."""
IN_PROCESS = tuple(case for case in CASES if case.in_process and not case.artifact)


def lived(
    case: Case, ticks: int, folder: pathlib.Path, checkout, artifacts=None, harder=1.0, **more
):
    """Record ticks of a case and verify them; return what happened. A bag that differs stays."""
    wiring = wiring_of(case, folder, checkout, artifacts)
    bag = folder / 'bag'
    usual = {'often': {'kill': case.kills * harder}, 'in_process': case.in_process}
    life = HardLife(wiring, bag, 1, harder=harder, **{**usual, **more})
    each = ticks // case.sessions
    life.live(each)
    for found in verify(bag):
        assert found.ticks == each
        assert found.all_equal, f'{case}: {bag}: {found.first_difference}: {found}'
    if harder > 1.0:
        same_version(wiring, bag)
    files = sorted(bag.glob('*.mcap'))
    if len(files) > 1:
        alone = [found for file in files for found in verify(file)]
        assert sum(found.ticks for found in alone) == each * case.sessions
        assert all(found.all_equal for found in alone), f'{case}: a file of {bag}: {alone}'
        life.happened['file alone'] += len(files)
    assert life.happened['policy'] > ticks / 3, life.happened
    shutil.rmtree(folder)
    return life.happened


def same_version(wiring: pathlib.Path, bag: pathlib.Path) -> None:
    """Compare a recording with what its own policies would have done, late answers and all."""
    read = load_wiring(wiring)
    policies = {one.name: read.bundles[one.name].folder for one in read.sessions}
    for found in compare(bag, policies):
        assert (found.refused, found.left_out, found.unknown) == (0, 0, 0), found.first_refusal
        assert found.compared > found.ticks / 4
        assert [one.greatest[0] for one in found.values] == [0.0] * len(found.values)


@pytest.mark.parametrize('case', IN_PROCESS, ids=str)
def test_whatever_goes_wrong_every_tick_is_equal(case, checkout, tmp_path):
    ticks = FEW // case.sessions * case.sessions
    happened = lived(case, ticks, tmp_path / 'case', checkout, harder=2.0)
    assert happened['stopped'] and happened['fallback'] and happened['outage']
    assert all(happened[what] for what in case.shows), happened


@pytest.mark.torch
def test_a_swap_is_equal_where_the_memory_is_in_buffers(with_torch, checkout, tmp_path):
    (tmp_path / 'artifacts/pendulum').mkdir(parents=True)
    with_torch('pendulum_artifacts.py', 'export', tmp_path / 'artifacts/pendulum')
    case = next(one for one in CASES if one.name == 'memory in buffers, second policy')
    happened = lived(case, FEW, tmp_path / 'case', checkout, tmp_path / 'artifacts')
    assert happened['swap'] and happened['chosen policy'], happened


@pytest.fixture(scope='module')
def artifacts(with_torch, tmp_path_factory):
    """Return what torch exports, a folder for each robot."""
    folder = tmp_path_factory.mktemp('artifacts')
    for robot in ('pendulum', 'arm'):
        (folder / robot).mkdir()
        with_torch(f'{robot}_artifacts.py', 'export', folder / robot)
    return folder


@pytest.fixture(scope='module')
def lerobot_policies(with_lerobot, tmp_path_factory):
    """Return small policies that LeRobot saved, in a folder of their robot."""
    folder = tmp_path_factory.mktemp('lerobot')
    for kind in ('act', 'diffusion'):
        with_lerobot('lerobot_policy.py', kind, 'pendulum', folder / 'pendulum' / kind)
    return folder


@pytest.mark.torch
@pytest.mark.timeout(600)
@pytest.mark.parametrize('case', [one for one in LEROBOT_CASES if 'killed' in one.name], ids=str)
def test_policies_of_lerobot_are_replayed_to_the_bit(case, checkout, lerobot_policies, tmp_path):
    """Chunks of one policy, and of one that draws noise; each file also by itself."""
    often = {'kill': 10.0, 'late answer': 40.0}
    happened = lived(
        case,
        FEW,
        tmp_path / 'case',
        checkout,
        lerobot_policies,
        harder=2.0,
        often=often,
        split_bytes=100_000,
    )
    assert happened['file alone'] > 1
    assert all(happened[what] for what in (*case.shows, 'kill')), happened


@pytest.mark.soak
@pytest.mark.torch
@pytest.mark.timeout(14400)
def test_a_million_ticks_are_equal(checkout, artifacts, tmp_path):
    found = all_lived(CASES, checkout, artifacts, tmp_path, TABLE)
    if {*found} == {*CASES} and part_of_them() == 1:
        assert sum(case.ticks for case in found) >= 1_000_000
        went_wrong = sum(found.values(), collections.Counter())
        assert all(found[case]['kill'] for case in CASES if 'killed' in case.name)
        assert all(went_wrong[what] for what in (*OFTEN, *SHOWN)), 'everything has happened'


@pytest.mark.soak
@pytest.mark.torch
@pytest.mark.timeout(14400)
def test_many_ticks_of_policies_of_lerobot_are_equal(checkout, lerobot_policies, tmp_path):
    found = all_lived(LEROBOT_CASES, checkout, lerobot_policies, tmp_path, LEROBOT_TABLE)
    if part_of_them() == 1:
        assert all(found[case]['kill'] for case in found if 'killed' in case.name)


def all_lived(cases, checkout, artifacts, folder: pathlib.Path, table: Section):
    """
    Record the ticks of all cases that are asked for and verify them, on all cores.

    Return what happened in each. If all are asked for, whole, the table says so.
    """
    chosen = [case for case in cases if os.environ.get('FOURNEX_CASE', '') in str(case)]
    part = part_of_them()
    found: dict[Case, collections.Counter[str]] = {}
    failed: list[str] = []
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        running = {
            pool.submit(lived, case, ticks_of(case, part), own, checkout, artifacts): case
            for case, own in ((one, folder / str(cases.index(one))) for one in chosen)
        }
        for done in concurrent.futures.as_completed(running):
            case = running[done]
            try:
                found[case] = done.result()
            except Exception as problem:  # the other cases go on
                failed.append(f'{case}: {problem}')
                print(failed[-1], flush=True)
                continue
            print(f'{case}: {ticks_of(case, part)} ticks are equal', flush=True)
            if len(chosen) == len(cases) and part == 1:
                write_table(checkout / 'docs' / 'replay.md', found, cases, table)
    assert not failed, '\n'.join(failed)
    for case, happened in found.items() if part >= 1 else ():
        assert all(happened[what] for what in case.shows), f'{case}: {happened}'
    return found


def part_of_them() -> float:
    """Return which part of the ticks is asked for."""
    return float(os.environ.get('FOURNEX_PART', '1'))


def ticks_of(case: Case, part: float) -> int:
    """Return how many ticks are made of a case."""
    return round(case.ticks * part) // case.sessions * case.sessions


def write_table(
    page: pathlib.Path, found: dict[Case, collections.Counter[str]], cases, table: Section
) -> None:
    """Put the table into the page: of what has been verified so far."""
    total = sum(case.ticks for case in found)
    happened = sum(found.values(), collections.Counter())
    counted = ', '.join(f'{what} {happened[what]}' for what in OFTEN if happened[what])
    columns = ('policy', 'manual', 'fallback', 'second policy', 'chosen policy')
    columns += ('belated answer', 'in a batch')
    rows = [
        f'| {case.robot} | {case.backend} | {case.name} | {case.ticks} | '
        + ' | '.join(str(found[case][column]) for column in (*columns, 'stopped', 'kill'))
        + ' |'
        for case in cases
        if case in found
    ]
    table.write(
        page,
        [
            f'{total} ticks, every stage of each equal to the bit. What went wrong in them:',
            f'{counted}.',
            '',
            f'| robot | backend | | ticks | {" | ".join(columns)} | stopped | kills |',
            f'| --- | --- | --- |{" --- |" * (len(columns) + 3)}',
            *rows,
        ],
    )
