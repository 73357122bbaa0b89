"""
What every test has: a ROS 2 of its own, and an end for every process that it starts.

A run of pytest gets a domain id that no other run on this machine has, speaks on loopback alone,
and logs into a temporary folder. All of this is in the environment variables before the first
import of rclpy, and every child inherits it.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import tempfile
import uuid

import dds
import processes
import pytest

from fournex_runtime.cli.discovery import discovery_profiles

RUN = uuid.uuid4().hex
_domain = dds.Domain()
_logs = tempfile.mkdtemp(prefix='fournex-test-log-')

os.environ.update(
    ROS_DOMAIN_ID=str(_domain.number),
    ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST',
    ROS_LOG_DIR=_logs,
    OMP_NUM_THREADS='1',
    **{processes.RUN: RUN},
    **discovery_profiles(),
)
os.environ.pop('PYTHONDONTWRITEBYTECODE', None)  # each of a hundred starts would compile all anew
os.environ.pop('ROS_LOCALHOST_ONLY', None)
os.environ.pop('ROS_STATIC_PEERS', None)


@pytest.fixture(scope='session', autouse=True)
def _leave_nothing_behind():
    """
    End what tests left running, say so as an error, and clear the shared memory of the dead.

    Also when this process is killed.
    """
    mourner = processes.Mourner(processes.RUN, RUN)
    yield
    left = processes.end_all(processes.RUN, RUN)
    mourner.dismiss()
    _domain.release()
    dds.remove_dead_shared_memory()
    shutil.rmtree(_logs, ignore_errors=True)
    assert not left, 'left running at the end of the tests: ' + '; '.join(left)


@pytest.fixture
def start(tmp_path):
    """
    Start processes that end with the test.

    ``start('runtime', [executable, argument, …], timeout_s=30)`` returns a `processes.Started`.
    At the end of the test each gets SIGINT and, if that does not do, SIGKILL; whatever it started
    itself is found and ended too, and counts as a failure of the test.
    """
    starter = processes.Starter(tmp_path)
    yield starter
    starter.end()


@pytest.fixture(scope='session')
def checkout() -> pathlib.Path:
    """Return the root of the checkout."""
    return pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope='session')
def torch_python() -> pathlib.Path:
    """Return the Python that has torch; a test that asks for it is marked ``torch``."""
    python = os.environ.get('FOURNEX_TORCH_PYTHON')
    if not python:
        pytest.skip('needs torch, which TORCH=0 leaves out')
    return pathlib.Path(python)


@pytest.fixture(scope='session')
def torch_environment(checkout) -> dict[str, str]:
    """Return environment variables for `torch_python`, without the ROS 2 of this process."""
    unwanted = ('PYTHONPATH', 'LD_LIBRARY_PATH', 'AMENT_PREFIX_PATH', 'VIRTUAL_ENV')
    unwanted += ('_ROS_WHEELS_BOOTSTRAP_COMPLETE',)
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**environment, 'PYTHONPATH': str(checkout)}


@pytest.fixture(scope='session')
def with_torch(checkout, torch_python, torch_environment):
    """Return a function that runs a script of ``test/support`` under the Python with torch."""

    def run(script: str, *arguments: object, timeout_s: float = 110.0) -> None:
        done = subprocess.run(
            [torch_python, '-W', 'ignore', checkout / 'test/support' / script]
            + [str(one) for one in arguments],
            env=torch_environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope='session')
def with_lerobot(with_torch, torch_python, torch_environment):
    """Return `with_torch` where that Python has LeRobot, too."""
    finds_it = 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("lerobot"))'
    found = subprocess.run([torch_python, '-c', finds_it], env=torch_environment, check=False)
    if found.returncode:
        pytest.skip(f'{torch_python} (FOURNEX_TORCH_PYTHON) has no lerobot')
    return with_torch


@pytest.fixture(scope='session')
def torch_artifacts(with_torch, tmp_path_factory):
    """Return the folder with the artifacts that torch makes."""
    folder = tmp_path_factory.mktemp('torch-artifacts')
    with_torch('torch_artifacts.py', folder, timeout_s=50.0)
    return folder
