"""The bench is scripts: they find each other in their own folders."""

import pathlib
import sys

_BENCH = pathlib.Path(__file__).resolve().parents[2] / 'bench'
sys.path += [str(_BENCH), str(_BENCH / 'peers')]
