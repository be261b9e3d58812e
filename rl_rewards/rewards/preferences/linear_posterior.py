"""Linear rewards w . phi learned from answers to selected queries, by sampling from the belief about w.

A query psi = phi(A) - phi(B) is answered I = 1 (A is better) or -1. The belief on the unit ball is the product of all
f(I w . psi), f(z) = exp(-relu(-z)) (Sadigh et al. 2017, RSS) or sigmoid(z) (Biyik et al. 2019, arXiv:1910.04365).
Queries come from a finite pool [P, d]; the next one removes the most volume of the belief, or gains the most
information.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Key

Likelihood = Literal["relu", "logistic"]
METHODS = ("information_gain", "volume_removal", "volume_removal_logistic", "random")
"""Methods of selecting a query. ``volume_removal`` is Sadigh's objective with Sadigh's f, whatever f the belief has;
``volume_removal_logistic`` uses the sigmoid as f."""


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """Settings of the Metropolis sampler: one chain that starts in the centre of the ball."""

    samples: int  # M, the number of samples that are kept
    burn_in: int  # steps before the first sample
    thin: int  # steps from one sample to the next
    first_step: float  # standard deviation of proposals in every direction until the first adaptation
    adaptations: int  # equal parts of the burn-in; after each part, proposals take the covariance of the chain in it

    def __post_init__(self) -> None:
        check_fields(self, "sampler")
        for name in ("samples", "thin"):
            require(getattr(self, name) >= 1, f"sampler.{name}={getattr(self, name)} must be at least 1.")
        require(self.first_step > 0.0, f"sampler.first_step={self.first_step} must be positive.")
        require(
            self.adaptations >= 1 and self.burn_in >= 2 * self.adaptations and self.burn_in % self.adaptations == 0,
            f"sampler.burn_in={self.burn_in} must be a multiple of sampler.adaptations={self.adaptations}, with at "
            "least two steps for each.",
        )


def log_likelihood(margin: Float[Array, "*batch"], likelihood: Likelihood) -> Float[Array, "*batch"]:
    """Return log f(margin), at most 0; the margin is the answer's sign times w . psi."""
    return -jax.nn.relu(-margin) if likelihood == "relu" else jax.nn.log_sigmoid(margin)


def log_belief(weights: Float[Array, " d"], answered: Float[Array, "A d"], likelihood: Likelihood) -> Float[Array, ""]:
    """Return log p(w) up to a constant; -inf outside of the unit ball.

    Args:
        answered: I_i psi_i; a row of zeros has no effect, so that a table of fixed length can be filled row by row.
    """
    margin = jnp.sum(answered * weights, axis=-1)  # for small matrices a matrix product is slower on a CPU
    inside = jnp.sum(weights**2) <= 1.0
    return jnp.where(inside, jnp.sum(log_likelihood(margin, likelihood)), -jnp.inf)


