"""Setting up: what is chosen, what is refused and with which words, and that pins are kept."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from packaging.requirements import Requirement

REAL_PYTHON = os.path.realpath(sys.executable)
PINS = ('build.txt', 'common.txt', 'jazzy.txt', 'kilted.txt', 'torch.txt')
MAKE = shutil.which('make')


@pytest.fixture
def house(checkout, tmp_path) -> pathlib.Path:
    """Return a checkout with nothing in it but what sets up the environments."""
    root = tmp_path / 'checkout'
    ignore = shutil.ignore_patterns('__pycache__')
    shutil.copytree(checkout / '.ci', root / '.ci', ignore=ignore)
    shutil.copytree(checkout / 'config' / 'environments', root / 'config' / 'environments')
    shutil.copy(checkout / 'Makefile', root)
    return root


@pytest.fixture
def path(tmp_path) -> pathlib.Path:
    """Return the only folder on PATH, empty."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    return folder


def put_program(folder: pathlib.Path, name: str, text: str) -> None:
    program = folder / name
    program.write_text('#!/bin/sh\n' + text)
    program.chmod(0o755)


def put_python(folder: pathlib.Path, name: str, **changes) -> None:
    """Put a Python on PATH that says of itself what the real one says, but for changes."""
    facts = {
        'version': [3, 11, 7],
        'prefix': '/usr',
        'executable': f'/usr/bin/{name}',
        'venv': True,
        'headers': True,
    }
    put_program(folder, name, f"echo '{json.dumps({**facts, **changes})}'\n")


