"""Build and installation of the ament_python package fournex_runtime."""

import os

from setuptools import find_packages, setup

PACKAGE = 'fournex_runtime'
SHARED = ('config', 'examples', 'launch')
SHARED_SUFFIXES = ('.json', '.npz', '.onnx', '.pt', '.py', '.safetensors', '.ts', '.xml', '.yaml')


def shared_files():
    """
    Return what goes under ``share/fournex_runtime``, folder by folder, with the tree kept.

    :returns: pairs of a folder in the prefix and the files that go there, for ``data_files``
    """
    found = []
    for top in SHARED:
        for folder, folders, names in os.walk(top):
            folders[:] = sorted(name for name in folders if not name.startswith(('.', '__')))
            files = [
                os.path.join(folder, name)
                for name in sorted(names)
                if name.endswith(SHARED_SUFFIXES)
            ]
            if files:
                found.append((os.path.join('share', PACKAGE, folder), files))
    return found


setup(
    name=PACKAGE,
    version='0.1.0',
    packages=find_packages(include=[PACKAGE, PACKAGE + '.*']),
    package_data={PACKAGE: ['**/*.html', '**/*.xml', 'py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + PACKAGE]),
        ('share/' + PACKAGE, ['package.xml']),
        ('bin', ['resource/fournex']),
        *shared_files(),
    ],
    python_requires='>=3.10',
    install_requires=['setuptools', 'numpy', 'pyyaml'],
    # What rosdep does not know: pip installs it, into the environment that ROS 2 runs in.
    extras_require={
        'run': [
            'mcap',
            'onnxruntime',
            'rosbags',
            'safetensors',
            'zstandard',
            'lz4',
            'threadpoolctl',
        ],
        'sb3': ['onnx'],
        'sim': ['mujoco'],
        'images': ['pillow'],
        'picture': ['matplotlib'],
        'torch': ['torch'],
        'lerobot': ['lerobot'],
        'train': ['gymnasium', 'onnx', 'sb3-contrib', 'stable-baselines3', 'torch', 'tqdm'],
        'test': ['mypy', 'pytest', 'pytest-timeout', 'pytest-xdist', 'ruff'],
    },
    zip_safe=False,
    maintainer='Fournex maintainers',
    maintainer_email='maintainers@fournex.invalid',
    description='A runtime that drives robots with trained policies over ROS 2',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'fournex = fournex_runtime.cli.main:main',
            'runtime = fournex_runtime.ros.runtime:main',
            'guard = fournex_runtime.ros.guard:main',
            'sim = fournex_runtime.sim.node:main',
        ],
    },
)
