"""Tests that only numbers allowed in strict JSON remain."""

import json

import jax.numpy as jnp
import numpy as np

from rl_rewards.core.strict_json import strict


def test_nan_and_infinity_become_null_however_deep():
    given = {"interval": (0.5, np.inf), "by_seed": np.array([1.0, np.nan]), "arms": [{"last": jnp.float32(-jnp.inf)}]}
    found = strict(given)
    assert found == {"interval": [0.5, None], "by_seed": [1.0, None], "arms": [{"last": None}]}
    json.dumps(found, allow_nan=False)


def test_what_json_holds_stays_of_its_type():
    given = {"round": 3, "alarm": None, "solved": True, "status": "done", "table": [[1.0, 2.0]]}
    assert repr(strict(given)) == repr(given)


def test_scalars_of_arrays_become_floats():
    assert repr(strict({"a": jnp.float32(0.5), "b": np.int32(2)})) == repr({"a": 0.5, "b": 2.0})
