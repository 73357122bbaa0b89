"""Which Python to use, and whether what a build needs is on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

SUPPORTED = ((3, 10), (3, 11), (3, 12), (3, 13))
CANDIDATES = ('python3', 'python3.12', 'python3.11', 'python3.13', 'python3.10', 'python')

_QUESTION = """
import json, os, sys, sysconfig
try:
    import ensurepip, venv
    can_make = True
except ImportError:
    can_make = False
print(json.dumps({
    'version': list(sys.version_info[:3]),
    'base': sys.base_prefix,
    'prefix': sys.prefix,
    'executable': os.path.realpath(sys.executable),
    'venv': can_make,
    'headers': os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h')),
}))
"""


class Missing(Exception):
    """Something has to be installed by the user first; the text says what, and how."""


class Interpreter:
    """
    A Python that runs.

    :param command: what it was called by
    :param facts: what it said about itself
    """

    def __init__(self, command, facts):
        self.command = command
        self.version = tuple(facts['version'])
        self.executable = facts['executable']
        self.prefix = facts['prefix']
        self.has_venv = facts['venv']
        self.has_headers = facts['headers']

    @property
    def supported(self):
        """Tell whether there are wheels of ROS 2 for it."""
        return self.version[:2] in SUPPORTED

    @property
    def short(self):
        """Return the version as in ``3.11``."""
        return '%d.%d' % self.version[:2]

    def __str__(self):
        return '%s (%s)' % (self.command, '.'.join(str(part) for part in self.version))


def ask(command, environment=None):
    """
    Start a Python and ask it what it is.

    :param command: a name on PATH, or a path
    :returns: the interpreter, or None if there is none or it does not run (a shim may not)
    """
    path = shutil.which(command)
    if path is None:
        return None
    try:
        answer = subprocess.run(
            [path, '-c', _QUESTION],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=30,
            env=environment,
        )
        return Interpreter(path, json.loads(answer.stdout.decode()))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def choose(wanted, root):
    """
    Return the Python that the environments are made from.

    :param wanted: the user's choice (``PYTHON=``), or an empty string
    :param root: the checkout; interpreters of environments inside it are passed over
    :raises Missing: there is none that will do; says what to install
    """
    found = []
    for name in (wanted,) if wanted else CANDIDATES:
        interpreter = ask(name)
        if interpreter is None or _inside(interpreter.prefix, root):
            continue
        found.append(interpreter)
        if interpreter.supported and interpreter.has_venv and interpreter.has_headers:
            return interpreter
    raise Missing(_complaint(wanted, found))


def require_tools(environment):
    """
    Check that there are a C++ compiler, CMake and make.

    :raises Missing: names the packages that bring what is not there
    """
    wanted = (
        ((environment.get('CC') or 'cc', 'gcc', 'clang'), 'a C compiler', 'gcc'),
        ((environment.get('CXX') or 'c++', 'g++', 'clang++'), 'a C++ compiler', 'g++'),
        (('cmake',), 'CMake', 'cmake'),
        (('make', 'gmake'), 'make', 'make'),
    )
    path = environment.get('PATH')
    lacking = [
        (what, package)
        for commands, what, package in wanted
        if not any(shutil.which(command.split()[0], path=path) for command in commands)
    ]
    if lacking:
        raise Missing(
            'Building the messages needs %s, not found on PATH.\n'
            'Install it, for instance on Debian or Ubuntu:\n\n    sudo apt install %s\n'
            % (
                ' and '.join(what for what, _ in lacking),
                ' '.join(package for _, package in lacking),
            )
        )


def _inside(path, folder):
    return os.path.realpath(path).startswith(os.path.realpath(str(folder)) + os.sep)


def _complaint(wanted, found):
    seen = ', '.join(str(interpreter) for interpreter in found) or 'none that runs'
    for interpreter in found:
        if interpreter.supported:
            packages = []
            if not interpreter.has_venv:
                packages.append('python%s-venv' % interpreter.short)
            if not interpreter.has_headers:
                packages.append('python%s-dev' % interpreter.short)
            return (
                '%s lacks what an environment with compiled messages is made with.\n'
                'Install it, for instance on Debian or Ubuntu:\n\n    sudo apt install %s\n'
                % (interpreter, ' '.join(packages))
            )
    if wanted:
        return (
            'PYTHON=%s: %s, but the wheels of ROS 2 are for Python 3.10 to 3.13.\n'
            'Name one of those (make PYTHON=python3.12 ...), or leave PYTHON out.'
            % (wanted, 'this is ' + str(found[0]) if found else 'no such Python runs here')
        )
    return (
        'The wheels of ROS 2 are for Python 3.10 to 3.13. On PATH: %s.\n'
        'Install one of them, for instance on Debian or Ubuntu:\n\n'
        '    sudo apt install python3 python3-venv python3-dev\n\n'
        'or name one that lies elsewhere: make PYTHON=/path/to/python3.12 ...' % seen
    )
