"""A worker that trains Stable-Baselines3's PPO on CartPole: ``peer_sb3.py EPOCHS MINIBATCHES ROLLOUTS``, unmodified.

Runs in the peers' own virtual environment; ROLLOUTS rollouts and their updates are one piece of work. PyTorch gets one
thread, with which it is fastest here: more of them wait for each other busily, which multiplies its CPU seconds.
"""

import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

import gymnasium
from stable_baselines3 import PPO  # type: ignore[import-not-found]
from stable_baselines3.common.vec_env import DummyVecEnv  # type: ignore[import-not-found]
from worker import serve  # type: ignore[import-not-found]  # this folder's: the repository is not importable here

NUM_ENVS, ROLLOUT_LENGTH = 64, 128


def main() -> None:
    """Make one, warm it up, serve."""
    epochs, minibatches, rollouts = map(int, sys.argv[1:])
    env = DummyVecEnv([lambda: gymnasium.make("CartPole-v1")] * NUM_ENVS)
    started = time.process_time()
    model = PPO(
        "MlpPolicy",
        env,
        n_steps=ROLLOUT_LENGTH,
        batch_size=NUM_ENVS * ROLLOUT_LENGTH // minibatches,
        n_epochs=epochs,
        learning_rate=2.5e-4,
        gamma=0.99,
        gae_lambda=0.95,
        clip_range=0.2,
        ent_coef=0.01,
        policy_kwargs={"net_arch": {"pi": [64, 64], "vf": [64, 64]}},
        device="cpu",
        seed=0,
    )

    def piece() -> int:
        model.learn(rollouts * NUM_ENVS * ROLLOUT_LENGTH, reset_num_timesteps=False)
        return rollouts * NUM_ENVS * ROLLOUT_LENGTH

    piece()
    serve(piece, {"warm_up_cpu": time.process_time() - started})


if __name__ == "__main__":
    main()
