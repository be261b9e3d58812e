"""Tests that language learners do what their formulas say, on an environment with a known reward."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.algorithms.language import learner as language_learner
from rl_rewards.algorithms.language.responses import responses_in, responses_of
from rl_rewards.core.queries import Comparisons
from rl_rewards.core.text_measures import held_out_prompts
from rl_rewards.core.types import Experience, RewardFn, make_record
from rl_rewards.data.dataset import Dataset
from rl_rewards.loop.collect import collect_jax, reset_jax
from tests.algorithms.language.probe import END, PAD, PROMPT, Echo, learner, text_spec
from tests.probes import make_rollout


class Adapters(dict):
    """A model's settings with LoRA, which can be a key of the cache."""

    def __init__(self) -> None:
        super().__init__(lora_rank=2, lora_targets=["q", "v"])

    def __hash__(self) -> int:
        return 2


TRUE_REWARD = RewardFn(call=lambda transitions: transitions.env_reward, absorbing=jnp.zeros(()))


@cache
def trained(name: str, rounds: int, **changes):
    """Return the algorithm, its first and its last state, and the metrics of the last round."""
    algorithm, env = learner(name, num_envs=32, learning_rate=3e-3, **changes), Echo()

    @jax.jit
    def run(key):
        state = algorithm.init(jax.random.fold_in(key, 9))

        def step(state, i):
            reset_key, act_key, key_ = jax.random.split(jax.random.fold_in(key, i), 3)
            start = reset_jax(env, reset_key, 32, algorithm.requirements.same_start)
            rollout = collect_jax(env, partial(algorithm.act, state, explore=True), start, act_key, 1).rollout
            return algorithm.update(state, experience(rollout), TRUE_REWARD, i, key_)

        last, metrics = jax.lax.scan(step, state, jnp.arange(rounds))
        return state, last, metrics

    first, last, metrics = run(jax.random.key(0))
    return algorithm, first, last, jax.device_get(metrics)


def experience(rollout=None, **others) -> Experience:
    return Experience(rollout=rollout, sample=others.pop("sample", None), sample_segments=None, log_prob=None, **others)


@pytest.mark.parametrize(
    "name", ["rloo", "ppo_lm", *(pytest.param(name, marks=pytest.mark.long) for name in ("reinforce_lm", "grpo"))]
)
def test_a_policy_gradient_repeats_the_prompt(name):
    _, _, _, metrics = trained(name, 30)
    assert metrics["agent/reward_mean"][0] < 1.5
    assert metrics["agent/reward_mean"][-1] > 2.5


def test_the_best_of_n_teach_and_a_random_one_does_not():
    _, _, _, best = trained("best_of_n", 15, minibatches=1)
    _, _, _, control = trained("best_of_n", 15, minibatches=1, keep="random")
    assert best["agent/reward_mean"][-1] > 2.5 > 1.5 > control["agent/reward_mean"][-1]


def test_the_reference_is_the_first_policy_and_the_divergence_grows_from_zero():
    _, first, last, metrics = trained("rloo", 30)
    jax.tree.map(np.testing.assert_array_equal, first.reference, last.reference)
    jax.tree.map(np.testing.assert_array_equal, first.params["model"], first.reference)
    assert metrics["agent/reference_kl"][0] == pytest.approx(0.0, abs=1e-5)
    assert metrics["agent/reference_kl"][-1] > 1.0
    assert np.all(metrics["agent/reference_kl_k3"] >= 0)
    close = np.abs(metrics["agent/reference_kl_k1"] - metrics["agent/reference_kl_exact"])
    assert np.mean(close[1:]) < 0.3, "the estimate of 32 responses and the exact divergence agree on average"


def test_a_high_price_keeps_the_policy_at_its_reference():
    _, _, _, cheap = trained("rloo", 30)
    _, _, _, dear = trained("rloo", 30, kl_coefficient=10.0)
    assert dear["agent/reference_kl"][-1] < 0.1 * cheap["agent/reference_kl"][-1]


def test_an_adaptive_price_moves_towards_its_goal():
    _, _, _, metrics = trained("rloo", 30, kl_goal=0.5)
    price, kl = metrics["agent/kl_coefficient"], metrics["agent/reference_kl"]
    factor = 1 + 0.1 * np.clip(kl[:-1] / 0.5 - 1, -0.2, 0.2)
    np.testing.assert_allclose(price[1:], price[:-1] * factor, rtol=1e-4)


