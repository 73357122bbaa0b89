"""The check that numbers are finite, which everything passes on its way in and on its way out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def all_finite(values: NDArray[Any]) -> bool:
    """
    Return whether every value is finite.

    The same as ``np.isfinite(values).all()``, in a fraction of the time for the small arrays of a
    tick: what numpy spends on a reduction is more than it takes to look through the bytes.
    """
    return b'\0' not in np.isfinite(values).tobytes()