def sample_belief(
    key: Key, answered: Float[Array, "A d"], likelihood: Likelihood, sampler: Sampler
) -> Float[Array, "M d"]:
    """Return weights drawn by adaptive Metropolis (Haario et al. 2001): normal proposals, covariance 2.38^2 / d Cov.

    Differs: the covariance is that of the last of ``adaptations`` parts, and is fixed after the burn-in, so that the
    samples that are kept come from an ordinary Metropolis chain.
    """
    d = answered.shape[1]
    burn_key, keep_key = jax.random.split(key)

    def move(state: tuple[Array, Array], drawn: tuple[Array, Array]) -> tuple[tuple[Array, Array], Array]:
        weights, now = state
        change, log_uniform = drawn
        proposed = weights + change
        then = log_belief(proposed, answered, likelihood)
        accept = log_uniform < then - now
        weights = jnp.where(accept, proposed, weights)
        return (weights, jnp.where(accept, then, now)), weights

    def chain(
        state: tuple[Array, Array], root: Array, key: Array, steps: int
    ) -> tuple[tuple[Array, Array], Float[Array, "steps d"]]:
        normal_key, uniform_key = jax.random.split(key)
        changes = jax.random.normal(normal_key, (steps, d)) @ root.T
        uniform = jax.random.uniform(uniform_key, (steps,), minval=jnp.finfo(jnp.float32).tiny)
        return jax.lax.scan(move, state, (changes, jnp.log(uniform)))

    def adapt(
        carry: tuple[tuple[Array, Array], Array], part_key: Array
    ) -> tuple[tuple[tuple[Array, Array], Array], None]:
        state, root = carry
        state, walked = chain(state, root, part_key, sampler.burn_in // sampler.adaptations)
        spread = jnp.cov(walked, rowvar=False).reshape(d, d) + 1e-6 * jnp.eye(d)
        return (state, jnp.linalg.cholesky(2.38**2 / d * spread)), None

    start = jnp.zeros(d)
    state = (start, log_belief(start, answered, likelihood))
    carry = (state, sampler.first_step * jnp.eye(d))
    (state, root), _ = jax.lax.scan(adapt, carry, jax.random.split(burn_key, sampler.adaptations))
    _, kept = chain(state, root, keep_key, sampler.samples * sampler.thin)
    return kept[sampler.thin - 1 :: sampler.thin]


def volume_removed(
    weights: Float[Array, "M d"], pool: Float[Array, "P d"], likelihood: Likelihood
) -> Float[Array, " P"]:
    """Return the share of the belief that any answer removes at least: min over I of E_w[1 - f(I w . psi)] (Sadigh).

    With the sigmoid it has its maximum of 1/2 where psi is 0: the preferred query then compares two equal options and
    is uninformative (Biyik et al. 2019).
    """
    margin = weights @ pool.T
    shares = [1.0 - jnp.exp(log_likelihood(sign * margin, likelihood)).mean(axis=0) for sign in (1.0, -1.0)]
    return jnp.minimum(*shares)


def information_gain(weights: Float[Array, "M d"], pool: Float[Array, "P d"]) -> Float[Array, " P"]:
    """Return the bits that an answer tells about w: H(E_w[p]) - E_w[H(p)], p = sigmoid(w . psi) (Biyik et al. 2019).

    It is equal for both likelihoods: f(z) / (f(z) + f(-z)) is also the sigmoid for Sadigh's f.
    """
    probability = jax.nn.sigmoid(weights @ pool.T)
    return _entropy_bits(probability.mean(axis=0)) - _entropy_bits(probability).mean(axis=0)


def _entropy_bits(probability: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    other = 1.0 - probability
    return -(jax.scipy.special.xlogy(probability, probability) + jax.scipy.special.xlogy(other, other)) / jnp.log(2.0)


def alignment(weights: Float[Array, "M d"], true: Float[Array, " d"]) -> Float[Array, ""]:
    """Return m = E_w[w . w* / (|w| |w*|)], from -1 to 1 (Sadigh et al. 2017)."""
    lengths = jnp.linalg.norm(weights, axis=-1) * jnp.linalg.norm(true)
    return jnp.mean(weights @ true / jnp.maximum(lengths, 1e-12))


def chance_of_better(margin: Float[Array, "*batch"], correct: float | None) -> Float[Array, "*batch"]:
    """Return the probability of the answer 1 where w* . psi is ``margin``; see :func:`ask`."""
    return jax.nn.sigmoid(margin) if correct is None else jnp.where(margin > 0.0, correct, 1.0 - correct)


def choose(
    key: Key,
    method: Int[Array, ""],
    weights: Float[Array, "M d"],
    pool: Float[Array, "P d"],
    asked: Float[Array, " P"],
) -> Int[Array, ""]:
    """Return the index of the next query, the best by ``METHODS[method]``; no query is asked twice.

    Args:
        method: an array, so that one compiled program can run all methods in parallel.
        asked: 1 for the queries that were asked already, else 0.
    """
    values = {
        "information_gain": information_gain(weights, pool),
        "volume_removal": volume_removed(weights, pool, "relu"),
        "volume_removal_logistic": volume_removed(weights, pool, "logistic"),
        "random": jax.random.uniform(key, (len(pool),)),
    }
    value = jnp.stack([values[name] for name in METHODS])[method]
    return jnp.argmax(jnp.where(asked > 0.0, -jnp.inf, value))


def ask(
    key: Key,
    pool: Float[Array, "P d"],
    true: Float[Array, " d"],
    method: Int[Array, ""],
    likelihood: Likelihood,
    questions: int,
    sampler: Sampler,
    correct: float | None,
) -> tuple[Float[Array, " questions_and_one"], Float[Array, "M d"]]:
    """Ask ``questions`` queries from the pool, one after the other, and answer them by the weights ``true``.

    To batch over seeds, vmap over ``key``, ``pool`` and ``true``.

    Args:
        method: index in ``METHODS`` of the method that selects the queries.
        correct: probability that an answer is the sign of w* . psi; None: it is 1 with probability sigmoid(w* . psi).

    Returns:
        The alignment before the first and after every answer, and weights drawn from the belief at the end.
    """

    def step(carry: tuple[Array, Array], given: tuple[Array, Array]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        answered, asked = carry
        index, step_key = given
        sample_key, choose_key, answer_key = jax.random.split(step_key, 3)
        weights = sample_belief(sample_key, answered, likelihood, sampler)
        chosen = choose(choose_key, method, weights, pool, asked)
        psi = pool[chosen]
        better = jax.random.bernoulli(answer_key, chance_of_better(psi @ true, correct))
        answered = answered.at[index].set(
            jnp.where(better, psi, -psi), mode="drop"
        )  # out of range after the last belief, which asks nothing
        return (answered, asked.at[chosen].set(1.0)), (alignment(weights, true), weights)

    empty = (jnp.zeros((questions, pool.shape[1])), jnp.zeros(len(pool)))
    given = (jnp.arange(questions + 1), jax.random.split(key, questions + 1))
    _, (aligned, beliefs) = jax.lax.scan(step, empty, given)
    return aligned, beliefs[-1]