def set_up(house: pathlib.Path, path: pathlib.Path, **variables) -> subprocess.CompletedProcess:
    """Run the set-up with one folder on PATH."""
    return subprocess.run(
        [REAL_PYTHON, house / '.ci' / 'environment.py', 'prepare'],
        env={'PATH': str(path), 'HOME': os.environ.get('HOME', '/'), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def choose(house: pathlib.Path, path: pathlib.Path) -> str:
    code = (
        'import interpreters, pathlib; print(interpreters.choose("", pathlib.Path.cwd()).command)'
    )
    answer = subprocess.run(
        [REAL_PYTHON, '-c', code],
        env={'PATH': str(path), 'PYTHONPATH': str(house / '.ci')},
        cwd=house,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return answer.stdout.strip()


def assert_refused(house: pathlib.Path, answer: subprocess.CompletedProcess) -> None:
    assert answer.returncode == 2
    assert 'Traceback' not in answer.stderr
    assert not list(house.glob('.venv*'))


def test_missing_tools_are_named_in_one_message_with_their_packages(house, path):
    put_python(path, 'python3')
    answer = set_up(house, path)
    assert_refused(house, answer)
    assert 'a C++ compiler and CMake' in answer.stderr
    assert 'sudo apt install gcc g++ cmake make' in answer.stderr


def test_only_what_is_missing_is_named(house, path):
    put_python(path, 'python3')
    for name in ('cc', 'c++', 'make'):
        put_program(path, name, 'exit 0\n')
    answer = set_up(house, path)
    assert_refused(house, answer)
    assert 'sudo apt install cmake\n' in answer.stderr
    assert 'compiler' not in answer.stderr


@pytest.mark.parametrize('version', [[3, 8, 18], [3, 9, 2], [3, 14, 0]])
def test_a_python_without_wheels_is_refused_by_its_version(house, path, version):
    put_python(path, 'python3', version=version)
    answer = set_up(house, path)
    assert_refused(house, answer)
    assert 'Python 3.10 to 3.13' in answer.stderr
    assert '.'.join(map(str, version)) in answer.stderr


def test_a_python_without_venv_or_headers_names_the_packages(house, path):
    put_python(path, 'python3', venv=False, headers=False, version=[3, 12, 3])
    answer = set_up(house, path)
    assert_refused(house, answer)
    assert 'sudo apt install python3.12-venv python3.12-dev' in answer.stderr


def test_the_users_choice_is_refused_by_name(house, path):
    put_python(path, 'python3')
    answer = set_up(house, path, PYTHON='python3.9')
    assert_refused(house, answer)
    assert 'PYTHON=python3.9: no such Python runs here' in answer.stderr


def test_a_shim_that_does_not_run_is_passed_over(house, path):
    put_program(path, 'python3', 'echo "python3: command not found" >&2; exit 127\n')
    put_program(path, 'python3.12', 'exit 127\n')
    put_python(path, 'python3.10', version=[3, 10, 13])
    assert choose(house, path) == str(path / 'python3.10')


def test_the_present_python_comes_first_when_it_will_do(house, path):
    put_python(path, 'python3')
    put_python(path, 'python3.12', version=[3, 12, 3])
    assert choose(house, path) == str(path / 'python3')


def test_an_environment_of_the_checkout_is_not_what_environments_are_made_from(house, path):
    put_python(path, 'python3', prefix=str(house / '.venv-jazzy'))
    put_python(path, 'python3.12', version=[3, 12, 3])
    assert choose(house, path) == str(path / 'python3.12')


def test_an_unknown_distribution_names_the_known_ones(house, path):
    answer = set_up(house, path, ROS='foxy')
    assert_refused(house, answer)
    assert answer.stderr.strip() == 'ROS=foxy: known are jazzy and kilted.'


def test_a_sourced_ros_is_used_and_without_a_python_for_it_says_so(house, path, tmp_path):
    ros = tmp_path / 'opt' / 'ros' / 'jazzy'
    (ros / 'share' / 'rclpy').mkdir(parents=True)
    put_python(path, 'python3')
    answer = set_up(house, path, AMENT_PREFIX_PATH=str(ros), ROS_DISTRO='jazzy')
    assert_refused(house, answer)
    assert str(ros) in answer.stderr
    assert 'env -u AMENT_PREFIX_PATH make' in answer.stderr


def test_what_lies_in_the_checkout_is_not_a_sourced_ros(house, path):
    ours = house / '.venv-jazzy'
    (ours / 'share' / 'rclpy').mkdir(parents=True)
    put_python(path, 'python3')
    answer = set_up(house, path, AMENT_PREFIX_PATH=str(ours), ROS_DISTRO='jazzy')
    assert answer.returncode == 2
    assert 'Building the messages needs' in answer.stderr


def test_another_distribution_by_name_leaves_the_sourced_one_aside(house, path, tmp_path):
    ros = tmp_path / 'opt' / 'ros' / 'jazzy'
    (ros / 'share' / 'rclpy').mkdir(parents=True)
    put_python(path, 'python3')
    answer = set_up(house, path, AMENT_PREFIX_PATH=str(ros), ROS_DISTRO='jazzy', ROS='kilted')
    assert_refused(house, answer)
    assert 'the sourced ROS 2 jazzy is left aside' in answer.stdout
    assert 'Building the messages needs' in answer.stderr


def test_make_says_so_when_there_is_no_python(house, path):
    put_program(path, 'python3', 'exit 127\n')
    answer = subprocess.run(
        [MAKE, 'demo'],
        cwd=house,
        env={'PATH': str(path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert answer.returncode == 2
    assert 'Python 3.10 to 3.13' in answer.stderr


def test_make_alone_shows_help_and_does_nothing(house):
    answer = subprocess.run(
        [MAKE], cwd=house, capture_output=True, text=True, timeout=30, check=True
    )
    for target in ('demo', 'test', 'lint', 'clean'):
        assert f'make {target}' in answer.stdout
    assert not (house / 'build').exists()


def pinned(file: pathlib.Path) -> list[Requirement]:
    lines = [line.split('#')[0].strip() for line in file.read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith('-r ')]


@pytest.mark.parametrize('name', PINS)
def test_every_pin_is_one_exact_version(name, checkout):
    requirements = pinned(checkout / 'config' / 'environments' / name)
    assert requirements
    for requirement in requirements:
        assert re.fullmatch(r'==[0-9][0-9A-Za-z.]*', str(requirement.specifier)), str(requirement)


def test_both_distributions_pin_the_same_interfaces(checkout):
    folder = checkout / 'config' / 'environments'
    jazzy, kilted = (
        {requirement.name for requirement in pinned(folder / name) if 'msgs' in requirement.name}
        for name in ('jazzy.txt', 'kilted.txt')
    )
    assert jazzy == kilted


def test_what_is_installed_is_what_is_pinned(checkout):
    distro = os.environ['ROS_DISTRO']
    if not os.environ['VIRTUAL_ENV'].endswith(f'.venv-{distro}'):
        pytest.skip('on top of a sourced ROS 2, which has versions of its own')
    folder = checkout / 'config' / 'environments'
    wrong = {}
    for name in ('build.txt', 'common.txt', f'{distro}.txt'):
        for requirement in pinned(folder / name):
            if requirement.marker is None or requirement.marker.evaluate():
                version = importlib.metadata.version(requirement.name)
                if not requirement.specifier.contains(version):
                    wrong[str(requirement)] = version
    assert not wrong


def test_a_second_run_has_nothing_to_do(checkout):
    """Run the set-up in this checkout, as it was run before these tests."""
    build = checkout / 'build' / pathlib.Path(os.environ['VIRTUAL_ENV']).name[len('.venv-') :]
    if build.name != os.environ['ROS_DISTRO']:
        pytest.skip('needs the environment of a shell in which ROS 2 is sourced')
    before = (build / 'built.json').stat().st_mtime_ns
    answer = subprocess.run(
        [REAL_PYTHON, checkout / '.ci' / 'environment.py', 'prepare'],
        env={
            'PATH': os.environ['PATH'],
            'HOME': os.environ.get('HOME', '/'),
            'ROS': os.environ['ROS_DISTRO'],
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert [line.rsplit(': ', 1)[1] for line in answer.stdout.splitlines()] == ['ready', 'ready']
    assert (build / 'built.json').stat().st_mtime_ns == before
