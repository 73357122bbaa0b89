"""The two packages: built, complete, and found from a workspace too."""

from __future__ import annotations

import ast
import os
import pathlib
import subprocess
import sys
from xml.etree import ElementTree

import pytest

PACKAGES = {'fournex_msgs': 'ament_cmake', 'fournex_runtime': 'ament_python'}
COLCON = [
    sys.executable,
    '-c',
    'import sys; from colcon_core.command import main; sys.exit(main())',
]

# Keys of rosdep's index, or packages of ROS 2 Jazzy and Kilted; checked when one is added.
KNOWN_KEYS = {
    'ament_index_python',
    'controller_manager_msgs',
    'diagnostic_msgs',
    'diagnostic_updater',
    'fournex_msgs',
    'geometry_msgs',
    'launch',
    'launch_ros',
    'lifecycle_msgs',
    'nav_msgs',
    'python3-matplotlib',
    'python3-numpy',
    'python3-pytest',
    'python3-pytest-timeout',
    'python3-yaml',
    'rcl_interfaces',
    'rclpy',
    'rosbag2_py',
    'rosbag2_storage_mcap',
    'rosgraph_msgs',
    'sensor_msgs',
    'std_msgs',
    'std_srvs',
    'test_msgs',
    'tf2_msgs',
    'trajectory_msgs',
}


def colcon(*arguments: str | os.PathLike[str], folder: pathlib.Path) -> None:
    answer = subprocess.run(
        [*COLCON, '--log-base', os.devnull, *map(os.fspath, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.fixture(scope='module')
def clone(checkout, tmp_path_factory) -> pathlib.Path:
    """Return a workspace whose src/ holds a clone of the checkout, as of its last commit."""
    workspace = tmp_path_factory.mktemp('workspace')
    subprocess.run(
        ['git', 'clone', '-q', '--no-hardlinks', checkout, workspace / 'src' / 'fournex'],
        check=True,
        timeout=60,
    )
    return workspace


@pytest.mark.parametrize('package', PACKAGES)
def test_both_packages_were_built_and_are_in_the_index(package):
    marker = pathlib.Path('share', 'ament_index', 'resource_index', 'packages', package)
    prefixes = os.environ['AMENT_PREFIX_PATH'].split(os.pathsep)
    (prefix,) = [prefix for prefix in map(pathlib.Path, prefixes) if (prefix / marker).exists()]
    assert (prefix / 'share' / package / 'package.xml').is_file()


@pytest.mark.timeout(450)
def test_both_packages_build_from_a_workspace_that_holds_a_clone(clone):
    """As the README says it, into a workspace of its own, copied instead of linked."""
    paths = [clone / 'src', clone / 'src' / 'fournex' / 'fournex_msgs']
    colcon('build', '--base-paths', *paths, folder=clone)
    install = clone / 'install'
    assert {path.name for path in install.iterdir() if path.is_dir()} == set(PACKAGES)
    runtime = install / 'fournex_runtime'
    for executable in ('lib/fournex_runtime/runtime', 'lib/fournex_runtime/sim', 'bin/fournex'):
        assert os.access(runtime / executable, os.X_OK), executable
    share = runtime / 'share' / 'fournex_runtime'
    for robot in ('rover', 'arm', 'pendulum'):
        assert (share / 'examples' / robot / 'wiring.yaml').is_file()
        assert (share / 'examples' / robot / 'bundle' / 'policy.yaml').is_file()
    # The installed packages work, without the checkout.
    answer = subprocess.run(
        ['/bin/sh', '-c', '. install/local_setup.sh && fournex --version && python -c "$CODE"'],
        cwd=clone,
        env={**os.environ, 'CODE': _IMPORT_ALL},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    places = answer.stdout.splitlines()[1:]
    assert len(places) == 2
    assert all(place.startswith(str(install)) for place in places), places


_IMPORT_ALL = """
import fournex_msgs.msg, fournex_runtime
print(fournex_msgs.msg.__file__)
print(fournex_runtime.__file__)
"""


@pytest.mark.parametrize(('package', 'kind'), PACKAGES.items())
def test_the_manifest_names_keys_that_rosdep_knows(package, kind, checkout):
    folder = checkout if package == 'fournex_runtime' else checkout / package
    root = ElementTree.parse(folder / 'package.xml').getroot()
    assert root.get('format') == '3'
    assert root.findtext('name') == package
    assert root.findtext('export/build_type') == kind
    assert root.findtext('license') == 'Apache-2.0'
    if package == 'fournex_runtime':
        keys = {node.text for node in root if node.tag.endswith('_depend')}
        assert keys <= KNOWN_KEYS, keys - KNOWN_KEYS


def test_versions_agree(checkout):
    versions = {
        ElementTree.parse(checkout / path).getroot().findtext('version')
        for path in ('package.xml', 'fournex_msgs/package.xml')
    }
    calls = ast.walk(ast.parse((checkout / 'setup.py').read_text()))
    versions |= {
        keyword.value.value
        for call in calls
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == 'version'
    }
    import fournex_runtime

    assert versions == {fournex_runtime.__version__}


def test_every_interface_is_in_the_build(checkout):
    folder = checkout / 'fournex_msgs'
    files = {
        f'{path.parent.name}/{path.name}'
        for kind in ('msg', 'srv', 'action')
        for path in (folder / kind).glob('*')
    }
    listing = (folder / 'CMakeLists.txt').read_text().split()
    assert files == {word for word in listing if word.endswith(('.msg', '.srv', '.action'))}


def test_ros_packages_that_are_imported_are_dependencies(checkout):
    root = ElementTree.parse(checkout / 'package.xml').getroot()
    declared = {node.text for node in root if node.tag.endswith('_depend')}
    imported = set()
    for path in (checkout / 'fournex_runtime').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.split('.')[0])
    of_ros = {name for name in imported if name.endswith(('_msgs', '_updater', '_interfaces'))}
    of_ros |= imported & {'rclpy', 'launch', 'launch_ros', 'rosbag2_py', 'ament_index_python'}
    assert of_ros <= declared
