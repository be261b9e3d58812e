"""The functions that count as equal, of which the tests compile only one."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.algorithms.small import small_ppo
from tests.probes import make_spec
from tests.shared_programs import shared_jit, sharing


@dataclass(frozen=True)
class Scale:
    by: float
    of: dict

    def __call__(self, x):
        return self.by * x

    def times(self, x, y=1.0):
        return self.by * x * y


def closing_over(value):
    return shared_jit(lambda x: x + value)


def test_equal_settings_and_arrays_share_one_program():
    assert shared_jit(Scale(2.0, {"a": [1]}).times) is shared_jit(Scale(2.0, {"a": [1]}).times)
    assert closing_over(np.arange(3.0)) is closing_over(np.arange(3.0))
    assert shared_jit(partial(Scale(2.0, {}).times, y=3.0)) is shared_jit(partial(Scale(2.0, {}).times, y=3.0))
    first, second = (small_ppo(make_spec(obs=3)) for _ in range(2))
    assert shared_jit(first.init) is shared_jit(second.init)
    assert shared_jit(jax.vmap(partial(first.act, explore=True))) is shared_jit(
        jax.vmap(partial(second.act, explore=True))
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Scale(2.0, {"a": [1]}).times, Scale(2.0, {"a": [2]}).times),
        (Scale(2.0, {}).times, Scale(3.0, {}).times),
        (Scale(2.0, {}).times, Scale(2.0, {}).__call__),
        (partial(Scale(2.0, {}).times, y=3.0), partial(Scale(2.0, {}).times, y=4.0)),
        (small_ppo(make_spec(obs=3)).init, small_ppo(make_spec(obs=3), clip=0.3).init),
        (small_ppo(make_spec(obs=3)).init, small_ppo(make_spec(obs=3), model={"hidden": [8]}).init),
    ],
)
def test_what_differs_has_a_program_of_its_own(one, other):
    assert shared_jit(one) is not shared_jit(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(0.0, -0.0), (1, True), (1, 1.0), (np.zeros(2), np.zeros(3)), (jnp.zeros(2), np.zeros(2)), ([], [])],
)
def test_closures_over_what_differs(one, other):
    """A list that is not in an object of settings may change, so that two of them are never equal."""
    assert closing_over(one) is not closing_over(other)


def test_options_and_the_watch_over_keys_count():
    scale = Scale(2.0, {})
    assert shared_jit(scale.times, donate_argnums=0) is not shared_jit(scale.times)
    with jax.debug_key_reuse(not jax.config.jax_debug_key_reuse):
        other = shared_jit(scale.times)
    assert other is not shared_jit(scale.times)


def test_nothing_is_shared_where_code_may_be_replaced():
    scale = Scale(2.0, {})
    with sharing(False):
        assert shared_jit(scale.times) is not shared_jit(scale.times)
