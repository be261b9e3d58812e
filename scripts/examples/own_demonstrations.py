"""An example of your own demonstrations: a program records a noisy controller that stops the cart.

    PYTHONPATH=scripts/examples python scripts/examples/own_demonstrations.py cart.npz
    python -m rl_rewards.data info cart.npz
    PYTHONPATH=scripts/examples python -m rl_rewards.run --config-dir scripts/examples/configs \
        env=cart reward=gail demos=cart.npz algorithm=ppo_control total_env_steps=200_000

With Minari (``pip install minari``) the same steps become one of its data sets:

    PYTHONPATH=scripts/examples python scripts/examples/own_demonstrations.py minari:cart/controller-v0
    PYTHONPATH=scripts/examples python -m rl_rewards.run --config-dir scripts/examples/configs \
        env=cart reward=gail demos=minari:cart/controller-v0 algorithm=ppo_control total_env_steps=200_000
"""

import sys

import jax
import numpy as np
from own_env import Cart

EPISODES = 10
MINARI = "minari:"


def record(cart: Cart, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return one episode of T steps: ``obs`` [T + 1, 2], ``action`` [T, 1] and ``reward`` [T]."""
    step = jax.jit(cart.step)
    state = cart.reset(jax.random.key(int(rng.integers(2**31))))
    obs, actions, rewards = [np.asarray(cart.observe(state))], [], []
    for _ in range(cart.max_episode_steps):
        place, speed = obs[-1]
        action = np.clip([-1.0 * place - 1.5 * speed + 0.1 * rng.normal()], -1.0, 1.0).astype(np.float32)
        state, out = step(jax.random.key(0), state, action)
        obs.append(np.asarray(out.next_obs))
        actions.append(action)
        rewards.append(np.float32(out.env_reward))
    return {"obs": np.array(obs), "action": np.array(actions), "reward": np.array(rewards)}


def save_npz(path: str, episodes: list[dict[str, np.ndarray]]) -> None:
    """Write the steps of all episodes, one after another, in the layout of configs/README.md."""
    lengths = [len(one["action"]) for one in episodes]
    last = np.cumsum(lengths) - 1
    truncated = np.zeros(sum(lengths), bool)
    truncated[last] = True  # every episode ends at the step limit, none terminates
    np.savez(
        path,
        obs=np.concatenate([one["obs"][:-1] for one in episodes]),
        action=np.concatenate([one["action"] for one in episodes]),
        next_obs=np.concatenate([one["obs"][1:] for one in episodes]),
        terminated=np.zeros(sum(lengths), bool),
        truncated=truncated,
        env_reward=np.concatenate([one["reward"] for one in episodes]),
        episode_start=np.cumsum([0, *lengths[:-1]]),
        episode_return=np.array([one["reward"].sum() for one in episodes]),
        env="cart",
    )


def save_minari(dataset_id: str, episodes: list[dict[str, np.ndarray]]) -> None:
    """Write the same steps as a local data set of Minari."""
    import minari
    from gymnasium import spaces
    from minari.data_collector import EpisodeBuffer

    buffers = []
    for one in episodes:
        cut = [False] * (len(one["action"]) - 1) + [True]
        buffer = EpisodeBuffer(
            observations=one["obs"],
            actions=one["action"],
            rewards=one["reward"].tolist(),
            terminations=[False] * len(cut),
            truncations=cut,
        )
        buffers.append(buffer)
    minari.create_dataset_from_buffers(
        dataset_id,
        buffers,
        observation_space=spaces.Box(-np.inf, np.inf, (2,), np.float32),
        action_space=spaces.Box(-1.0, 1.0, (1,), np.float32),
    )


def main(name: str) -> None:
    """Record the episodes, and write them to the file or the Minari data set ``name``."""
    rng = np.random.default_rng(0)
    episodes = [record(Cart(width=4.0, max_episode_steps=60), rng) for _ in range(EPISODES)]
    if name.startswith(MINARI):
        save_minari(name.removeprefix(MINARI), episodes)
    else:
        save_npz(name, episodes)


if __name__ == "__main__":
    main(sys.argv[1])