def test_a_sampler_never_changes():
    algorithm = learner("sampler", num_envs=4)
    state = jax.jit(algorithm.init)(jax.random.key(0))
    rollout = make_rollout(text_spec(), 1, 4)
    whole = jnp.zeros((1, 4, PROMPT + 3), jnp.int32).at[..., PROMPT - 1].set(2)
    rollout = rollout.replace(obs=whole, action=jnp.full((1, 4, 3), 2))
    update = jax.jit(lambda s, r: algorithm.update(s, experience(r), TRUE_REWARD, jnp.int32(0), jax.random.key(1)))
    after, metrics = update(state, rollout)
    jax.tree.map(np.testing.assert_array_equal, state, after)
    np.testing.assert_allclose(metrics["agent/reward_mean"], rollout.env_reward.mean(), rtol=1e-6)


def test_adapters_alone_learn_with_lora():
    algorithm, first, last, _ = trained("ppo_lm", 2, model=Adapters())
    moved = jax.tree.map(lambda a, b: bool(np.any(a != b)), first.params, last.params)
    assert all(jax.tree.leaves(moved["value"]))
    layers = {name: jax.tree.leaves(found) for name, found in moved["model"]["params"].items()}
    assert all(layers.pop("lora")) and not any(any(found) for found in layers.values())
    assert algorithm.transformer.lora_rank == 2


def test_with_lora_neither_the_optimiser_nor_the_reference_has_frozen_weights():
    algorithm, first, last, metrics = trained("rloo", 4, model=Adapters())
    adapters = jax.tree.map(jnp.shape, first.params["model"]["params"]["lora"])
    assert jax.tree.map(jnp.shape, last.reference) == {"params": {"lora": adapters}}
    moments = [leaf.shape for leaf in jax.tree.leaves(last.optimizer) if leaf.ndim > 0]
    assert sorted(moments) == sorted(2 * jax.tree.leaves(adapters, is_leaf=lambda x: isinstance(x, tuple)))
    jax.tree.map(np.testing.assert_array_equal, algorithm.reference_of(last), first.params["model"])
    assert metrics["agent/reference_kl"][0] == pytest.approx(0.0, abs=1e-5)
    assert metrics["agent/reference_kl_k3"][-1] > 0.0


def test_responses_scored_in_pieces_have_the_same_log_probabilities(monkeypatch):
    algorithm = learner("rloo", num_envs=4)
    params = jax.jit(algorithm.init)(jax.random.key(0)).params["model"]
    whole = jnp.asarray(np.random.default_rng(1).integers(2, 6, (7, PROMPT + 3), np.int32))
    responses = responses_in(text_spec().text, whole)

    def scored():
        """Return the log-probabilities and the gradient of their sum, of a program that is compiled anew."""

        def summed(params):
            log_prob = algorithm.scored(params, responses).log_prob
            return jnp.sum(log_prob), log_prob

        gradient, log_prob = jax.jit(jax.grad(summed, has_aux=True))(params)
        return log_prob, gradient

    at_once, gradient = scored()
    monkeypatch.setattr(language_learner, "MOST_LOGITS", 2 * 3 * algorithm.network.vocabulary)  # two responses
    found, again = scored()
    np.testing.assert_allclose(found, at_once, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), gradient, again)


def test_responses_written_in_pieces_answer_their_own_prompts(monkeypatch):
    """With a model whose next token is the prompt's, each response repeats its prompt, however many are written."""
    algorithm = learner("reinforce_lm", num_envs=7)
    state = jax.jit(algorithm.init)(jax.random.key(0))
    embedding = 30.0 * jnp.eye(*state.params["model"]["params"]["embedding"].shape)  # every token predicts itself
    params = jax.tree.map(jnp.zeros_like, state.params["model"]["params"]) | {"embedding": embedding}
    params["norm"] = state.params["model"]["params"]["norm"]
    state = state.replace(params={"model": {"params": params}})
    obs = jnp.zeros((7, PROMPT + 3), jnp.int32).at[:, PROMPT - 1].set(jnp.array([2, 3, 4, 5, 2, 3, 5]))
    monkeypatch.setattr(language_learner, "MOST_RESPONSES", 4)  # two pieces, of four and three
    response, _, behaviour = algorithm.act(state, (), obs, jax.random.key(1), True)
    np.testing.assert_array_equal(response, jnp.tile(obs[:, PROMPT - 1][:, None], (1, 3)))
    np.testing.assert_allclose(behaviour["log_prob"], 0.0, atol=1e-3)


