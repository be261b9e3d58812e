"""The classifier's settings: each has the effect that configs/classifier/mlp.yaml describes, and only that setting."""

from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.rewards.classifier.classifier import PENALTY_SCALE, SPECTRAL_SCALE, AveragedState, Classifier
from rl_rewards.rewards.classifier.mixup import mix
from tests.rewards.examples import fit, gaussians, logits_of, plain_classifier, same, sigmoid, slopes_of

GOALS, NEGATIVES = gaussians()
BOTH = np.concatenate([GOALS, NEGATIVES])
BETWEEN = np.linspace(-1.0, 1.0, 21)[:, None] * np.ones(2)


def weight_norm(state) -> float:
    return float(np.sqrt(sum(np.square(w).sum() for w in jax.tree.leaves(state.variables["params"]))))


@pytest.fixture(scope="module")
def unregularised():
    classifier = plain_classifier()
    return classifier, fit(classifier, GOALS, NEGATIVES)


def test_it_learns_what_is_easy(unregularised):
    logits = logits_of(*unregularised, BOTH)[0]
    accuracy = ((logits > 0) == np.repeat([True, False], len(GOALS))).mean()
    assert accuracy > 0.98, "high logits mean goal"


def test_members_have_own_weights_and_combine_by_mean_or_min():
    classifier = plain_classifier(ensemble=3, combine="mean")
    state = fit(classifier, GOALS, NEGATIVES, steps=20)
    logits = logits_of(classifier, state, BETWEEN)
    assert logits.shape == (3, 21)
    assert np.abs(logits[0] - logits[1]).max() > 0.01
    assert np.abs(logits[1] - logits[2]).max() > 0.01
    np.testing.assert_allclose(classifier.combined(jnp.asarray(logits)), logits.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(replace(classifier, combine="min").combined(jnp.asarray(logits)), logits.min(axis=0))


def test_members_learn_from_their_own_batch_only():
    classifier = plain_classifier(ensemble=2)
    state = jax.jit(classifier.init, static_argnums=1)(jax.random.key(0), 2)
    step = jax.jit(classifier.train_step)
    positives = jnp.asarray(np.stack([GOALS[:8], GOALS[8:16]]))
    negatives = jnp.asarray(np.stack([NEGATIVES[:8], NEGATIVES[8:16]]))
    before, _ = step(state, positives, negatives, jax.random.key(1))
    after, _ = step(state, positives.at[0].add(1.0), negatives, jax.random.key(1))

    def member(state, i):
        return jax.tree.map(lambda x: x[i], state.variables)

    assert same(member(before, 1), member(after, 1))
    assert not same(member(before, 0), member(after, 0))


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_gradient_penalty_pulls_slopes_to_its_target(unregularised, target):
    classifier = plain_classifier(gradient_penalty=10.0, gradient_penalty_target=target)
    slopes = slopes_of(classifier, fit(classifier, GOALS, NEGATIVES), BETWEEN)
    free = slopes_of(*unregularised, BETWEEN)
    assert abs(slopes.mean() - target) < 0.3
    assert slopes.mean() < 0.7 * free.mean(), "without the penalty the slope between the two classes is steeper"


def test_a_gradient_penalty_at_goals_flattens_goals_alone(unregularised):
    """With R1 the logit is flat at goals and still falls towards other states."""
    knobs = {"gradient_penalty": 10.0, "gradient_penalty_target": 0.0}
    slopes = {}
    for at in ("goals", "between"):
        classifier = plain_classifier(gradient_penalty_at=at, **knobs)
        state = fit(classifier, GOALS, NEGATIVES)
        slopes[at] = slopes_of(classifier, state, GOALS).mean(), slopes_of(classifier, state, BETWEEN).max()
    free = slopes_of(*unregularised, GOALS).mean()
    assert slopes["goals"][0] < 0.3 * free
    assert slopes["goals"][1] > 2.0 * slopes["between"][1], "the slope between the two classes is not restricted"


def test_mixup_softens_the_outputs(unregularised):
    classifier = plain_classifier(mixup=1.0)
    logits = logits_of(classifier, fit(classifier, GOALS, NEGATIVES), BOTH)
    assert np.abs(logits).mean() < 0.7 * np.abs(logits_of(*unregularised, BOTH)).mean()
    assert np.mean((logits[0] > 0) == np.repeat([True, False], len(GOALS))) > 0.98, "it still separates the two classes"


@pytest.mark.parametrize("alpha", [0.4, 1.0])
def test_mix_makes_convex_pairs_of_inputs_and_labels(alpha):
    """With unit vectors as inputs, every mixture shows which two rows were mixed and with which weights."""
    n = 400
    targets = np.random.default_rng(0).integers(0, 2, n).astype(np.float32)
    mixed, labels = jax.jit(mix, static_argnums=3)(jax.random.key(0), jnp.eye(n), jnp.asarray(targets), alpha)
    mixed, labels = np.asarray(mixed), np.asarray(labels)
    np.testing.assert_allclose(mixed.sum(axis=1), 1.0, atol=1e-5)
    assert mixed.min() >= 0.0
    assert (mixed > 0).sum(axis=1).max() <= 2
    np.testing.assert_allclose(labels, mixed @ targets, atol=1e-5, err_msg="labels mix with the inputs' weights")
    weight = np.diag(mixed)
    partner = (mixed - np.diag(weight)).argmax(axis=1)[weight < 1 - 1e-3]
    distinct = len(np.unique(partner)) / len(partner)
    assert distinct == pytest.approx(1 - np.exp(-1), abs=0.06), "partners are drawn independently, with replacement"
    assert abs(partner.mean() - n / 2) < 0.1 * n, "partners come from all rows"
    assert abs(weight.mean() - 0.5) < 0.06
    assert weight.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.2), "weights are Beta(alpha, alpha)"


