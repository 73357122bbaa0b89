"""
See a trained policy drive a simulated robot.

``ros2 launch fournex_runtime demo.launch.py robot:=rover``
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, Shutdown
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare


def generate_launch_description() -> LaunchDescription:
    """Return the simulator, the runtime and their arguments."""
    share = FindPackageShare('fournex_runtime')
    robot = LaunchConfiguration('robot')
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'robot',
                default_value='rover',
                choices=['rover', 'arm', 'pendulum'],
                description='which robot to simulate',
            ),
            DeclareLaunchArgument('seed', default_value='1', description='seed of the task'),
            DeclareLaunchArgument(
                'goals', default_value='3', description='goals before the task is over'
            ),
            DeclareLaunchArgument(
                'record', default_value='', description='folder for a bag of the run; empty: none'
            ),
            DeclareLaunchArgument(
                'namespace', default_value='', description='namespace of robot and runtime'
            ),
            DeclareLaunchArgument(
                'log_level', default_value='info', description='debug, info, warn, error or fatal'
            ),
            Node(
                package='fournex_runtime',
                executable='sim',
                namespace=LaunchConfiguration('namespace'),
                parameters=[
                    {
                        'robot': ParameterValue(robot, value_type=str),
                        'seed': ParameterValue(LaunchConfiguration('seed'), value_type=int),
                        'goals': ParameterValue(LaunchConfiguration('goals'), value_type=int),
                        'pacing': 'real_time',
                        'exit_with_parent': True,
                    }
                ],
                ros_arguments=['--log-level', LaunchConfiguration('log_level')],
                output='screen',
                emulate_tty=True,
                on_exit=Shutdown(reason='the simulator has ended'),
            ),
            IncludeLaunchDescription(
                PathJoinSubstitution([share, 'launch', 'runtime.launch.py']),
                launch_arguments={
                    'wiring': PathJoinSubstitution([share, 'examples', robot, 'wiring.yaml']),
                    'record': LaunchConfiguration('record'),
                    'namespace': LaunchConfiguration('namespace'),
                    'log_level': LaunchConfiguration('log_level'),
                }.items(),
            ),
        ]
    )
