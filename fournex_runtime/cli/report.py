"""``fournex report``: a recording as one page, to be opened in any browser."""

from __future__ import annotations

import html
import importlib.resources
import json
import pathlib
from collections.abc import Sequence

from ..errors import FournexError, RecordingError
from .parser import Parser
from .recorded_run import read_run
from .report_data import report_data


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
        ),
    )
    found.add_argument('bag', metavar='BAG', type=pathlib.Path, help='the recording')
    found.add_argument(
        '--out',
        metavar='FILE',
        type=pathlib.Path,
        help='where to write it; report.html in the folder of the recording, if left out',
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
    page = report(bag)
    partial = out.with_name(f'.{out.name}.partial')
    try:
        partial.write_text(page, encoding='utf-8')
        partial.replace(out)
    except OSError as problem:
        raise FournexError(f'{out}: cannot be written: {problem.strerror}') from problem
    print(f'{out} ({len(page.encode()) / 1e6:.1f} MB): open it in a browser')
    return 0


def report(bag: pathlib.Path) -> str:
    """
    Return the page of a recording.

    :param bag: the recording.
    :raises RecordingError: it is no bag, or has no ticks.
    """
    run = read_run(bag)
    if run.manifest is None:
        raise RecordingError(f'{bag}: has no manifest: it was not recorded by Fournex')
    if not any(session.ticks for session in run.sessions):
        raise RecordingError(f'{bag}: has no ticks to report')
    data = report_data(run)
    template = importlib.resources.files(__package__).joinpath('report_page.html')
    # "</" would end the script element that the data stands in.
    text = json.dumps(data, allow_nan=False, separators=(',', ':')).replace('</', '<\\/')
    page = template.read_text(encoding='utf-8')
    return page.replace('{{title}}', html.escape(data['title'])).replace('{{data}}', text)