def recorded(response: np.ndarray) -> Dataset:
    """Return a data set of the responses [M, L] to the prompt 2."""
    m = len(response)
    obs = np.zeros((m, PROMPT + response.shape[1]), np.int32)
    obs[:, PROMPT - 1] = 2
    steps = jax.tree.map(lambda x: np.asarray(x[0]), make_rollout(text_spec(response.shape[1]), 1, m))
    return Dataset.of(steps.replace(obs=obs, action=response.astype(np.int32)), np.zeros(m - 1, bool), [None])


def test_language_modelling_learns_the_distribution_of_its_texts():
    response = np.array([[3, END, PAD]] * 3 + [[4, 4, END]], np.int32)
    response = np.random.default_rng(0).permutation(np.tile(response, (20, 1)))
    algorithm = learner("lm", data="x.npz", rounds=3, gradient_steps=60, validation_share=0.2, learning_rate=1e-2)
    state = jax.jit(algorithm.init)(jax.random.key(0))
    update = jax.jit(
        lambda s, i, d: algorithm.update(s, experience(dataset=d, sample=d.sample), TRUE_REWARD, i, jax.random.key(i))
    )
    data = jax.tree.map(jnp.asarray, recorded(response))
    for i in range(3):
        state, metrics = update(state, i, data)
    obs = data.steps.obs[:1]
    answers = jnp.array([[3, END, PAD], [4, 4, END]])
    log_prob = jax.jit(algorithm.log_prob)
    found = [float(log_prob(state, obs, one[None])[0]) for one in answers]
    np.testing.assert_allclose(np.exp(found), [0.75, 0.25], atol=0.06)
    least = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)) / (0.75 * 2 + 0.25 * 3)  # nats a token
    assert float(metrics["agent/validation_loss"]) == pytest.approx(least, abs=0.1)


def test_prompts_are_learned_too_where_all_tokens_count():
    algorithm = learner("lm", data="x.npz", tokens="all")
    state = jax.jit(algorithm.init)(jax.random.key(0))
    whole = recorded(np.array([[3, END, PAD], [4, 4, END]], np.int32))
    texts = responses_of(text_spec().text, jax.tree.map(jnp.asarray, whole.steps))
    found = float(jax.jit(algorithm._loss)(state.params, texts))
    tokens = np.concatenate([texts.prompt, texts.response], axis=1)
    logits = jax.jit(algorithm.network.apply)(state.params["model"], tokens)[..., :6]
    log_probs = np.asarray(jax.nn.log_softmax(logits))
    terms = [
        -log_probs[i, t - 1, tokens[i, t]] for i in range(2) for t in range(2, 5) if tokens[i, t] != PAD
    ]  # the prompt has one token, which nothing precedes
    assert found == pytest.approx(float(np.mean(terms)), rel=1e-4)


# A bandit with one token: all comparisons of three answers, whose closed form is known.

TRUE = np.array([0.0, 0.5, 1.2])
ANSWERS = np.array([2, 3, 4])
BETA = 0.5


def bandit_comparisons(copies: int) -> Comparisons:
    """Return answers to pairs in the proportions of the Bradley-Terry model."""
    inputs, scores = [], []
    for i in range(3):
        for j in range(i):
            wins = round(copies / (1 + np.exp(TRUE[j] - TRUE[i])))
            for k in range(copies):
                inputs.append([[0, 2, ANSWERS[i]], [0, 2, ANSWERS[j]]])
                scores.append([1.0, 0.0] if k < wins else [0.0, 1.0])
    order = np.random.default_rng(0).permutation(len(inputs))
    inputs = np.asarray(inputs, np.float32)[order][:, :, None]
    scores = np.asarray(scores, np.float32)[order]
    known = np.ones(scores.shape, bool)
    return jax.tree.map(jnp.asarray, make_record(Comparisons, inputs=inputs, scores=scores, known=known))


