"""The plots of a run of the bench."""

from __future__ import annotations

import pathlib

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from ratios import Blocks, values

PEERS = ('kernel', 'floor', 'ours', 'ours inline', 'ours inline recording', 'bare', 'bare multi')


def draw(blocks: Blocks, folder: pathlib.Path) -> None:
    """Draw cost and lateness of every case that was measured idle."""
    cases = [
        one
        for one in dict.fromkeys(str(block['workload']) for block in blocks)
        if not one.startswith('arms')
    ]
    _bars(blocks, cases, folder / 'cpu.png', 'cpu_us', 'CPU per tick [µs]')
    _bars(blocks, cases, folder / 'work.png', 'work_p50', 'tick work, p50 [µs]')
    _bars(blocks, cases, folder / 'lateness.png', 'late_p99', 'release lateness, p99 [µs]', True)


def _bars(
    blocks: Blocks,
    cases: list[str],
    file: pathlib.Path,
    figure: str,
    title: str,
    logarithmic: bool = False,
) -> None:
    picture = Figure(figsize=(9, 4), layout='constrained')
    axes = picture.subplots()
    width = 0.8 / len(PEERS)
    for place, peer in enumerate(PEERS):
        for index, case in enumerate(cases):
            found = values(blocks, case, 'idle', peer, figure)
            found = found[np.isfinite(found)]
            if not len(found):
                continue
            at = index + (place - len(PEERS) / 2 + 0.5) * width
            axes.bar(at, np.median(found), width, color=f'C{place}')
            axes.plot(np.full(len(found), at), found, 'k.', markersize=3)
    axes.legend([Rectangle((0, 0), 1, 1, color=f'C{place}') for place in range(len(PEERS))], PEERS)
    axes.set_xticks(range(len(cases)), cases)
    axes.set_ylabel(title)
    if logarithmic:
        axes.set_yscale('log')
    picture.savefig(file, dpi=110)
