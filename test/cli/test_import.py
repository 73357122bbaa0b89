"""``fournex import``, in a process and on a terminal."""

from __future__ import annotations

import os
import pathlib
import pty
import select
import shutil
import subprocess
import sys
import time

import pytest

SAVED = pathlib.Path(__file__).parents[1] / 'policy' / 'sb3' / 'saved'
OBS = 'inputs.obs=[{term: joint_position, joints: [a, b]}, {term: joint_velocity, joints: same}]'
START = 'start_pose=[0, 0.5]'
ACTIONS = 'outputs.actions=[{term: joint_effort_target, joints: [a, b], scale: 10}]'


@pytest.fixture
def walker(tmp_path):
    """Return a model with its VecNormalize beside it, four observations and two actions."""
    shutil.copy(SAVED / 'ppo-2.0.0.zip', tmp_path / 'walker.zip')
    shutil.copy(SAVED / 'ppo-2.0.0.pkl', tmp_path / 'statistics')
    return tmp_path / 'walker.zip'


def test_answers_on_the_command_line_make_a_bundle(fournex, walker, tmp_path):
    folder = tmp_path / 'bundle'
    done = fournex(
        'import', walker, '--to', folder, '--version', 3, '--wiring', tmp_path / 'walker.yaml',
        '--set', 'period=20 ms', '--set', OBS, '--set', ACTIONS, '--set', START,
    )  # fmt: skip
    assert done.status == 0, done.err
    assert 'a zip with the members data and policy.pth' in done.out
    assert f'VecNormalize: {tmp_path}/statistics' in done.out
    assert 'walker@3' in done.out and 'file: ' in done.out
    wiring = (tmp_path / 'walker.yaml').read_text()
    assert f'policy: {folder}' in wiring and 'topic: joint_states' in wiring
    shown = fournex('inspect', folder)
    assert shown.status == 0 and 'names, shapes and types are those of the artifact' in shown.out


def test_without_a_folder_it_goes_into_the_registry(fournex, walker, tmp_path, monkeypatch):
    monkeypatch.setenv('FOURNEX_REGISTRY', str(tmp_path / 'registry'))
    said = ['--set', 'period=20 ms', '--set', OBS, '--set', START, '--set']
    first = fournex('import', walker, *said, ACTIONS)
    assert first.status == 0, first.err
    assert 'Written: walker@1.' in first.out
    again = fournex('import', walker, *said, ACTIONS)
    assert 'Written: walker@1.' in again.out  # nothing new
    other = fournex('import', walker, *said, ACTIONS.replace('10', '20'))
    assert 'Written: walker@2.' in other.out
    taken = fournex('import', walker, *said, ACTIONS, '--version', 2)
    assert taken.status == 2 and 'walker@2 is in the registry' in taken.err
    assert sorted(one.name for one in (tmp_path / 'registry' / 'walker').iterdir()) == ['1', '2']


def test_without_a_terminal_every_question_is_in_the_error(fournex, walker, tmp_path):
    done = fournex('import', walker, '--to', tmp_path / 'bundle')
    assert done.status == 2
    assert "--set 'period=20 ms'" in done.err
    assert "--set 'inputs.obs=[" in done.err and 'the 4 values of obs' in done.err
    assert "--set 'outputs.actions=[" in done.err
    assert not (tmp_path / 'bundle').exists()


