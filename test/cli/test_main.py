"""The command itself: help, verbs, exit statuses, what is imported when."""

from __future__ import annotations

import subprocess
import sys

import pytest

VERBS = ('demo', 'run', 'replay', 'inspect', 'evaluate')


def test_help_names_every_verb_with_an_example(fournex):
    done = fournex('--help')
    assert done.status == 0
    assert done.err == ''
    for verb in VERBS:
        assert f'fournex {verb}' in done.out
    assert max(map(len, done.out.splitlines())) <= 99


@pytest.mark.parametrize('verb', VERBS)
def test_each_verb_explains_itself(fournex, verb):
    done = fournex(verb, '--help')
    assert done.status == 0
    assert done.out.startswith(f'usage: fournex {verb}')
    assert 'examples:' in done.out


def test_without_a_verb_it_says_what_there_is_and_fails(fournex):
    done = fournex()
    assert done.status == 2
    assert 'usage: fournex VERB' in done.out


def test_misspelt_verb_and_option_name_the_nearest(fournex):
    done = fournex('evalute')
    assert (done.status, done.out) == (2, '')
    assert 'Did you mean evaluate?' in done.err
    done = fournex('evaluate', 'pendulum', '--episods', '3')
    assert (done.status, done.out) == (2, '')
    assert 'Did you mean --episodes?' in done.err


def test_version(fournex):
    done = fournex('--version')
    assert done.status == 0
    assert done.out.startswith('fournex 0.')


def test_help_imports_nothing_heavy():
    """So that it is there at once."""
    code = (
        'import sys; from fournex_runtime.cli.main import main; main(["--help"]); '
        'heavy = {"numpy", "rclpy", "onnxruntime", "mujoco", "rosbags", "matplotlib"}; '
        'sys.exit(", ".join(heavy & set(sys.modules)) or 0)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, '')


def test_a_closed_pipe_is_no_error(checkout):
    """As in ``fournex inspect BUNDLE | head -1``."""
    inspect = [sys.executable, '-m', 'fournex_runtime.cli.main', 'inspect', 'pendulum']
    done = subprocess.run(
        ['bash', '-c', 'set -o pipefail; "$@" | true', '-', *inspect],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, '')
