"""Measures, without RL, how far each regulariser lets a classifier fall from the pencil case's goal to its sides.

``python scripts/measure_regularisers.py [--seeds 0-2] [SETTING ...]`` trains classifiers of goal examples against
non-goal examples and states from all over the table (like visited places), one per seed and setting, and prints
D at held-out goals, at the goal's centre, 3 and 8 cm past its far edge and at ordinary non-goals. Development seeds
only. A setting is a list of the classifier's keys, e.g. ``model.spectral_norm=true,input_scale=3``; without any,
those of ``SETTINGS`` are measured.
"""

import argparse
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rl_rewards.command_line.compose import composed
from rl_rewards.core.types import Examples
from rl_rewards.envs.pencil_case import layout
from rl_rewards.envs.pencil_case.env import PencilCase
from rl_rewards.loop import build, supplied
from rl_rewards.rewards.classifier.goal import GoalClassifier

STEPS, TABLE = 3000, 5000
"""The numbers of gradient steps, and of states from all over the table."""
FAR_EDGE = layout.GOAL_DEPTH[1]
PROBES = {"centre": np.mean(layout.GOAL_DEPTH), "3 cm past": FAR_EDGE + 0.03, "8 cm past": FAR_EDGE + 0.08}
"""The case's y in metres, with x = 0 and the pusher touching it from the front."""
WITHOUT = ("mixup=0", "weight_decay=0")
SPECTRAL, WGAN = "model.spectral_norm=true", "gradient_penalty_target=1"
R1 = "gradient_penalty_at=goals,gradient_penalty_target=0"
RAW = "normalize_inputs=false,input_scale=1"
SETTINGS = [
    "",
    "mixup=1",
    f"{SPECTRAL},{RAW}",
    *(f"{SPECTRAL},input_scale={scale}" for scale in (1, 3, 10, 30, 100)),
    *(f"{SPECTRAL},model.activation=leaky_relu,input_scale={scale}" for scale in (10, 30, 100)),
    f"{SPECTRAL},model.activation=leaky_relu,input_scale=100,mixup=1",
    *(f"{WGAN},gradient_penalty={weight},{RAW}" for weight in (1, 10)),
    *(f"{WGAN},gradient_penalty={weight},input_scale={scale}" for weight in (1, 10) for scale in (1, 3, 10)),
    f"{R1},gradient_penalty=1,{RAW}",
    *(f"{R1},gradient_penalty={weight},input_scale=1" for weight in (0.001, 0.01, 0.1, 1, 10)),
]


def main() -> None:
    """Print a row for every setting."""
    parser = argparse.ArgumentParser(description="Measures the classifier's regularisers without RL.")
    parser.add_argument("--seeds", default="0-2", help="first-last, development seeds")
    parser.add_argument("settings", nargs="*", metavar="SETTING", help="keys of the classifier, with commas between")
    options = parser.parse_args()
    first, last = map(int, options.seeds.split("-"))
    print("| setting | held-out goals | " + " | ".join(PROBES) + " | ordinary non-goals |")
    print("|---|" + "---|" * (len(PROBES) + 2))
    for setting in options.settings or SETTINGS:
        rows = np.array([outputs(setting, seed) for seed in range(first, last + 1)])
        print(f"| {setting or 'none'} | " + " | ".join(f"{mean:.2f}" for mean in rows.mean(axis=0)) + " |", flush=True)


def outputs(setting: str, seed: int) -> Float[np.ndarray, " probes"]:
    """Train a classifier for STEPS steps; return D at held-out goals, at the probes and at ordinary non-goals."""
    keys = [*WITHOUT, *filter(None, setting.split(","))]
    overrides = [f"reward.classifier.{key}" for key in keys] + [f"seed={seed}", f"reward.pretrain_steps={STEPS}"]
    cfg = composed(["reward=goal_classifier", *overrides])
    parts, settings = build.build(cfg)
    env, source = parts.env, parts.source
    assert isinstance(env, PencilCase) and isinstance(source, GoalClassifier)
    data = supplied.build_data(parts, settings)
    table = env.look(over_the_table(np.random.default_rng([seed, 0x7AB1])), np.zeros(TABLE))
    trained = source.classifier.init(jax.random.key(seed), table.shape[1])
    trained = jax.jit(lambda state: _train(source, state, data, jnp.asarray(table, jnp.float32), seed))(trained)

    def said(obs: np.ndarray | jax.Array) -> float:
        logits = source.classifier.logits(trained, jnp.asarray(obs, jnp.float32))
        return float(jnp.mean(source.classifier.combined(jax.nn.sigmoid(logits))))

    touching = layout.CASE_HALF_SIZE[1] + layout.PUSHER_RADIUS
    probes = [env.look(np.array([[0.0, y - touching, 0.0, y, 0.0]]), np.zeros(1)) for y in PROBES.values()]
    return np.array([said(data["heldout_obs"]), *map(said, probes), said(data["non_goal_obs"])])


def over_the_table(rng: np.random.Generator) -> Float[np.ndarray, "n 5"]:
    """Return joint positions with the case anywhere on the table, goals included, and the pusher close to it."""
    half = np.array(layout.TABLE_HALF_SIZE)
    case = rng.uniform(-(half - 0.04), half - 0.04, (TABLE, 2))
    angle, radius = rng.uniform(-np.pi, np.pi, TABLE), rng.uniform(0.036, 0.10, TABLE)
    pusher = np.clip(case + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1), -half, half)
    return np.concatenate([pusher, case, rng.normal(0.0, 0.4, (TABLE, 1))], axis=1)


def _train(source: GoalClassifier, state: Any, data: Examples, table: jax.Array, seed: int) -> Any:
    """Return STEPS balanced batches of goals against non-goal examples and ``table`` [n, d]."""
    goals, negatives = data["goal_obs"], jnp.concatenate([data["non_goal_obs"], table])
    state = source.classifier.set_moments(state, jnp.concatenate([goals, data["non_goal_obs"]]))

    def step(state, key):
        goal_key, negative_key, train_key = jax.random.split(key, 3)
        shape = (source.classifier.ensemble, source.batch_goals)
        drawn = [
            rows[jax.random.randint(k, shape, 0, len(rows))]
            for k, rows in ((goal_key, goals), (negative_key, negatives))
        ]
        return source.classifier.train_step(state, drawn[0], drawn[1], train_key)[0], None

    return jax.lax.scan(step, state, jax.random.split(jax.random.key(seed + 1000), STEPS))[0]


if __name__ == "__main__":
    main()
