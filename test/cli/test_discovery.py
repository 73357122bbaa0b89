"""The profiles for Fast DDS: that they are found, installed too, and that it takes them."""

from __future__ import annotations

import os
import subprocess
import sys

from fournex_runtime.cli.discovery import PROFILES, discovery_profiles
from fournex_runtime.cli.shared_files import shared_folders

NODE = [
    sys.executable,
    '-c',
    "import rclpy; rclpy.init(); rclpy.create_node('probe'); rclpy.shutdown()",
]


def words_of_a_node(**profiles: object) -> str:
    """Return what a node says that comes up with other profiles than the tests have."""
    environment = {**os.environ, **{name: str(file) for name, file in profiles.items()}}
    done = subprocess.run(
        NODE, env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout + done.stderr


def test_profiles_of_the_checkout_come_before_installed_ones(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv('AMENT_PREFIX_PATH', os.pathsep.join(['', str(tmp_path)]))
    installed = tmp_path / 'share' / 'fournex_runtime' / 'config'
    assert shared_folders('config') == [checkout / 'config', installed]
    assert discovery_profiles() == {}  # there is no Fast DDS
    for package in ('fastrtps', 'fastdds'):
        (tmp_path / 'share' / package).mkdir(parents=True)
        variable, name = PROFILES[package]
        assert discovery_profiles() == {variable: str(checkout / 'config' / name)}


def test_fast_dds_takes_its_profile_and_refuses_another(tmp_path):
    wrong = tmp_path / 'wrong.xml'
    wrong.write_text(
        '<dds><profiles><participant profile_name="wrong" is_default_profile="true">'
        '<rtps><no_such_thing/></rtps></participant></profiles></dds>'
    )
    profiles = discovery_profiles()
    assert 'no_such_thing' in words_of_a_node(**dict.fromkeys(profiles, wrong))
    assert words_of_a_node(**profiles) == ''
