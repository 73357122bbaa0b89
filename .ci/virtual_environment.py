"""Virtual environments with pinned contents, made once and again when their pins change."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess

import interpreters
import progress

_FORMAT = 1  # to be raised when environments have to be made anew for a reason of this script
_STAMP = 'fournex.json'

# Where the machine that built the wheels had Python and numpy; their CMake files name it.
_FOREIGN_NUMPY = re.compile(
    r'/opt/python/cp\d+-cp\d+/lib/python3\.\d+/site-packages/numpy/_core/include'
)
_FOREIGN_PYTHON = re.compile(r'/opt/python/cp\d+-cp\d+/include/python3\.\d+')

_INCLUDES = (
    'import json, numpy, sysconfig;'
    'print(json.dumps([sysconfig.get_path("include"), numpy.get_include()]))'
)
_INSTALLED = (
    'import importlib.metadata as m, json;'
    'print(json.dumps([[d.metadata["Name"], d.version] for d in m.distributions()]))'
)


class VirtualEnvironment:
    """
    A virtual environment in the checkout.

    :param folder: where it lies
    :param pins: requirement file with the exact version of everything in it
    :param log: file for what pip says
    :param ros: the sourced ROS 2 to put it on top of, or None
    """

    def __init__(self, folder, pins, log, ros=None):
        self.folder = folder
        self.pins = pins
        self.log = log
        self.ros = ros

    @property
    def python(self):
        """Return the path of its Python."""
        return self.folder / 'bin' / 'python'

    def stamp(self):
        """Return what is known of the environment that is there; empty when nothing is."""
        try:
            with open(str(self.folder / _STAMP)) as file:
                return json.load(file)
        except (OSError, ValueError):
            return {}

    def is_ready(self, wanted=''):
        """
        Tell whether it is there, complete, and made from the present pins.

        :param wanted: the Python that the user asks for, or an empty string for any
        """
        stamp = self.stamp()
        return (
            stamp.get('key') == self._key()
            and self._is_usable(stamp)
            and (not wanted or self._is_made_from(wanted, stamp))
        )

    def make(self, interpreter, environment):
        """
        Make it, or bring it to the present pins; return at once.

        :param interpreter: the Python to make it from
        :param environment: environment variables for pip
        :returns: the job that is installing; `finish` is to be called after it has ended
        """
        stamp = self.stamp()
        if not (self._is_usable(stamp) and stamp.get('python') == interpreter.short):
            if self.folder.exists():
                shutil.rmtree(str(self.folder))
            command = [interpreter.executable, '-m', 'venv', self.folder]
            if self.ros is not None:
                command.insert(3, '--system-site-packages')
            progress.Job(command, self.log, environment).wait()
            (self.folder / 'COLCON_IGNORE').touch()
            if self.ros is not None:
                self._see_ros(interpreter)
        command = [
            self.python,
            '-m',
            'pip',
            'install',
            '--disable-pip-version-check',
            '--no-input',
        ]
        return progress.Job([*command, *self._requirements(environment)], self.log, environment)

    def finish(self, interpreter):
        """Mend what the wheels got wrong, and mark the environment as complete."""
        if self.ros is None:
            self._mend_cmake_files()
        stamp = {
            'key': self._key(),
            'folder': str(self.folder),
            'python': interpreter.short,
            'executable': interpreter.executable,
        }
        with open(str(self.folder / _STAMP), 'w') as file:
            json.dump(stamp, file, indent=2)

    def ask(self, code, environment=None):
        """Run a line of Python in it and return the JSON that it prints."""
        answer = subprocess.run(
            [str(self.python), '-c', code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=environment,
            timeout=120,
            check=True,
        )
        return json.loads(answer.stdout.decode())

    def _is_usable(self, stamp):
        return stamp.get('folder') == str(self.folder) and os.path.exists(str(self.python))

    def _is_made_from(self, wanted, stamp):
        interpreter = interpreters.ask(wanted)
        return interpreter is not None and interpreter.short == stamp.get('python')

    def _key(self):
        digest = hashlib.sha256(('%d %s' % (_FORMAT, self.folder)).encode())
        for line in read_pins(self.pins):
            digest.update(line.encode() + b'\n')
        for prefix in self.ros.prefixes if self.ros is not None else ():
            digest.update(prefix.encode() + b'\n')
        return digest.hexdigest()

    def _requirements(self, environment):
        """Return pip's arguments: the pins, less what a sourced ROS 2 brings itself."""
        if self.ros is None:
            return ['-r', self.pins]
        # Found in the order of sys.path; of two with one name, the first is what is imported.
        found = reversed(self.ask(_INSTALLED, environment))
        present = {_normal(name): version for name, version in found if name}
        wanted = [line for line in read_pins(self.pins) if _name(line) not in present]
        if 'colcon-core' not in present:
            build = self.pins.parent / 'build.txt'
            wanted += [line for line in read_pins(build) if _name(line) not in present]
        # The messages' C code was compiled against this numpy; another may not go with it.
        if 'numpy' in present:
            wanted.append('numpy==' + present['numpy'])
        file = self.log.parent / 'requirements.txt'
        file.write_text('\n'.join(wanted) + '\n')
        return ['-r', file]

    def _see_ros(self, interpreter):
        """Let it import a sourced ROS 2 that is itself an environment of wheels."""
        modules = self.ros.module_folder(interpreter)
        if os.path.realpath(modules).startswith(os.path.realpath(interpreter.prefix) + os.sep):
            site = next(self.folder.glob('lib/python3*/site-packages'))
            (site / 'sourced_ros.pth').write_text(modules + '\n')

    def _mend_cmake_files(self):
        files = list(self.folder.glob('share/**/*.cmake'))
        if not files:
            return
        include, numpy_include = self.ask(_INCLUDES)
        for file in files:
            text = file.read_text(errors='surrogateescape')
            mended = _FOREIGN_NUMPY.sub(lambda _: numpy_include, text)
            mended = _FOREIGN_PYTHON.sub(lambda _: include, mended)
            if mended != text:
                file.write_text(mended, errors='surrogateescape')


def read_pins(file):
    """Return the requirements of a file and of the files it includes, without comments."""
    lines = []
    for line in file.read_text().splitlines():
        line = line.split('#', 1)[0].strip()
        if line.startswith('-r '):
            lines += read_pins(file.parent / line[3:].strip())
        elif line:
            lines.append(line)
    return lines


def _normal(name):
    return re.sub(r'[-_.]+', '-', name).lower()


def _name(requirement):
    return _normal(re.match(r'[A-Za-z0-9._-]+', requirement).group())
