"""The values of written rewards: a parsed tree on the features of one transition, with every shape checked.

All values are f32: comparisons and ``and``, ``or`` and ``not`` return 1 or 0, and every number but 0 counts as true.
Two arrays of an operation must have the same shape, or one of them is a single number.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import jax
import jax.numpy as jnp
from jax import Array

from rl_rewards.core.types import EnvSpec, Transition
from rl_rewards.rewards.base import side_of_clip
from rl_rewards.rewards.terms import Quantity
from rl_rewards.rewards.written.grammar import Expression, Feature, Node, features_of, number_of

Values = Mapping[str, Array]
"""The whole array of every feature in one transition, by ``Feature.reads``."""


def _true(value: Array) -> Array:
    return value != 0.0


OPERATIONS: dict[str, Callable[..., Array]] = {
    "+": jnp.add, "-": jnp.subtract, "*": jnp.multiply, "/": jnp.divide,
    "<": jnp.less, "<=": jnp.less_equal, ">": jnp.greater, ">=": jnp.greater_equal,
    "==": jnp.equal, "!=": jnp.not_equal,
    "and": lambda a, b: _true(a) & _true(b), "or": lambda a, b: _true(a) | _true(b), "not": lambda a: ~_true(a),
    "negative": jnp.negative, "positive": jnp.positive,
    "abs": jnp.abs, "exp": jnp.exp, "log": jnp.log, "sqrt": jnp.sqrt, "tanh": jnp.tanh, "cos": jnp.cos, "sin": jnp.sin,
    "min": jnp.minimum, "max": jnp.maximum,
    "clip": lambda x, low, high: jnp.minimum(jnp.maximum(x, low), high),
    "where": lambda condition, a, b: jnp.where(_true(condition), a, b),
}  # fmt: skip
"""Operations on each entry, by the names of the grammar."""
FOLDS: dict[str, Callable[[Array], Array]] = {
    "norm": lambda x: jnp.sqrt(jnp.sum(jnp.square(x))),
    "sum": jnp.sum,
    "mean": jnp.mean,
    "min": jnp.min,
    "max": jnp.max,
}
"""Operations that make one number of an array; of several arguments, they take the numbers together."""


def entry_names(spec: EnvSpec) -> dict[str, int]:
    """Return the names of the entries of an observation, as expressions write them: ``next_obs[pusher_x]``.

    They are the environment's own names without their units, in small letters and with underscores. A name that two
    entries would share is left out.
    """
    names = [re.sub(r"\W+", "_", re.sub(r"\(.*?\)", "", name)).strip("_").lower() for name in spec.obs_names]
    usable = (name for name in names if re.fullmatch(r"[a-z]\w*", name) and names.count(name) == 1)
    return {name: names.index(name) for name in usable}


def bind(expression: Expression, spec: EnvSpec) -> Expression:
    """Return ``expression`` with the names of entries replaced by their numbers, after a check of all shapes.

    Raises:
        ConfigError: if a feature does not exist in environments of ``spec``, shapes do not fit, or the value is not a
            single number; the message says where.
    """
    names = entry_names(spec)

    def bound(node: Node) -> Node:
        if node.feature is None:
            return replace(node, inputs=tuple(map(bound, node.inputs)))
        feature = node.feature
        if feature.base == "info" and feature.key not in spec.info:
            there = ", ".join(f"info.{key}" for key in spec.info) or "no info"
            raise expression.fault(node, f"does not exist in {spec.name}, which has {there}")
        numbers = []
        for one in feature.index:
            if isinstance(one, str) and (feature.base not in ("obs", "next_obs") or one not in names):
                known = ", ".join(names) or "no names for its entries"
                raise expression.fault(node, f"names an entry that {spec.name} does not have; its observations have "
                                       f"{known}")  # fmt: skip
            numbers.append(names[one] if isinstance(one, str) else one)
        shape = _quantity(spec, feature).whole_shape
        _check_index(expression, node, numbers, shape)
        return replace(node, feature=replace(feature, index=tuple(numbers)))

    found = replace(expression, root=bound(expression.root))
    wholes = {one.reads: _quantity(spec, one).whole_shape for one in features_of(found.root)}
    shapes = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in wholes.items()}
    value = jax.eval_shape(lambda given: value_of(found, given), shapes)
    if value.shape != ():
        raise expression.fault(found.root, f"has the shape {list(value.shape)}, and a reward is one number; take an "
                               "entry of it, or norm, sum, mean, min or max")  # fmt: skip
    return found


def _check_index(expression: Expression, node: Node, index: list[int | slice], shape: tuple[int, ...]) -> None:
    said = f"the array has the shape {list(shape)}"
    if len(index) > len(shape):
        raise expression.fault(node, f"has too many indices; {said}")
    for one, size in zip(index, shape, strict=False):
        if isinstance(one, slice):
            first, end, _ = one.indices(size)
            fits = first < end and (one.stop or 0) <= size
        else:
            fits = one < size
        if not fits:
            raise expression.fault(node, f"is out of range; {said}")


def _quantity(spec: EnvSpec, feature: Feature) -> Quantity:
    return Quantity(spec, feature.base, feature.key, None)


def values_in(features: list[Feature], spec: EnvSpec, transitions: Transition) -> dict[str, Array]:
    """Return the whole array of each feature [N, *shape] of transitions [*batch], of which there are N."""
    count = math.prod(transitions.valid.shape)
    found = {one.reads: _quantity(spec, one) for one in features}
    return {name: quantity.of(transitions).reshape(count, *quantity.whole_shape) for name, quantity in found.items()}


def value_of(expression: Expression, values: Values) -> Array:
    """Return the value of a bound expression in one transition, f32 [].

    Raises:
        ConfigError: if the shapes of an operation's arguments do not fit.
    """

    def of(node: Node) -> Array:
        if node.feature is not None:
            return values[node.feature.reads][node.feature.index]
        if node.operation == "number":
            return jnp.float32(node.number)
        if node.operation == "**":
            base, exponent = node.inputs
            return _power(of(base), number_of(exponent) or 0.0)
        inputs = [of(one) for one in node.inputs]
        if node.operation in FOLDS and (len(inputs) == 1 or node.operation not in OPERATIONS):
            return FOLDS[node.operation](_together(expression, node, inputs))
        return _entrywise(expression, node, inputs)

    return of(expression.root)


def sides_of(expression: Expression, values: Values) -> dict[str, Array]:
    """Return what each ``clip``, each ``where``, and each ``min`` or ``max`` with a number, does in one transition.

    Returns:
        the text of each -> int8, as ``rl_rewards.rewards.base.Switch.side`` has it.
    """

    def of(node: Node) -> Array:
        return value_of(replace(expression, root=node), values)

    def side(node: Node) -> Array | None:
        if node.operation == "where":
            return jnp.where(_true(of(node.inputs[0])), 1, -1).astype(jnp.int8)
        if node.operation == "clip":
            return side_of_clip(*map(of, node.inputs))
        if node.operation not in ("min", "max") or len(node.inputs) != 2:
            return None
        number, other = sorted(node.inputs, key=lambda one: number_of(one) is None)
        if number_of(number) is None or number_of(other) is not None:
            return None
        low, high = (-jnp.inf, of(number)) if node.operation == "min" else (of(number), jnp.inf)
        return side_of_clip(of(other), low, high)

    found: dict[str, Array] = {}

    def visit(node: Node) -> None:
        if (one := side(node)) is not None:
            found[expression.text[slice(*node.where)]] = one
        for each in node.inputs:
            visit(each)

    visit(expression.root)
    return found


def _power(base: Array, exponent: float) -> Array:
    """Return base ** exponent; whole exponents multiply, so that a negative base has its right sign."""
    return jax.lax.integer_pow(base, int(exponent)) if exponent == int(exponent) else jnp.power(base, exponent)


def _together(expression: Expression, node: Node, inputs: list[Array]) -> Array:
    if len(inputs) == 1:
        return inputs[0]
    for one, given in zip(node.inputs, inputs, strict=True):
        if given.shape != ():
            raise expression.fault(one, f"has the shape {list(given.shape)}; {node.operation} takes one array, or "
                                   "several single numbers")  # fmt: skip
    return jnp.stack(inputs)


def _entrywise(expression: Expression, node: Node, inputs: list[Array]) -> Array:
    shapes = sorted({one.shape for one in inputs} - {()})
    if len(shapes) > 1:
        raise expression.fault(node, f"combines arrays of the shapes {' and '.join(str(list(s)) for s in shapes)}; "
                               "they must be equal, or single numbers")  # fmt: skip
    function = OPERATIONS[node.operation]
    if node.operation in ("and", "or", "min", "max"):  # of any number of arguments
        found = inputs[0]
        for one in inputs[1:]:
            found = jnp.asarray(function(found, one), jnp.float32)
        return found
    return jnp.asarray(function(*inputs), jnp.float32)
