"""The manifest: with it a bag explains itself."""

import dataclasses

import numpy as np

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.manifest import (
    MANIFEST_TYPE,
    SCHEMA,
    Manifest,
    PolicyManifest,
    SessionManifest,
    decode_manifest,
    encode_manifest,
    environment,
    environment_differences,
)

SESSION = SessionManifest(
    name='arm',
    policy='reach@3',
    bundle='/bundles/reach',
    bundle_sha256='0' * 64,
    frame_prefix='r1/',
    contract='name: reach\n# ünïcode\n',
    input_topics=('/r1/joint_states', '/r1/target'),
    input_types=('sensor_msgs/msg/JointState', 'geometry_msgs/msg/PoseStamped'),
    command_topics=('/r1/commands',),
    command_types=('std_msgs/msg/Float64MultiArray',),
    tick_topic='/r1/fournex/arm/tick',
    fallback_policies=(PolicyManifest('park@1', '/bundles/park', 'ef' * 32, 'name: park\n'),),
)
MANIFEST = Manifest(
    ros_ns=1_700_000_000_000_000_123,
    runtime='/r1/fournex',
    wiring_file='/wirings/arm.yaml',
    wiring='robot: arm\n',
    sessions=(SESSION, dataclasses.replace(SESSION, name='other', input_topics=())),
    environment={'python': '3.11.0', 'empty': ''},
)


def test_everything_comes_back():
    data = encode_manifest(MANIFEST, messages())
    assert decode_manifest(messages().decode(data, MANIFEST_TYPE)) == MANIFEST
    assert MANIFEST.schema == SCHEMA


def test_the_schema_is_that_of_the_definition(checkout):
    lines = (checkout / 'fournex_msgs/msg/Manifest.msg').read_text().splitlines()
    (constant,) = [line for line in lines if ' SCHEMA=' in line.split('#')[0]]
    assert int(constant.split('#')[0].split('=')[1]) == SCHEMA


def test_the_environment_says_what_can_change_the_bits():
    found = environment(['onnxruntime 1 CPU', 'onnxruntime 1 CPU', 'other'])
    assert found['backends'] == 'onnxruntime 1 CPU, other'
    assert found['package.numpy'] == np.__version__
    assert all(found[key] for key in ('python', 'machine', 'processor', 'platform', 'host'))
    assert all(isinstance(value, str) for value in found.values())


def test_variables_that_libraries_compute_by_are_in_it(monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    monkeypatch.delenv('OPENBLAS_NUM_THREADS', raising=False)
    found = environment([])
    assert found['variable.OMP_NUM_THREADS'] == '3'
    assert 'variable.OPENBLAS_NUM_THREADS' not in found


def test_what_decodes_images_and_what_runs_the_policy_can_be_why_bits_differ():
    recorded = {
        'package.pillow': '10.0',
        'worker.arm': 'python 3.11.9, numpy 1.26.4',
        'variable.OMP_NUM_THREADS': '3',
        'ros.rmw': 'rmw_fastrtps_cpp',
    }
    here = {'package.pillow': '11.0', 'worker.arm': 'python 3.12.1, numpy 2.1.0'}
    assert environment_differences(recorded, here) == (
        'package.pillow: recorded with 10.0, here 11.0',
        'worker.arm: recorded with python 3.11.9, numpy 1.26.4, here python 3.12.1, numpy 2.1.0',
        'variable.OMP_NUM_THREADS: recorded with 3, here none',
    )
