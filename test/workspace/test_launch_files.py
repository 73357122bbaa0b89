"""The launch files: read as source everywhere, and run for real where launch is installed."""

from __future__ import annotations

import ast
import importlib
import os
import pathlib
import sys

import pytest
import rclpy
from rcl_interfaces.srv import ListParameters
from rclpy.executors import SingleThreadedExecutor

FILES = ('demo.launch.py', 'runtime.launch.py')


def has_launch() -> bool:
    """Tell whether launch is there; the folder of that name in the checkout is not it."""
    try:
        return hasattr(importlib.import_module('launch'), 'LaunchDescription') and hasattr(
            importlib.import_module('launch_ros.actions'), 'Node'
        )
    except ImportError:
        return False


class Source:
    """What a launch file says, found without running it."""

    def __init__(self, path: pathlib.Path) -> None:
        self._calls = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        ]

    def calls(self, name: str) -> list[ast.Call]:
        return [
            call
            for call in self._calls
            if isinstance(call.func, ast.Name) and call.func.id == name
        ]

    def declared(self) -> dict[str, dict[str, ast.expr]]:
        return {
            call.args[0].value: {keyword.arg: keyword.value for keyword in call.keywords}
            for call in self.calls('DeclareLaunchArgument')
        }

    def used(self) -> set[str]:
        names = {
            call.args[0].value
            for call in self.calls('LaunchConfiguration')
            if isinstance(call.args[0], ast.Constant)
        }
        names |= {call.args[0].value for call in self.calls('_value')}
        return names | {call.args[1].value for call in self.calls('_given')}

    def nodes(self) -> list[tuple[str, set[str]]]:
        """Return the executable of each node and the names of the parameters it gets."""
        found = []
        for call in self.calls('Node'):
            keywords = {keyword.arg: keyword.value for keyword in call.keywords}
            assert keywords['package'].value == 'fournex_runtime'
            names = {key.value for key in keywords['parameters'].elts[0].keys}
            found.append((keywords['executable'].value, names))
        return found


@pytest.fixture(params=FILES)
def source(request, checkout) -> Source:
    return Source(checkout / 'launch' / request.param)


def installed(package: str, *parts: str) -> pathlib.Path:
    for prefix in os.environ['AMENT_PREFIX_PATH'].split(os.pathsep):
        path = pathlib.Path(prefix, *parts)
        if path.exists():
            return path
    raise AssertionError(f'{package} is not installed: no {"/".join(parts)}')


def test_every_argument_is_described_and_used_and_none_is_used_undeclared(source):
    declared = source.declared()
    assert declared
    assert all('description' in keywords for keywords in declared.values())
    assert source.used() == set(declared)


def test_executables_are_installed_where_ros2_run_looks(source):
    assert source.nodes()
    for executable, _ in source.nodes():
        path = installed('fournex_runtime', 'lib', 'fournex_runtime', executable)
        assert os.access(path, os.X_OK)


@pytest.mark.parametrize('file', FILES)
def test_launch_files_are_installed(file):
    assert installed('fournex_runtime', 'share', 'fournex_runtime', 'launch', file).is_file()


@pytest.mark.parametrize('robot', ['rover', 'arm', 'pendulum'])
def test_the_demo_offers_robots_whose_wiring_is_installed(robot, checkout):
    choices = Source(checkout / 'launch' / 'demo.launch.py').declared()['robot']['choices']
    assert robot in [choice.value for choice in choices.elts]
    folder = installed('fournex_runtime', 'share', 'fournex_runtime', 'examples', robot)
    assert (folder / 'wiring.yaml').is_file()
    assert (folder / 'bundle' / 'policy.yaml').is_file()


def parameters_of(node_name: str) -> set[str]:
    """Return the parameters that a running node has."""
    with rclpy.context.Context() as context:
        node = rclpy.create_node('asker', context=context)
        client = node.create_client(ListParameters, f'{node_name}/list_parameters')
        assert client.wait_for_service(timeout_sec=30.0)
        answer = client.call_async(ListParameters.Request())
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        executor.spin_until_future_complete(answer, timeout_sec=10.0)
        executor.shutdown()
        node.destroy_node()
        return set(answer.result().result.names)


@pytest.mark.parametrize(
    ('file', 'executable', 'argument', 'node'),
    [
        ('runtime.launch.py', 'runtime', 'autostart:=false', '/fournex'),
        ('demo.launch.py', 'sim', 'robot:=pendulum', '/sim'),
    ],
)
def test_parameters_are_ones_that_the_node_has(file, executable, argument, node, checkout, start):
    (given,) = [
        names for name, names in Source(checkout / 'launch' / file).nodes() if name == executable
    ]
    path = installed('fournex_runtime', 'lib', 'fournex_runtime', executable)
    start(executable, [path, '--ros-args', '-p', argument])
    assert given
    assert given <= parameters_of(node)


@pytest.mark.parametrize('file', FILES)
@pytest.mark.skipif(not has_launch(), reason='launch and launch_ros are not installed here')
def test_launch_loads_it_and_shows_the_same_arguments(file, checkout):
    from launch import LaunchContext
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    path = checkout / 'launch' / file
    description = PythonLaunchDescriptionSource(str(path)).get_launch_description(LaunchContext())
    shown = {argument.name for argument in description.get_launch_arguments()}
    assert shown >= set(Source(path).declared())


@pytest.mark.parametrize(
    ('arguments', 'words', 'status'),
    [
        ([('wiring', '/nowhere/2026-11-20')], '/nowhere/2026-11-20', 'exit code 2'),
        ([('like', '/nowhere/2026-11-20')], '/nowhere/2026-11-20', 'exit code 2'),
        ([], 'give either wiring:=FILE or like:=BAG', ''),
        ([('like', 'bag'), ('wiring', 'file')], 'like:= takes wiring and policies', ''),
        ([('like', 'bag'), ('guard', 'true')], 'the guard reads a wiring', ''),
    ],
)
@pytest.mark.skipif(not has_launch(), reason='launch and launch_ros are not installed here')
def test_a_runtime_that_is_refused_ends_and_says_why(arguments, words, status, start):
    code = (
        'import sys\n'
        'from launch import LaunchDescription, LaunchService\n'
        'from launch.actions import IncludeLaunchDescription\n'
        'service = LaunchService(argv=[])\n'
        'service.include_launch_description(LaunchDescription([IncludeLaunchDescription(\n'
        f'    sys.argv[1], launch_arguments={arguments!r})]))\n'
        'service.run()\n'
    )
    path = installed('fournex_runtime', 'share', 'fournex_runtime', 'launch', FILES[1])
    launch = start('launch', [sys.executable, '-c', code, path], timeout_s=40)
    launch.wait()
    assert words in launch.text()
    assert status in launch.text()