def test_label_smoothing_bounds_the_outputs(unregularised):
    """For well separated classes the outputs are s / 2 and 1 - s / 2 instead of 0 and 1."""
    classifier = plain_classifier(label_smoothing=0.4)
    goals, negatives = gaussians(deviation=0.1)
    state = fit(classifier, goals, negatives, steps=500)
    assert sigmoid(logits_of(classifier, state, goals)).mean() == pytest.approx(0.8, abs=0.03)
    assert sigmoid(logits_of(classifier, state, negatives)).mean() == pytest.approx(0.2, abs=0.03)
    assert sigmoid(logits_of(*unregularised, goals)).mean() > 0.95


def test_input_noise_gives_the_ratio_of_the_blurred_densities():
    """For points at -0.1 and 0.1 with noise of standard deviation 0.5, the log-odds are 2 * 0.1 * x / 0.25."""
    goals, negatives = np.full((8, 1), 0.1, np.float32), np.full((8, 1), -0.1, np.float32)
    x = np.array([[-1.0], [-0.1], [0.1], [1.0]])
    classifier = plain_classifier(input_noise=0.5)
    noisy = sigmoid(logits_of(classifier, fit(classifier, goals, negatives, steps=800, batch=256), x))[0]
    np.testing.assert_allclose(noisy, sigmoid(0.8 * x[:, 0]), atol=0.07)
    classifier = plain_classifier()
    sharp = sigmoid(logits_of(classifier, fit(classifier, goals, negatives, steps=800, batch=256), x))[0]
    assert sharp[2] > 0.9, "without noise the two points are separated"


def test_spectral_norm_bounds_every_slope(unregularised):
    classifier = plain_classifier(spectral_norm=True)
    state = fit(classifier, GOALS, NEGATIVES)
    assert slopes_of(classifier, state, BOTH).max() < 1.05, "each layer is 1-Lipschitz, and so is the network"
    assert slopes_of(*unregularised, BOTH).max() > 1.5
    assert logits_of(classifier, state, GOALS).mean() > logits_of(classifier, state, NEGATIVES).mean() + 1.0


CLOSE = [0.05 * x for x in gaussians(size=1, deviation=0.3)]
"""Two classes whose means differ by a tenth."""


@pytest.mark.parametrize(
    "changes",
    [
        {"spectral_norm": True},
        {"gradient_penalty": 1.0, "gradient_penalty_at": "goals", "gradient_penalty_target": 0.0},
    ],
    ids=["spectral norm", "R1"],
)
def test_inputs_in_the_scale_that_a_regulariser_needs(changes):
    """The allowed slope cannot separate the two classes in raw units, but it can in normalised and scaled units."""
    goals, negatives = CLOSE
    gap = {}
    for name, units in (("raw", {}), ("fitting", {"normalize_inputs": None, "input_scale": None})):
        classifier = plain_classifier(**changes, **units)
        state = fit(classifier, goals, negatives, steps=600)
        inside, outside = (sigmoid(logits_of(classifier, state, x)).mean() for x in CLOSE)
        gap[name] = inside - outside
    assert gap["raw"] < 0.2
    assert gap["fitting"] > 0.8


