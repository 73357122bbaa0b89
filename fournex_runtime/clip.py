"""Values moved to the nearest ones within bounds, for what every tick does several times."""

from __future__ import annotations

from typing import Any

import numpy as np

try:
    from numpy._core import umath
except ImportError:  # numpy 1
    from numpy.core import umath  # type: ignore[no-redef, attr-defined, unused-ignore]

clip: Any = getattr(umath, 'clip', np.clip)
"""
``np.clip`` without the Python function that numpy has around it, which takes longer than the work.

It takes values, least and greatest values, and an array for the result, and gives the same bits.
"""
