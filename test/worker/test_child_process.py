"""A child process has what it is given and nothing else, and is told of as it ended."""

import os
import signal
import sys

import pytest

from fournex_runtime.child_process import ChildProcess

LOOK = """
import os, sys
print(os.getcwd(), os.getsid(0) == os.getpid(), os.environ.get('WHAT'), *sys.argv[1:])
print(*sorted(int(one) for one in os.listdir('/proc/self/fd')))
sys.exit(3)
"""


@pytest.fixture
def begin(tmp_path):
    """Return a function that starts a Python program, and the file that it prints into."""
    begun = []
    printed = tmp_path / 'printed'

    def make(program, *arguments, descriptors=(), environment=None):
        with open(os.devnull, 'rb') as nothing, printed.open('wb') as stream:
            begun.append(
                ChildProcess(
                    [sys.executable, '-c', program, *arguments],
                    {**os.environ, **(environment or {})},
                    nothing.fileno(),
                    stream.fileno(),
                    stream.fileno(),
                    descriptors,
                )
            )
        return begun[-1], printed

    yield make
    for one in begun:
        one.kill()
        one.wait()


def test_it_has_the_descriptors_that_it_is_given_and_no_others(begin, tmp_path):
    inheritable = os.open(tmp_path, os.O_RDONLY)
    given = os.open(tmp_path, os.O_RDONLY)
    beyond = os.dup2(given, 200)
    os.set_inheritable(inheritable, True)
    try:
        child, printed = begin(LOOK, 'ä', descriptors=(given,), environment={'WHAT': 'this'})
        assert child.wait(20.0) == 3
    finally:
        for one in (inheritable, given, beyond):
            os.close(one)
    first, second = printed.read_text().splitlines()
    assert first == '/ True this ä'
    # One more than what it was given: of the folder that is being listed.
    assert {int(one) for one in second.split()} in ({0, 1, 2, 3, given}, {0, 1, 2, 3, 4})
    assert child.poll() == child.status == 3


def test_waiting_for_it_ends_in_time_and_it_can_be_killed(begin):
    child, _ = begin('import time; time.sleep(60)')
    assert child.wait(0.05) is None and child.poll() is None
    child.kill()
    assert child.wait() == -signal.SIGKILL == child.wait(1.0)
    child.kill()  # nothing is left of it


def test_a_program_that_is_not_there_is_said_to_be_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        ChildProcess([str(tmp_path / 'nobody')], {}, 0, 1, 2, ())
