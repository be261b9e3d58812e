"""An example of your own examples of success: states of the cart where the task is done, and states where it is not.

    python scripts/examples/own_examples.py goals.npz
    PYTHONPATH=scripts/examples python -m rl_rewards.run --config-dir scripts/examples/configs \
        env=cart reward=adversarial_classifier examples.path=goals.npz algorithm=ppo_control total_env_steps=200_000

Nothing here needs the environment: examples may be photographs or measurements, in the layout of an observation.
"""

import sys

import numpy as np

GOALS, OTHERS = 200, 200
WIDTH, FASTEST = 4.0, 1.0  # m, m/s


def main(path: str) -> None:
    """Write the examples to ``path``; an observation is [place, speed]."""
    rng = np.random.default_rng(0)
    goals = rng.uniform(-1.0, 1.0, size=(GOALS, 2)) * [0.08, 0.08]  # the cart rests in the middle
    others = rng.uniform(-1.0, 1.0, size=(10 * OTHERS, 2)) * [0.5 * WIDTH, FASTEST]
    others = others[np.any(np.abs(others) > 0.1, axis=1)][:OTHERS]
    np.savez(path, goal_obs=goals.astype(np.float32), non_goal_obs=others.astype(np.float32), env="cart")


if __name__ == "__main__":
    main(sys.argv[1])
