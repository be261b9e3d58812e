"""Self-revision: a response is revised where its critique finds a fault, and pairs are a response and its revision."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.algorithms.language.self_revision import SelfRevision
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import REVISED_BY
from rl_rewards.envs.text.vocabulary import ended
from rl_rewards.models.transformer.generate import Generated
from tests.probes import make

ENV = make("env", "constitutional")
WORDS = ENV.codec
SMALL = {"num_envs": 4, "same_start": 2, "revisions": 3, "writes": "revisions"}


def text(said: str, length: int) -> jax.Array:
    return jnp.asarray(ended(WORDS.encode(said), length, WORDS.end, WORDS.pad))


@dataclass(frozen=True, kw_only=True)
class Scripted(SelfRevision):
    """Responds rudely to prompts about peru; its critic sees that, and its editor says what is polite."""

    def write(self, state, prompts, key, response_tokens, greedy):
        def has(word):
            return jnp.any(prompts == WORDS.encode(word)[0], axis=1)[:, None]

        rude, kind = text("you are lazy .", response_tokens), text("of course .", response_tokens)
        critique = jnp.where(
            has("polite") & has("lazy"), text("it is rude .", response_tokens), text("it is fine .", response_tokens)
        )
        said = jnp.where(has("editor:"), kind, jnp.where(has("critic:"), critique, jnp.where(has("peru"), rude, kind)))
        return Generated(said, jnp.zeros(said.shape), said != WORDS.pad)


def acted(**changes):
    """Return the responses to two prompts, twice each, and what is told about them."""
    algorithm = Scripted(spec=ENV.spec, model=make("model", "transformer"), **(SMALL | changes))
    obs = np.stack(
        [ENV.encode(one) for one in ("where is peru ?", "where is peru ?", "where is cuba ?", "where is cuba ?")]
    )
    action, _, told = algorithm.act(algorithm.state_with({}), (), jnp.asarray(obs), jax.random.key(0), True)
    return [WORDS.decode(one) for one in np.asarray(action)], {name: np.asarray(one) for name, one in told.items()}


def test_only_what_has_a_fault_is_revised_by_the_principle_that_finds_it():
    said, told = acted()
    assert said == ["of course ."] * 4
    polite = ENV.spec.text.critique.principles.index("polite")
    assert told[REVISED_BY].tolist() == [polite, polite, -1, -1]
    assert [WORDS.decode(one) for one in told["original"]] == ["you are lazy ."] * 2 + ["of course ."] * 2
    assert [WORDS.decode(one) for one in told["critique"]] == ["it is rude ."] * 2 + [""] * 2


def test_pairs_are_a_response_and_its_revision():
    said, told = acted(writes="pairs")
    assert said == ["you are lazy .", "of course .", "of course .", "of course ."]
    assert (told[REVISED_BY] >= 0).tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("env", "changes", "message"),
    [
        (make("env", "text"), {}, r"text has no principles; choose env=constitutional"),
        (ENV, {"revisions": 4}, r"algorithm\.revisions=4 must lie between 1 and 3"),
        (ENV, {"writes": "pairs", "same_start": 1}, r"algorithm\.same_start=1 must be 2"),
    ],
)
def test_what_cannot_work_is_refused(env, changes, message):
    with pytest.raises(ConfigError, match=message):
        SelfRevision(spec=env.spec, model=make("model", "transformer"), **(SMALL | changes))
