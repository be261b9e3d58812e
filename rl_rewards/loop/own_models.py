"""Checks a user's own models before anything compiles, by evaluating the shapes of their networks' outputs."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import jax
import jax.numpy as jnp

from rl_rewards.core.checks import require
from rl_rewards.core.contracts import attributed_to, check_array, check_members, is_own
from rl_rewards.core.keys import new_key
from rl_rewards.models.base import Model


def check_models(part: Any, place: str) -> None:
    """Check that the networks of the user's own models in ``part`` have outputs of the requested shapes.

    Raises:
        ConfigError: in one sentence that begins with the model's key.
    """
    for key, model in _models(part, place.split("._target_=")[0]):
        if is_own(model):
            _check_model(model, f"{key}._target_={type(model).__module__}.{type(model).__qualname__}")


def _models(part: Any, key: str) -> Iterator[tuple[str, Model]]:
    """Yield the models in the fields of ``part``, however deep, with their keys."""
    for field in fields(part) if is_dataclass(part) else ():
        value, here = getattr(part, field.name), f"{key}.{field.name}"
        if isinstance(value, Model):
            yield here, value
        elif is_dataclass(value):
            yield from _models(value, here)


def _check_model(model: Model, place: str) -> None:
    check_members(model, Model, place)
    batch, outputs = (3, 2, 5), 4
    with attributed_to(place, "network"):
        network = model.network(outputs, output_gain=0.01)
        _check_network(network, batch, (3, 2, outputs), place, "network", model.has_training_mode)
    if type(model).convolutions is not Model.convolutions:
        with attributed_to(place, "convolutions"):
            network = model.convolutions()
            wanted = (3, 2, network.features)
            _check_network(network, (3, 2, 16, 16, 3), wanted, place, "convolutions", model.has_training_mode)


def _check_network(
    network: Any, inputs: tuple[int, ...], outputs: tuple[int, ...], place: str, name: str, trains_apart: bool
) -> None:
    x, key = jax.ShapeDtypeStruct(inputs, jnp.float32), jax.eval_shape(lambda: new_key(0))
    variables = jax.eval_shape(network.init, key, x)
    others = [kind for kind in variables if kind != "params"]
    require(
        trains_apart or not others,
        f"{place}: {name} has variables other than parameters ({', '.join(others)}); set has_training_mode to True.",
    )
    found = jax.eval_shape(network.apply, variables, x)
    check_array(found, outputs, "float32", place, f"{name} of inputs {list(inputs)}")

    def train(variables: Any, x: Any, key: Any) -> Any:
        return network.apply(variables, x, train=True, rngs={"dropout": key}, mutable=others)[0]

    found = jax.eval_shape(train, variables, x, key)
    check_array(found, outputs, "float32", place, f"{name} of inputs {list(inputs)} with train=True")
