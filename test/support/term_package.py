"""A package that is installed: its module and the dist-info that pip would write."""

from __future__ import annotations

import pathlib
import textwrap

MODULE = '''
from fournex_runtime.custom_terms import ObservationTerm, number, optional, subset


class Scaled(ObservationTerm):
    """The positions of a JointState times a gain."""

    unit = 'rad'
    message_types = {'': ('sensor_msgs/msg/JointState',)}
    options = (number('gain'), optional(subset('joints_of', ('a', 'b'))))

    def check(self, options):
        return 'gain 0 says nothing' if options['gain'] == 0.0 else ''

    def labels(self, options):
        return options['joints_of'] or ('a', 'b')

    def read(self, messages, term, frames):
        state = messages['']
        positions = dict(zip(state.name, state.position))
        return [positions[label] * term.options['gain'] for label in term.labels]
'''


def install(
    folder: pathlib.Path,
    module: str = MODULE,
    entry: str = 'my_terms.scaled = my_terms:Scaled',
    name: str = 'my-terms',
    version: str = '1.2.3',
) -> pathlib.Path:
    """Return a folder to put on Python's path, in which a package with one term is installed."""
    stem = name.replace('-', '_')
    info = folder / f'{stem}-{version}.dist-info'
    info.mkdir(parents=True)
    (folder / f'{stem}.py').write_text(textwrap.dedent(module))
    (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')
    (info / 'entry_points.txt').write_text(f'[fournex.observation_terms]\n{entry}\n')
    return folder
