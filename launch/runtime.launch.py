"""
Drive a robot: the runtime with a wiring file, or with what a recording was made with.

``ros2 launch fournex_runtime runtime.launch.py wiring:=/path/to/wiring.yaml``
``ros2 launch fournex_runtime runtime.launch.py like:=/path/to/bag``
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue


def generate_launch_description() -> LaunchDescription:
    """Return the runtime and its arguments."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'wiring', default_value='', description='wiring file of the robot'
            ),
            DeclareLaunchArgument(
                'like',
                default_value='',
                description='instead of a wiring: start what this recording was made with, with '
                'its wiring, policies, seeds, names and parameters',
            ),
            DeclareLaunchArgument(
                'seed',
                default_value='0',
                description='of the first episode, the next have the next; 0: each draws one',
            ),
            DeclareLaunchArgument(
                'bundle',
                default_value='',
                description="policy instead of the wiring's: folder of a bundle, or name@version",
            ),
            DeclareLaunchArgument(
                'record',
                default_value='',
                description='folder in which each activation records a bag; empty: none',
            ),
            DeclareLaunchArgument(
                'namespace', default_value='', description='namespace of the node and its topics'
            ),
            DeclareLaunchArgument('name', default_value='fournex', description='name of the node'),
            DeclareLaunchArgument(
                'frame_prefix',
                default_value='',
                description="put before the contract's and the wiring's frames, such as r1/",
            ),
            DeclareLaunchArgument(
                'graph_timeout',
                default_value='10.0',
                description='seconds to wait for publishers and for first messages',
            ),
            DeclareLaunchArgument(
                'worker_python',
                default_value='',
                description='Python that has torch, for policies that need it; empty: this one',
            ),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='false',
                choices=['true', 'false'],
                description='take the time from /clock',
            ),
            DeclareLaunchArgument(
                'autostart',
                default_value='true',
                choices=['true', 'false'],
                description='configure and activate at once, without a lifecycle manager',
            ),
            DeclareLaunchArgument(
                'exit_with_parent',
                default_value='true',
                choices=['true', 'false'],
                description='stop the robot and end when launch is gone, even if it was killed',
            ),
            DeclareLaunchArgument(
                'guard',
                default_value='false',
                choices=['true', 'false'],
                description='stop the robot when the runtime is killed, by a process beside it',
            ),
            DeclareLaunchArgument(
                'log_level', default_value='info', description='debug, info, warn, error or fatal'
            ),
            OpaqueFunction(function=_runtime),
            Node(
                package='fournex_runtime',
                executable='guard',
                namespace=LaunchConfiguration('namespace'),
                name=[LaunchConfiguration('name'), '_guard'],
                parameters=[
                    {
                        'wiring': _value('wiring', str),
                        'bundle': _value('bundle', str),
                        'frame_prefix': _value('frame_prefix', str),
                    }
                ],
                output='screen',
                condition=IfCondition(LaunchConfiguration('guard')),
            ),
        ]
    )


def _runtime(context: LaunchContext) -> list[Node]:
    """Return the runtime with its wiring, or as ``fournex run --like`` starts it."""
    bag = _given(context, 'like')
    if not bag:
        if not _given(context, 'wiring'):
            raise RuntimeError('give either wiring:=FILE or like:=BAG')
        return [_wired()]
    if _given(context, 'wiring') or _given(context, 'bundle'):
        raise RuntimeError('like:= takes wiring and policies from the recording: leave them out')
    if _given(context, 'guard').lower() == 'true':
        raise RuntimeError('the guard reads a wiring: leave it out with like:=')
    return [_like(bag, _given(context, 'namespace'), _given(context, 'name'))]


def _given(context: LaunchContext, argument: str) -> str:
    return LaunchConfiguration(argument).perform(context)


def _wired() -> Node:
    return Node(
        package='fournex_runtime',
        executable='runtime',
        namespace=LaunchConfiguration('namespace'),
        name=LaunchConfiguration('name'),
        parameters=[
            {
                'wiring': _value('wiring', str),
                'bundle': _value('bundle', str),
                'record': _value('record', str),
                'seed': _value('seed', int),
                'frame_prefix': _value('frame_prefix', str),
                'graph_timeout': _value('graph_timeout', float),
                'worker_python': _value('worker_python', str),
                'use_sim_time': _value('use_sim_time', bool),
                'autostart': _value('autostart', bool),
                'exit_with_parent': _value('exit_with_parent', bool),
            }
        ],
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        output='screen',
        emulate_tty=True,
    )


def _like(bag: str, namespace: str, name: str) -> Node:
    """Return the runtime of a recording; names that are given here go before its own."""
    renamed = ['--namespace', namespace] if namespace else []
    return Node(
        package='fournex_runtime',
        executable='fournex',
        name=name if name != 'fournex' else None,
        arguments=['run', '--like', bag, *renamed],
        parameters=[
            {
                'record': _value('record', str),
                'seed': _value('seed', int),
                'autostart': _value('autostart', bool),
                'exit_with_parent': _value('exit_with_parent', bool),
            }
        ],
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        output='screen',
        emulate_tty=True,
    )


def _value(argument: str, kind: type) -> ParameterValue:
    """Return an argument as a parameter; without its type a path such as 2026-11-20 is a date."""
    return ParameterValue(LaunchConfiguration(argument), value_type=kind)