def test_units_of_inputs_follow_the_regularisers_unless_they_are_given():
    def units(**changes):
        classifier = plain_classifier(**({"normalize_inputs": None, "input_scale": None} | changes))
        return classifier.normalizes, classifier.scale

    assert units() == (False, 1.0), "without a regulariser inputs are not changed"
    assert units(spectral_norm=True) == (True, SPECTRAL_SCALE)
    assert units(gradient_penalty=1.0) == (True, PENALTY_SCALE), "its target is 1"
    assert units(gradient_penalty=1.0, gradient_penalty_target=0.0) == (True, 1.0)
    assert units(spectral_norm=True, normalize_inputs=False, input_scale=3.0) == (False, 3.0)


def test_settings_saved_before_a_key_existed_mean_what_they_meant():
    """A frozen reward of an older run was neither scaled nor averaged, whatever the defaults are today."""
    new = {"input_scale", "gradient_penalty_at", "negative_weighting", "average"}
    plain = plain_classifier(spectral_norm=True, gradient_penalty=1.0)
    old = Classifier(**{f.name: getattr(plain, f.name) for f in fields(plain) if f.name not in new})
    assert (old.scale, old.gradient_penalty_at, old.negative_weighting, old.average) == (1.0, "between", "none", 0.0)


def test_what_keeps_a_bounded_slope_from_telling_states_apart_is_warned_of():
    for changes in ({"spectral_norm": True, "activation": "leaky_relu"}, {"gradient_penalty": 10.0}):
        (sentence,) = plain_classifier(**changes).warnings
        assert next(iter(changes)) in sentence and "normalize_inputs=null" in sentence
        assert not plain_classifier(**changes, normalize_inputs=None).warnings
    (sentence,) = plain_classifier(spectral_norm=True, normalize_inputs=None).warnings
    assert "activation=leaky_relu" in sentence
    assert not plain_classifier().warnings


def test_scaled_inputs_are_those_of_a_scaled_problem():
    scaled, plain = plain_classifier(input_scale=4.0), plain_classifier()
    state = fit(scaled, GOALS, NEGATIVES, steps=30)
    other = fit(plain, 4.0 * GOALS, 4.0 * NEGATIVES, steps=30)
    np.testing.assert_allclose(logits_of(scaled, state, BETWEEN), logits_of(plain, other, 4.0 * BETWEEN), atol=1e-4)


def test_an_entry_that_never_changes_is_not_divided_by_next_to_nothing():
    rows = np.stack([np.linspace(-3.0, 3.0, 50), np.full(50, 0.7)], axis=1).astype(np.float32)
    classifier = plain_classifier(hidden=[], normalize_inputs=True)
    state = jax.jit(classifier.init, static_argnums=1)(jax.random.key(0), 2)
    state = classifier.set_moments(state, jnp.asarray(rows))
    low, high = logits_of(classifier, state, np.array([[0.0, 0.7], [0.0, 1.7]]))[0]
    kernel = np.ravel(state.variables["params"]["Dense_0"]["kernel"])
    assert high - low == pytest.approx(kernel[1], rel=1e-3), "a constant entry is not rescaled"


def test_dropout_is_for_training_only(unregularised):
    classifier = plain_classifier(dropout=0.5)
    state = fit(classifier, GOALS, NEGATIVES)
    first, second = (logits_of(classifier, state, BOTH) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(
        first, logits_of(plain_classifier(), state, BOTH), err_msg="outside of training no unit is dropped"
    )
    assert not same(state.variables, unregularised[1].variables), "with the same batches, dropout changes the training"


def test_weight_decay_shrinks_the_weights(unregularised):
    """Every step reduces each weight by the share learning_rate * weight_decay, whatever the gradients are."""
    classifier = plain_classifier(weight_decay=1.0)
    assert weight_norm(fit(classifier, GOALS, NEGATIVES)) < 0.8 * weight_norm(unregularised[1])


def test_goal_prior_raises_goals_that_hide_among_the_negatives():
    """If a third of the negatives are goals, cross-entropy gives 3/4 on goals, the positive-unlabelled risk more."""
    goals, negatives = gaussians(deviation=0.2)
    hidden = np.concatenate([goals[:100], negatives[:200]])
    outputs = {}
    for prior in (None, 1 / 3):
        classifier = plain_classifier(goal_prior=prior)
        outputs[prior] = sigmoid(logits_of(classifier, fit(classifier, goals, hidden, steps=500), goals)).mean()
    assert outputs[None] == pytest.approx(0.75, abs=0.04)
    assert outputs[1 / 3] > 0.9


P, N = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.3, 0.6])
"""Shares of three states among positives and among negatives; of unlabelled states a share PRIOR is positive."""
PRIOR = 0.4


