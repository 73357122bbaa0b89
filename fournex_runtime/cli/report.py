"""``fournex report``: a recording as one page, to be opened in any browser."""

from __future__ import annotations

import html
import importlib.resources
import json
import pathlib
from collections.abc import Sequence

from ..errors import FournexError, RecordingError
from ..record.recording_difference import recording_difference
from ..record.replay import verify
from .parser import Parser
from .progress import Progress
from .recorded_run import read_run
from .report_data import report_data
from .report_marks import Marks, difference_marks, replay_marks


def parser() -> Parser:
    """Return the parser of this verb."""
    found = Parser(
        'report',
        'Write a recording as one HTML page: lateness, stage times, ages, actions, observations '
        'over time, with\nmodes, faults and episodes marked. It needs nothing but a browser, no '
        'network and no other file.',
        (
            ('fournex report runs/today', 'writes runs/today/report.html'),
            ('fournex report runs/today --out today.html', ''),
            ('fournex report runs/today --verify', 'with the ticks that replay finds unequal'),
            ('fournex report runs/today --diff runs/before', 'with those in which it parts from'),
        ),
    )
    found.add_argument('bag', metavar='BAG', type=pathlib.Path, help='the recording')
    found.add_argument(
        '--out',
        metavar='FILE',
        type=pathlib.Path,
        help='where to write it; report.html in the folder of the recording, if left out',
    )
    found.add_argument(
        '--verify',
        action='store_true',
        help='make every tick again, and mark those that are not as recorded',
    )
    found.add_argument(
        '--diff',
        metavar='BAG2',
        type=pathlib.Path,
        help='compare with another recording, and mark the ticks in which they differ',
    )
    return found


def main(arguments: Sequence[str]) -> int:
    """
    Run the verb.

    :param arguments: what follows it on the command line.
    """
    options = parser().parse(arguments)
    bag: pathlib.Path = options.bag
    folder = bag if bag.is_dir() else bag.parent
    out = options.out or folder / 'report.html'
    page = report(bag, _marks(bag, options.verify, options.diff))
    partial = out.with_name(f'.{out.name}.partial')
    try:
        partial.write_text(page, encoding='utf-8')
        partial.replace(out)
    except OSError as problem:
        raise FournexError(f'{out}: cannot be written: {problem.strerror}') from problem
    print(f'{out} ({len(page.encode()) / 1e6:.1f} MB): open it in a browser')
    return 0


def _marks(bag: pathlib.Path, verified: bool, other: pathlib.Path | None) -> list[Marks]:
    """Return what replaying a recording, and comparing it with another one, finds in it."""
    found = []
    progress = Progress('replaying' if verified else 'comparing')
    try:
        if verified:
            found += replay_marks(verify(bag, progress=progress.update))
        if other is not None:
            difference = recording_difference(bag, other, progress.update)
            found += difference_marks(difference, str(other))
    finally:
        progress.clear()
    return found


def report(bag: pathlib.Path, marks: Sequence[Marks] = ()) -> str:
    """
    Return the page of a recording.

    :param bag: the recording.
    :param marks: ticks to be marked on the curves.
    :raises RecordingError: it is no bag, or has no ticks.
    """
    run = read_run(bag)
    if run.manifest is None:
        raise RecordingError(f'{bag}: has no manifest: it was not recorded by Fournex')
    if not any(session.ticks for session in run.sessions):
        raise RecordingError(f'{bag}: has no ticks to report')
    data = report_data(run, marks)
    template = importlib.resources.files(__package__).joinpath('report_page.html')
    # "</" would end the script element that the data stands in.
    text = json.dumps(data, allow_nan=False, separators=(',', ':')).replace('</', '<\\/')
    page = template.read_text(encoding='utf-8')
    return page.replace('{{title}}', html.escape(data['title'])).replace('{{data}}', text)
