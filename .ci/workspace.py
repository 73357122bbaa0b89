"""Building the two packages with colcon, and the environment that they are used in."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess

import progress

PACKAGES = ('fournex_msgs', 'fournex_runtime')

_COLCON = 'import sys; from colcon_core.command import main; sys.exit(main())'
_STAMP = 'built.json'
_LISTS = ('AMENT_PREFIX_PATH', 'CMAKE_PREFIX_PATH', 'LD_LIBRARY_PATH', 'PATH', 'PYTHONPATH')
# Links of a symlink install follow changes of a file's contents, not files that come and go.
_LISTED = ('config', 'examples', 'launch')
_READ = ('fournex_msgs', 'package.xml', 'resource', 'setup.cfg', 'setup.py')


class Workspace:
    """
    A build of the checkout.

    :param root: the checkout
    :param folder: where build, install and log go
    :param venv: the virtual environment that it is built in
    :param distro: name of the ROS 2 distribution
    """

    def __init__(self, root, folder, venv, distro):
        self.root = root
        self.folder = folder
        self.venv = venv
        self.distro = distro

    def is_ready(self):
        """Tell whether what is built is up to date."""
        return self._stamp().get('key') == self._key()

    def build(self, step, environment):
        """
        Build both packages.

        :param step: told of passing time
        :param environment: environment variables without a ROS 2, or with the sourced one
        :raises StepFailed: colcon failed, or did not build both
        """
        if self._stamp().get('venv') != self.venv.stamp():
            for name in ('build', 'install'):
                shutil.rmtree(str(self.folder / name), ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.root / 'build' / 'COLCON_IGNORE').touch()
        environment = self._base_environment(environment)
        log = self.folder / 'log'
        # Not by its script: a colcon of the system would write scripts for the system's Python.
        command = [
            self.venv.python,
            '-c',
            _COLCON,
            '--log-base',
            log,
            'build',
            '--symlink-install',
        ]
        command += ['--base-paths', self.root, self.root / 'fournex_msgs']
        command += ['--build-base', self.folder / 'build']
        command += ['--install-base', self.folder / 'install']
        command += ['--cmake-args', '-DCMAKE_BUILD_TYPE=Release']
        command += ['-DPython3_EXECUTABLE=%s' % self.venv.python]
        progress.Job(command, log / 'build.log', environment, self.root).wait(step)
        for package in PACKAGES:
            if not (
                self.folder / 'install' / package / 'share' / package / 'package.xml'
            ).exists():
                raise progress.StepFailed('colcon did not build %s; see %s' % (package, log))
        self._write_setup(environment)
        stamp = {'key': self._key(), 'venv': self.venv.stamp()}
        with open(str(self.folder / _STAMP), 'w') as file:
            json.dump(stamp, file, indent=2)

    def environment(self, environment):
        """
        Return an environment in which both packages and ROS 2 are found.

        :param environment: what to start from: without a ROS 2, or with the sourced one
        """
        with open(str(self.folder / 'environment.json')) as file:
            added = json.load(file)
        result = dict(environment)
        for name, parts in added['lists'].items():
            old = [part for part in result.get(name, '').split(os.pathsep) if part]
            result[name] = os.pathsep.join(parts + [part for part in old if part not in parts])
        result.update(added['values'])
        return result

    def _base_environment(self, environment):
        """Return the environment to build in: the virtual environment, and ROS 2."""
        result = dict(environment)
        result['VIRTUAL_ENV'] = str(self.venv.folder)
        _prepend(result, 'PATH', [str(self.venv.folder / 'bin')])
        if self.venv.ros is None:
            for name in ('AMENT_PREFIX_PATH', 'CMAKE_PREFIX_PATH'):
                _prepend(result, name, [str(self.venv.folder)])
            result['ROS_DISTRO'] = self.distro
            result['ROS_VERSION'] = '2'
            result['ROS_PYTHON_VERSION'] = '3'
        else:
            _prepend(result, 'CMAKE_PREFIX_PATH', self.venv.ros.prefixes)
            folders = self.venv.ros.library_folders()
            if folders:
                libraries = [os.path.join(prefix, 'lib') for prefix in self.venv.ros.prefixes]
                _prepend(result, 'LD_LIBRARY_PATH', libraries + folders)
                result['_ROS_WHEELS_BOOTSTRAP_COMPLETE'] = '1'
        return result

    def _write_setup(self, environment):
        """Keep what sourcing the build changes, for `environment` and for people's shells."""
        script = shlex.quote(str(self.folder / 'install' / 'local_setup.sh'))
        output = subprocess.run(
            ['/bin/sh', '-c', '. %s && env -0' % script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=environment,
            check=True,
            timeout=60,
        ).stdout.decode()
        sourced = dict(item.split('=', 1) for item in output.split('\0') if '=' in item)
        lists = {
            name: [
                part
                for part in sourced.get(name, '').split(os.pathsep)
                if part and (self._is_ours(part) or self._is_of_sourced_wheels(part))
            ]
            for name in _LISTS
        }
        names = ('ROS_DISTRO', 'ROS_VERSION', 'ROS_PYTHON_VERSION', 'VIRTUAL_ENV')
        names += ('_ROS_WHEELS_BOOTSTRAP_COMPLETE',)
        values = {name: sourced[name] for name in names if name in sourced}
        with open(str(self.folder / 'environment.json'), 'w') as file:
            json.dump({'lists': lists, 'values': values}, file, indent=2)
        lines = ['# ROS 2 and both packages of this checkout, for a shell:  . %s' % self._setup]
        for name, parts in sorted(lists.items()):
            if parts:
                joined = shlex.quote(os.pathsep.join(parts))
                lines.append('export %s=%s"${%s:+:$%s}"' % (name, joined, name, name))
        lines += ['export %s=%s' % (name, shlex.quote(v)) for name, v in sorted(values.items())]
        with open(str(self.folder / 'setup.sh'), 'w') as file:
            file.write('\n'.join(lines) + '\n')

    @property
    def _setup(self):
        return os.path.relpath(str(self.folder / 'setup.sh'), str(self.root))

    def _is_ours(self, part):
        return part.startswith(str(self.folder) + os.sep) or (
            part == str(self.venv.folder) or part.startswith(str(self.venv.folder) + os.sep)
        )

    def _is_of_sourced_wheels(self, part):
        ros = self.venv.ros
        if ros is None or not ros.library_folders():
            return False
        return any(part.startswith(prefix) for prefix in ros.prefixes)

    def _stamp(self):
        try:
            with open(str(self.folder / _STAMP)) as file:
                return json.load(file)
        except (OSError, ValueError):
            return {}

    def _key(self):
        digest = hashlib.sha256(json.dumps(self.venv.stamp(), sort_keys=True).encode())
        for name in _READ:
            for file in _files(self.root / name):
                digest.update(os.path.relpath(file, str(self.root)).encode() + b'\0')
                with open(file, 'rb') as source:
                    digest.update(source.read())
        for name in _LISTED:
            for file in _files(self.root / name):
                digest.update(os.path.relpath(file, str(self.root)).encode() + b'\0')
        return digest.hexdigest()


def _files(path):
    """Return a file, or the files in a folder, in a fixed order."""
    if not path.is_dir():
        return [str(path)]
    found = []
    for folder, folders, names in os.walk(str(path)):
        folders[:] = sorted(name for name in folders if not name.startswith(('.', '__')))
        found += [os.path.join(folder, name) for name in sorted(names)]
    return found


def _prepend(environment, name, parts):
    old = [part for part in environment.get(name, '').split(os.pathsep) if part]
    environment[name] = os.pathsep.join(parts + [part for part in old if part not in parts])
