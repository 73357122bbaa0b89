"""Every check has a row in the documentation, and what is found bears one of their names."""

from __future__ import annotations

import re

from fournex_runtime.doctor.finding import CHECKS


def test_every_check_is_in_the_documentation_in_order(checkout):
    page = (checkout / 'docs/doctor.md').read_text()
    rows = re.findall(r'^\| `(\w+)` \| (.*?) \|.*\| (\w+) \|$', page, re.MULTILINE)
    assert rows == [(name, one.what, one.when.value) for name, one in CHECKS.items()]


def test_every_check_that_is_made_is_one_of_them(checkout):
    folder = checkout / 'fournex_runtime/doctor'
    made = set()
    for file in folder.glob('*.py'):
        calls = r'\b(?:passed|warning|failure|not_checked)\(\s*\'(\w+)\''
        made |= set(re.findall(calls, file.read_text()))
    assert made == set(CHECKS)
