"""The core knows no ROS, and what is heavy is imported where it is used and nowhere else."""

import ast
import os
import subprocess
import sys

import pytest

CORE = (
    'configuration',
    'errors',
    'doctor',
    'importers',
    'policy',
    'pipeline',
    'safety',
    'session',
    'record',
    'sim',
    'worker',
)
ROS = {
    'rclpy',
    'ament_index_python',
    'builtin_interfaces',
    'diagnostic_msgs',
    'fournex_msgs',
    'geometry_msgs',
    'launch',
    'launch_ros',
    'lifecycle_msgs',
    'nav_msgs',
    'rcl_interfaces',
    'rosbag2_py',
    'rosgraph_msgs',
    'rosidl_runtime_py',
    'sensor_msgs',
    'std_msgs',
    'std_srvs',
    'tf2_msgs',
    'tf2_ros',
    'trajectory_msgs',
}
ROS_NODES = {'sim/node.py', 'sim/pacing.py'}
"""The modules of these folders that are ROS nodes, and that nothing but a command line imports."""
BACKENDS = {
    'policy/lerobot_backend.py',  # by torch's module
    'policy/onnx_backend.py',  # by the one below
    'policy/onnx_session.py',
    'policy/torch_device.py',
    'policy/torch_export_backend.py',
    'policy/torch_module.py',
    'policy/torchscript_backend.py',
}
"""The modules that need a library which runs artifacts."""

BLOCKED = """
import importlib, sys
blocked = set(sys.argv[1].split(','))
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in blocked:
            raise ModuleNotFoundError(f'{name} is blocked', name=name)
sys.meta_path.insert(0, Refuse())
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


def modules(checkout):
    """Return path and syntax tree of every module of the package, by path in the package."""
    package = checkout / 'fournex_runtime'
    return {
        file.relative_to(package).as_posix(): ast.parse(file.read_text())
        for file in sorted(package.rglob('*.py'))
    }


def imported(tree):
    """Return the absolute names that a module imports anywhere, functions included."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module)
    return {name.split('.')[0] for name in names}


def imported_here(path, tree):
    """Return the modules of the package that a module imports, as paths in the package."""
    folder = path.split('/')[:-1]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level > 0:
            base = folder[: len(folder) - node.level + 1]
            parts = [*base, *(node.module or '').split('.')]
            found.add('/'.join(part for part in parts if part))
    return found


def below_the_line(path):
    return path.split('/')[0].removesuffix('.py') in CORE and path not in ROS_NODES


def test_no_module_below_the_line_names_a_module_of_ros(checkout):
    guilty = {
        path: imported(tree) & ROS
        for path, tree in modules(checkout).items()
        if below_the_line(path) and imported(tree) & ROS
    }
    assert guilty == {}


def test_no_module_below_the_line_imports_one_above_it(checkout):
    above = ('ros/', 'cli/', *(f'{path.removesuffix(".py")}/' for path in ROS_NODES))
    guilty = {}
    for path, tree in modules(checkout).items():
        found = {one for one in imported_here(path, tree) if f'{one}/'.startswith(above)}
        if below_the_line(path) and found:
            guilty[path] = found
    assert guilty == {}


def test_only_its_backend_imports_a_heavy_library(checkout):
    found = {'onnxruntime': set(), 'torch': set()}
    for path, tree in modules(checkout).items():
        for library in found:
            if library in imported(tree):
                found[library].add(path)
    assert found['onnxruntime'] == {'policy/onnx_session.py'}
    assert found['torch'] == {'policy/torch_device.py'}


def test_the_search_sees_what_it_looks_for(checkout):
    assert 'rclpy' in set().union(*(imported(tree) for tree in modules(checkout).values()))
    tree = ast.parse('def f():\n    from rclpy.node import Node\n    from ..ros import loop\n')
    assert imported(tree) == {'rclpy'}
    assert imported_here('sim/x.py', tree) == {'ros'}


def run_blocked(checkout, blocked, names):
    return subprocess.run(
        [sys.executable, '-c', BLOCKED, ','.join(sorted(blocked)), *names],
        env={**os.environ, 'PYTHONPATH': str(checkout)},
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_the_core_imports_without_ros_and_without_any_backend(checkout):
    names = [
        'fournex_runtime.' + path.removesuffix('.py').removesuffix('/__init__').replace('/', '.')
        for path in modules(checkout)
        if below_the_line(path) and path not in BACKENDS
    ]
    assert len(names) > 30
    done = run_blocked(checkout, ROS | {'torch', 'onnxruntime'}, names)
    assert done.returncode == 0, done.stderr[-2000:]


def test_replay_and_evaluation_run_without_ros_and_torch(checkout):
    program = 'fournex_runtime.record.replay', 'fournex_runtime.sim.evaluation'
    done = run_blocked(
        checkout, ROS | {'torch'}, [*program, 'fournex_runtime.policy.onnx_backend']
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ('library', 'module', 'command'),
    [
        ('onnxruntime', 'fournex_runtime.policy.onnx_backend', 'pip install onnxruntime'),
        ('torch', 'fournex_runtime.policy.torchscript_backend', 'pip install torch'),
        ('torch', 'fournex_runtime.policy.torch_export_backend', 'pip install torch'),
        ('torch', 'fournex_runtime.policy.lerobot_backend', 'pip install torch'),
    ],
)
def test_a_backend_without_its_library_says_how_to_get_it(checkout, library, module, command):
    done = run_blocked(checkout, {library}, [module])
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert 'MissingDependencyError' in last and library in last and command in last
