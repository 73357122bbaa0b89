"""A ROS 2 that the user has sourced: whether there is one, and how to use or to forget it."""

from __future__ import annotations

import glob
import os

import interpreters

# What setup files of ROS 2 and its wheels put into an environment, beside lists of paths.
_MARKS = (
    'ROS_DISTRO',
    'ROS_VERSION',
    'ROS_PYTHON_VERSION',
    'AMENT_CURRENT_PREFIX',
    'COLCON_CURRENT_PREFIX',
    '_ROS_WHEELS_BOOTSTRAP_COMPLETE',
)
_LISTS = (
    'AMENT_PREFIX_PATH',
    'CMAKE_PREFIX_PATH',
    'COLCON_PREFIX_PATH',
    'LD_LIBRARY_PATH',
    'PKG_CONFIG_PATH',
    'PYTHONPATH',
)
# A distribution's own packages of ROS 2 share these with everything else.
_SHARED_PREFIXES = ('/', '/usr', '/usr/local')


class SourcedRos:
    """
    A sourced ROS 2 with rclpy in it.

    :param distro: its name, for instance ``jazzy``
    :param prefixes: prefixes of it that lie outside the checkout
    """

    def __init__(self, distro, prefixes):
        self.distro = distro
        self.prefixes = prefixes

    def python(self):
        """
        Return the Python that imports this ROS 2's rclpy.

        :raises Missing: none on PATH does
        """
        for name in interpreters.CANDIDATES:
            interpreter = interpreters.ask(name)
            if interpreter is not None and self.module_folder(interpreter) is not None:
                return interpreter
        raise interpreters.Missing(
            'ROS 2 is sourced (%s), but no Python on PATH has its version of Python, so none can '
            'import rclpy.\nSource it as its documentation says, or run make without it:\n\n'
            '    env -u AMENT_PREFIX_PATH make ...' % ', '.join(self.prefixes)
        )

    def module_folder(self, interpreter):
        """Return the folder that holds rclpy for an interpreter, or None."""
        for prefix in self.prefixes:
            for kind in ('site', 'dist'):
                folder = os.path.join(
                    prefix, 'lib', 'python' + interpreter.short, kind + '-packages'
                )
                if os.path.isdir(os.path.join(folder, 'rclpy')):
                    return folder
        return None

    def library_folders(self):
        """Return the folders of shared libraries that wheels would find by a start-up hook."""
        return [
            folder
            for prefix in self.prefixes
            for folder in glob.glob(os.path.join(prefix, 'lib/python3*/site-packages/ros_*.libs'))
        ]


def find(environment, root):
    """
    Return the ROS 2 that is sourced, or None.

    :param environment: environment variables
    :param root: the checkout; what lies inside is our own and does not count
    """
    prefixes = [
        prefix
        for prefix in environment.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
        if prefix and not _inside(prefix, root)
    ]
    if not any(os.path.isdir(os.path.join(prefix, 'share', 'rclpy')) for prefix in prefixes):
        return None
    return SourcedRos(environment.get('ROS_DISTRO') or 'ros', prefixes)


def without_ros(environment, root):
    """
    Return an environment without any ROS 2 in it, neither the user's nor ours.

    :param environment: environment variables
    :param root: the checkout
    """
    prefixes = [
        prefix
        for prefix in environment.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
        if prefix and os.path.realpath(prefix) not in _SHARED_PREFIXES
    ]
    prefixes.append(str(root))
    cleaned = {name: value for name, value in environment.items() if name not in _MARKS}
    for name in (*_LISTS, 'PATH'):
        kept = [
            part
            for part in environment.get(name, '').split(os.pathsep)
            if part and not any(_inside(part, prefix) for prefix in prefixes)
        ]
        if kept:
            cleaned[name] = os.pathsep.join(kept)
        else:
            cleaned.pop(name, None)
    if _inside(cleaned.get('VIRTUAL_ENV', ''), root):
        del cleaned['VIRTUAL_ENV']
    return cleaned


def _inside(path, folder):
    """Tell whether a path is a folder or lies in it."""
    path, folder = os.path.realpath(path) if path else '', os.path.realpath(str(folder))
    return path == folder or path.startswith(folder + os.sep)