def test_dpo_reaches_the_closed_form_on_a_bandit():
    """pi(y) is proportional to reference(y) exp(r(y) / beta) (arXiv:2305.18290, equation 4).

    Where a share of the answers is assumed to be wrong, the rewards of compared responses differ by the logit of that
    share, and every pair has its least loss at the same policy, so that few small batches are enough.
    """
    spec, wrong = text_spec(response_tokens=1), 0.3
    true = np.arange(3) * np.log((1.0 - wrong) / wrong)
    inputs = jnp.array([[[0, 2, ANSWERS[1]], [0, 2, other]] for other in ANSWERS[[0, 2]]], jnp.float32)[:, :, None]
    scores = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    comparisons = make_record(Comparisons, inputs=inputs, scores=scores, known=jnp.ones((2, 2), bool))
    algorithm = learner(
        "dpo", spec, beta=BETA, label_smoothing=wrong, rounds=1, gradient_steps=300, batch_size=16, heldout_every=1000,
        learning_rate=3e-3,
    )  # fmt: skip
    state = jax.jit(algorithm.init)(jax.random.key(0))
    told = experience(comparisons=comparisons)
    update = jax.jit(lambda s, k: algorithm.update(s, told, TRUE_REWARD, jnp.int32(0), k))
    after, metrics = update(state, jax.random.key(1))
    obs = jnp.array([[0, 2, 0]] * 3)
    log_probs = jax.jit(partial(algorithm.log_prob, obs=obs, action=jnp.asarray(ANSWERS[:, None])))
    before, now = (np.asarray(log_probs(one), float) for one in (state, after))
    wanted, found = (np.exp(one - one.max()) for one in (before + true / BETA, now))
    wanted, found = wanted / wanted.sum(), found / found.sum()  # among the answers that were compared
    assert 0.5 * np.abs(wanted - found).sum() < 0.03
    assert float(metrics["agent/comparisons"]) == 2


def test_dpo_measures_the_held_out_pairs_alone():
    """The accuracy is that of the log-ratios on the held-out prompts, computed for all pairs at once."""
    comparisons = bandit_comparisons(6)
    prompts = [(i, j) for i in (2.0, 3.0, 4.0) for j in (2.0, 3.0, 4.0)]
    inputs = jnp.concatenate([comparisons.inputs.at[..., 0].set(i).at[..., 1].set(j) for i, j in prompts])
    scores, known = (jnp.concatenate([x] * len(prompts)) for x in (comparisons.scores, comparisons.known))
    more = comparisons.replace(inputs=inputs, scores=scores, known=known)
    spec = text_spec(response_tokens=1)
    algorithm = learner("dpo", spec, beta=BETA, gradient_steps=5, batch_size=16, heldout_every=2, learning_rate=3e-3)
    state = jax.jit(algorithm.init)(jax.random.key(0))
    told = experience(comparisons=more)
    after, metrics = jax.jit(lambda s: algorithm.update(s, told, TRUE_REWARD, jnp.int32(0), jax.random.key(1)))(state)
    whole = inputs[:, :, 0].astype(jnp.int32)
    held = np.asarray(held_out_prompts(whole[:, 0, :2], 2))
    log_prob = jax.jit(algorithm.log_prob)
    ratio = [log_prob(s, whole, whole[..., 2:]) for s in (after, state)]
    ratio = np.asarray(ratio[0] - ratio[1])
    better = np.asarray(more.scores[:, 0] > more.scores[:, 1])
    right = (ratio[:, 0] > ratio[:, 1]) == better
    assert 0 < held.sum() < len(held)
    assert float(metrics["agent/heldout_accuracy"]) == pytest.approx(right[held].mean(), abs=1e-6)


@pytest.mark.parametrize("loss", ["ipo", "kto", "orpo"])
def test_the_other_losses_prefer_what_was_preferred(loss):
    spec = text_spec(response_tokens=1)
    algorithm = learner("dpo", spec, loss=loss, beta=BETA, gradient_steps=60, batch_size=32, learning_rate=3e-3)
    state = jax.jit(algorithm.init)(jax.random.key(0))
    told = experience(comparisons=bandit_comparisons(20))
    after, _ = jax.jit(lambda s: algorithm.update(s, told, TRUE_REWARD, jnp.int32(0), jax.random.key(1)))(state)
    obs, action = jnp.array([[0, 2, 0]] * 3), jnp.asarray(ANSWERS[:, None])
    log_prob = jax.jit(algorithm.log_prob)
    gain = np.asarray(log_prob(after, obs, action)) - np.asarray(log_prob(state, obs, action))
    assert gain[2] > gain[1] > gain[0]


def test_ties_and_unanswered_queries_teach_nothing():
    algorithm = learner("dpo", text_spec(response_tokens=1), gradient_steps=1, batch_size=4, heldout_every=2)
    comparisons = bandit_comparisons(2)
    scores = comparisons.scores.at[0].set(0.0)
    known = comparisons.known.at[1].set(False)
    pairs = algorithm._pairs(comparisons.replace(scores=scores, known=known))
    assert not pairs.decided[0] and not pairs.decided[1] and bool(jnp.all(pairs.decided[2:]))
    better = comparisons.scores[2:, 0] > comparisons.scores[2:, 1]
    np.testing.assert_array_equal(pairs.first[2:] % 2 == 0, better)
