"""A language model completes responses: what stands before a token stays, and the rest is its own."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.probes import make

ENV = make("env", "text_chains")
P, L = ENV.sizes
TINY = {"width": 16, "layers": 1, "heads": 2, "kv_heads": 2, "hidden": 32, "vocabulary": ENV.codec.size, "pad": 0}
SAMPLER = make("algorithm", "sampler", ENV.spec, model=TINY)


def test_a_completion_keeps_what_is_there_and_goes_on_as_the_policy_would():
    corpus = ENV.demonstrate(np.random.default_rng(0), 40, "mixed")
    obs, action = jnp.asarray(corpus.obs), jnp.asarray(corpus.action)
    place = jnp.arange(40) % 8
    state = SAMPLER.init(jax.random.key(0))
    sharp = jax.tree.map(lambda x: 30.0 * x if x.shape[0] == ENV.codec.size else x, state.params)  # nearly greedy
    state = state.replace(params=sharp)
    done = np.asarray(jax.jit(SAMPLER.complete)(state, obs, action, place, jax.random.key(1)))
    kept = np.arange(L) <= np.asarray(place)[:, None]
    np.testing.assert_array_equal(done[kept], np.asarray(action)[kept])
    over = np.any(kept & (np.asarray(action) == ENV.codec.end), axis=1)
    assert over.any() and not over.all()
    np.testing.assert_array_equal(done[over], np.asarray(action)[over])
    # The tokens that follow have the probability that the model gives them after the prompt and what was kept.
    whole = jnp.concatenate([obs[:, :P], jnp.asarray(done)], axis=1)
    hidden = SAMPLER.network.apply(state.params["model"], whole, method="hidden")
    logits = np.asarray(SAMPLER.network.apply(state.params["model"], hidden, method="logits"))[:, P - 1 : -1]
    likeliest = np.argmax(np.where(np.arange(logits.shape[-1]) == ENV.codec.pad, -np.inf, logits), axis=-1)
    new = ~kept & ~over[:, None] & (done != ENV.codec.pad)
    assert np.mean(done[new] == likeliest[new]) > 0.9