def test_a_file_of_answers_is_written_filled_in_and_read(fournex, walker, tmp_path):
    file = tmp_path / 'answers.yaml'
    done = fournex('import', walker, '--write-answers', file, '--set', OBS, '--set', START)
    assert done.status == 0, done.err
    text = file.read_text()
    assert 'Further questions' in text, 'the default pose, if outputs refer to one'
    assert '\nperiod:\n' in text and '# the control period of training' in text
    key, _, value = ACTIONS.partition('=')
    file.write_text(
        text.replace('\nperiod:\n', '\nperiod: 20 ms\n').replace(f'\n{key}:', f'\n{key}: {value}')
    )
    done = fournex('import', walker, '--to', tmp_path / 'bundle', '--answers', file)
    assert done.status == 0, done.err
    first = fournex('import', walker, '--write-answers', tmp_path / 'first.yaml')
    more = 'Further questions depend on these answers.'  # the poses: nobody knows the joints yet
    assert more in first.out and f'# {more}' in (tmp_path / 'first.yaml').read_text()
    again = fournex('import', walker, '--write-answers', file)
    assert again.status == 2 and 'cannot be written: File exists' in again.err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--to', 'B', '--as', 'onyx'], '--as onyx: no such kind'),
        (['--to', 'B', '--set', 'period'], 'expected KEY=VALUE'),
        (['--to', '/'], '/: is there already; nothing is overwritten'),
        (['--wiring', '/nowhere/w.yaml'], '/nowhere/w.yaml: its folder does not exist'),
        (['--to', 'B', '--also', 'nothing'], 'nothing: No such file or directory'),
        (['--to', 'B', '--version', 'two'], "--version: expected a number, found 'two'"),
    ],
)
def test_what_cannot_be_is_refused(fournex, walker, tmp_path, arguments, message):
    given = [str(tmp_path / one) if one == 'B' else one for one in arguments]
    done = fournex('import', walker, *given)
    assert done.status == 2
    assert message in done.err
    assert not (tmp_path / 'B').exists()


class Terminal:
    """A process on a terminal of its own: what it prints is awaited, what it asks is typed."""

    def __init__(self, *arguments: object) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'fournex_runtime.cli.main', *map(str, arguments)],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.shown = ''

    def read(self, until: str, timeout_s: float = 40.0) -> str:
        """Read until a text has come; returns what came."""
        come, deadline = '', time.monotonic() + timeout_s
        while until not in come:
            ready = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert ready, f'{until!r} did not come: {self.shown}'
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # the other end is closed
                data = b''
            assert data, f'{until!r} did not come before the end: {self.shown}'
            come += data.decode(errors='replace')
            self.shown += data.decode(errors='replace')
        return come

    def type(self, text: str) -> None:
        """Type a line, or a control character."""
        os.write(self._ours, text.encode())

    def end(self) -> int:
        """Return the exit status."""
        try:
            return self.process.wait(timeout=40)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._ours)


def test_a_terminal_is_asked_and_a_bad_answer_is_asked_again(walker, tmp_path):
    arguments = ('import', walker, '--to', tmp_path / 'bundle', '--set', ACTIONS)
    terminal = Terminal(*arguments)
    asked = terminal.read('\n> ')
    assert 'period: the control period of training' in asked
    terminal.type('20\n')
    assert 'Not taken: 20 is not a duration' in terminal.read('\n> ')
    terminal.type('20 ms\n')
    assert 'inputs.obs: what the 4 values of obs' in terminal.read('\n> ')
    terminal.type('[{term: joint_position, joints: [a, b]}]\n')
    assert 'Not taken: inputs.obs.shape: is [4], the terms make it [2]' in terminal.read('\n> ')
    terminal.type('[{term: joint_positon, joints: [a, b]}]\n')
    assert 'Did you mean joint_position?' in terminal.read('\n> ')
    terminal.type(OBS.partition('=')[2].replace('}]', ', relative_to: default_pose}]') + '\n')
    assert 'default_pose: the default position of each joint' in terminal.read('\n> ')
    terminal.type('[0.5, -1]\n')
    assert 'start_pose: where each joint should be' in terminal.read('\n> ')
    terminal.type('default_pose\n')
    terminal.read('Written: ')
    assert terminal.end() == 0
    text = (tmp_path / 'bundle' / 'policy.yaml').read_text()
    assert 'relative_to: [0.5, -1.0]' in text


def test_the_end_of_the_terminal_ends_the_questions(walker, tmp_path):
    terminal = Terminal('import', walker, '--to', tmp_path / 'bundle')
    terminal.read('\n> ')
    terminal.type('\x04')
    terminal.read('Nothing was written.')
    assert terminal.end() == 2


def test_what_was_typed_in_is_not_lost(walker, tmp_path):
    terminal = Terminal('import', walker, '--to', tmp_path / 'bundle')
    terminal.read('\n> ')
    terminal.type('20 ms\n')
    terminal.read('\n> ')
    terminal.type('\x04')
    kept = terminal.read('Nothing was written.')
    assert 'period: 20 ms' in kept and 'inputs.obs:' in kept
    assert terminal.end() == 2
    assert not (tmp_path / 'bundle').exists()