def states(shares, n: int) -> np.ndarray:
    """Return ``n`` one-hot states [n, 3] with the given ``shares`` of each, up to rounding."""
    return np.repeat(np.eye(len(shares)), np.round(n * np.asarray(shares)).astype(int), axis=0).astype(np.float32)


def losses(classifier, positives, negatives, draws: int = 40) -> float:
    """Return the mean loss over ``draws`` keys of an untrained classifier with logits 3 times as steep."""
    state = jax.jit(classifier.init, static_argnums=1)(jax.random.key(0), positives.shape[1])
    state = state.replace(variables=jax.tree.map(lambda w: 3.0 * w, state.variables))
    step, batch = jax.jit(classifier.train_step), (jnp.asarray(positives)[None], jnp.asarray(negatives)[None])
    return float(np.mean([step(state, *batch, jax.random.key(i))[1]["reward/loss"] for i in range(draws)]))


@pytest.mark.parametrize(("alpha", "smoothing"), [(0.4, 0.3), pytest.param(1.0, 0.0, marks=pytest.mark.long)])
def test_mixup_of_positive_and_unlabelled_states_estimates_the_risk_of_labelled_ones(alpha, smoothing):
    """Labelled data with the same share of positives have the same loss under ordinary mixup, and another without."""
    knobs = {"mixup": alpha, "label_smoothing": smoothing}
    n = 2000
    unlabelled = states(PRIOR * P + (1 - PRIOR) * N, n)
    labelled = states(P, round(PRIOR * n)), states(N, round((1 - PRIOR) * n))
    found = losses(plain_classifier(goal_prior=PRIOR, **knobs), states(P, n), unlabelled)
    assert found == pytest.approx(losses(plain_classifier(**knobs), *labelled), abs=0.01)
    unmixed = losses(plain_classifier(label_smoothing=smoothing), *labelled, draws=1)
    assert abs(found - unmixed) > 0.05, "mixup changes the loss, or this test shows nothing"


def test_goal_prior_with_mixup_and_smoothing_raises_hidden_goals_too():
    """Hidden goals are raised as without both, but at most to the smoothed label 1 - s / 2."""
    goals, negatives = gaussians(deviation=0.2)
    hidden = np.concatenate([goals[:100], negatives[:200]])
    outputs = {}
    for prior in (None, 1 / 3):
        classifier = plain_classifier(goal_prior=prior, mixup=1.0, label_smoothing=0.1)
        outputs[prior] = sigmoid(logits_of(classifier, fit(classifier, goals, hidden, steps=500), goals)).mean()
    assert outputs[None] < 0.75
    assert outputs[None] + 0.1 < outputs[1 / 3] < 0.97


def test_focal_negatives_take_the_root_of_small_density_ratios():
    """At the optimum of a table of logits, the odds are p / n where that is at least 1, and its root elsewhere; with k
    negatives per positive, p / (k n) takes the place of p / n."""
    positives, negatives = np.array([8, 4, 1, 1, 2]), np.array([1, 4, 4, 9, 14])
    for k in (1, 2):
        classifier = plain_classifier(hidden=[], negative_weighting="focal", learning_rate=0.03)
        batch = (np.repeat(np.eye(5, dtype=np.float32), counts, axis=0)[None] for counts in (positives, k * negatives))
        batch = [jnp.asarray(x) for x in batch]
        state = jax.jit(classifier.init, static_argnums=1)(jax.random.key(0), 5)
        step = jax.jit(classifier.train_step)
        for i in range(600):
            state, _ = step(state, *batch, jax.random.key(i))
        odds = np.exp(logits_of(classifier, state, np.eye(5))[0])
        ratio = positives / (k * negatives)
        np.testing.assert_allclose(odds, np.where(ratio < 1.0, np.sqrt(ratio), ratio), rtol=0.02)


