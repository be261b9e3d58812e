"""Conversion of values to strict JSON, because browsers and other readers refuse NaN and Infinity."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def strict(value: Any) -> Any:
    """Return ``value`` with arrays as lists, their scalars as floats, and None for NaN and infinite numbers."""
    if isinstance(value, Mapping):
        return {key: strict(one) for key, one in value.items()}
    if isinstance(value, int | str | bool) or value is None:
        return value
    if isinstance(value, list | tuple) or np.ndim(value):
        return [strict(one) for one in value]
    number = float(value)
    return number if math.isfinite(number) else None