def test_the_average_pays_and_follows_the_weights_by_its_decay():
    """It is the plain mean of the first weights, and later c times itself plus 1 - c times the newest weights."""
    decay = 0.75
    classifier, plain = plain_classifier(average=decay, ensemble=2), plain_classifier(ensemble=2)
    positives, negatives = (jnp.asarray(np.stack([x[:8], x[8:16]])) for x in (GOALS, NEGATIVES))
    state, other = (jax.jit(c.init, static_argnums=1)(jax.random.key(0), 2) for c in (classifier, plain))
    assert isinstance(state, AveragedState) and not isinstance(other, AveragedState)
    step, plain_step = jax.jit(classifier.train_step), jax.jit(plain.train_step)
    expected: list[np.ndarray] = []
    for i in range(8):
        state, _ = step(state, positives, negatives, jax.random.key(i))
        other, _ = plain_step(other, positives, negatives, jax.random.key(i))
        newest = np.concatenate([np.ravel(x) for x in jax.tree.leaves(state.variables)])
        c = min(decay, i / (i + 1))
        expected.append(newest if i == 0 else c * expected[-1] + (1 - c) * newest)
        average = np.concatenate([np.ravel(x) for x in jax.tree.leaves(state.average)])
        np.testing.assert_allclose(average, expected[-1], atol=1e-6)
    assert same(state.variables, other.variables)
    np.testing.assert_array_equal(
        logits_of(classifier, state, BETWEEN),
        logits_of(plain, other.replace(variables={"params": state.average}), BETWEEN),
    )
    assert np.abs(logits_of(classifier, state, BETWEEN) - logits_of(plain, other, BETWEEN)).max() > 1e-3
    shown = (jax.jit(c.dashboard)(s, positives, negatives) for c, s in ((classifier, state), (plain, other)))
    assert len({float(metrics["reward/prob_goal"]) for metrics in shown}) == 2, (
        "the dashboard shows the weights that determine the reward"
    )


def test_normalized_inputs_do_not_depend_on_their_units():
    """For 8 x + 50 instead of x, the outputs are equal with normalize_inputs and differ without it."""
    for normalize in (True, False):
        classifier = plain_classifier(normalize_inputs=normalize)
        plain = logits_of(classifier, fit(classifier, GOALS, NEGATIVES, steps=50), BETWEEN)
        moved = fit(classifier, 8.0 * GOALS + 50.0, 8.0 * NEGATIVES + 50.0, steps=50)
        error = np.abs(logits_of(classifier, moved, 8.0 * BETWEEN + 50.0) - plain).max()
        assert (error < 0.02) if normalize else (error > 0.5)


def test_the_dashboard_tells_goals_from_negatives(unregularised):
    """On unmixed inputs, accuracy_goal is the share of goals above 1/2, and accuracy_negative of negatives below."""
    classifier, state = replace(unregularised[0], mixup=1.0), unregularised[1]
    step, dashboard = jax.jit(classifier.train_step), jax.jit(classifier.dashboard)
    goals, negatives = jnp.asarray(GOALS[None, :200]), jnp.asarray(NEGATIVES[None, :100])
    metrics = dashboard(state, goals, negatives)
    logit_goal, logit_negative = (logits_of(*unregularised, x[0])[0] for x in (goals, negatives))
    expected = {
        "reward/accuracy_goal": (logit_goal > 0).mean(),
        "reward/accuracy_negative": (logit_negative < 0).mean(),
        "reward/prob_goal": sigmoid(logit_goal).mean(),
        "reward/prob_negative": sigmoid(logit_negative).mean(),
    }
    for name, value in expected.items():
        assert float(metrics[name]) == pytest.approx(value, abs=1e-4), name
    swapped = jnp.asarray(NEGATIVES[None, :200]), jnp.asarray(GOALS[None, :100])
    assert float(dashboard(state, *swapped)["reward/accuracy_goal"]) < 0.05
    losses = [
        float(step(state, *batch, jax.random.key(0))[1]["reward/loss"]) for batch in ((goals, negatives), swapped)
    ]
    assert losses[0] < losses[1]
