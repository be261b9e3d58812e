"""The faults that ``scripts.inject_faults`` plants: each a change of a few characters that the tests must catch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One change of the code, and the tests of ``make test`` that must fail because of it."""

    name: str  # what goes wrong
    file: str  # below rl_rewards/
    right: str  # a text that stands in the file exactly once
    wrong: str
    tests: str  # below tests/, separated by spaces


FAULTS = (
    # Returns, losses and statistics.
    Fault(
        "GAE subtracts the advantages to come",
        "core/returns.py",
        "delta + discount * trace_decay",
        "delta - discount * trace_decay",
        "core/test_returns.py",
    ),
    Fault(
        "a truncated episode is worth nothing afterwards",
        "core/returns.py",
        "jnp.where(terminated, absorbing_value, next_values)",
        "jnp.where(terminated | truncated, absorbing_value, next_values)",
        "core/test_returns.py",
    ),
    Fault(
        "advantages flow over the end of a truncated episode",
        "core/returns.py",
        "1.0 - (terminated | truncated)",
        "1.0 - terminated",
        "core/test_returns.py",
    ),
    Fault(
        "the clipped surrogate takes the larger of its two sides",
        "core/losses.py",
        "-jnp.minimum(ratio * advantages",
        "-jnp.maximum(ratio * advantages",
        "core/test_losses.py",
    ),
    Fault(
        "the cross-entropy has the wrong sign at its target",
        "core/losses.py",
        "softplus(logits) - targets * logits",
        "softplus(logits) + targets * logits",
        "core/test_losses.py",
    ),
    Fault(
        "a mean counts entries that are not valid",
        "core/losses.py",
        "jnp.sum(jnp.where(valid, values, 0.0))",
        "jnp.sum(values)",
        "core/test_losses.py",
    ),
    Fault(
        "the negatives' risk from unlabelled states may fall below its least",
        "core/losses.py",
        "jnp.maximum(negative_risk, least)",
        "negative_risk",
        "core/test_losses.py",
    ),
    Fault(
        "running variances count entries that are not valid",
        "core/normalize.py",
        "jnp.square(values - mean) * mask",
        "jnp.square(values - mean)",
        "core/test_normalize.py",
    ),
    Fault(
        "a carried return goes on after its episode",
        "core/normalize.py",
        "jnp.where(done[-1], 0.0, returns[-1])",
        "returns[-1]",
        "core/test_normalize.py",
    ),
    Fault(
        "Bradley-Terry prefers the lower return",
        "core/queries.py",
        "return returns[..., first] - returns[..., second]",
        "return returns[..., second] - returns[..., first]",
        "core/test_queries.py",
    ),
    Fault(
        "answers that are missing count in the preference loss",
        "core/queries.py",
        "jnp.where(known, loss, 0.0)",
        "loss",
        "core/test_queries.py",
    ),
    Fault(
        "EPIC leaves out the discount of the successor's potential",
        "core/epic.py",
        "discount * expected(next_obs)",
        "expected(next_obs)",
        "core/test_epic.py",
    ),
    # Files.
    Fault(
        "a file is renamed before it is on the disk",
        "core/files.py",
        "os.fsync(file.fileno())",
        "file.fileno()",
        "core/test_files.py",
    ),
    Fault(
        "metrics are not on the disk before the checkpoint is",
        "loop/log.py",
        "os.fsync(self._file.fileno())",
        "self._file.fileno()",
        "loop/test_log.py",
    ),
    Fault(
        "a label is not on the disk when it is confirmed",
        "labelers/sqlite_file.py",
        "PRAGMA synchronous = FULL",
        "PRAGMA synchronous = OFF",
        "labelers/test_store.py",
    ),
    Fault(
        "a checkpoint whose bits have changed is restored",
        "loop/checkpoint/everything.py",
        'if digest(state, env_bytes) != meta["digest"]:',
        "if False:",
        "test_broken_folders.py loop/test_resume.py",
    ),
    # Rings and segments.
    Fault(
        "a segment may cross an episode's end",
        "data/replay.py",
        "ends[:, stop - 1] == ends[:, ages]",
        "ends[:, stop - 1] >= ends[:, ages]",
        "data/test_replay.py",
    ),
    Fault(
        "a segment of recorded data may cross an episode's end",
        "data/dataset.py",
        "(self.follow[rows] >= length) & ",
        "",
        "data/test_dataset.py",
    ),
    Fault(
        "a seed sees steps of demonstrations that it was not given",
        "data/dataset.py",
        "rows = index if self.rows is None else self.rows[index]",
        "rows = index",
        "data/test_dataset.py",
    ),
    Fault(
        "the newest segment of a ring is never drawn",
        "data/replay.py",
        "(ages + length <= self.filled)",
        "(ages + length < self.filled)",
        "data/test_replay.py",
    ),
    Fault(
        "a full ring is read from its beginning instead of its oldest step",
        "data/replay.py",
        "jnp.where(self.filled == self.capacity, self.position, 0)",
        "jnp.zeros_like(self.position)",
        "data/test_replay.py",
    ),
    Fault(
        "visited states are written one place too late",
        "rewards/classifier/visited_states.py",
        "jnp.cumsum(keep) - 1) % capacity",
        "jnp.cumsum(keep)) % capacity",
        "rewards/classifier/test_visited_states.py",
    ),
    # Collecting, seeds, evaluation.
    Fault(
        "a truncated episode is not reset",
        "loop/collect.py",
        "_reset_where(out.needs_reset, ",
        "_reset_where(out.terminated, ",
        "loop/test_collect.py",
    ),
    Fault(
        "a policy remembers the episode before",
        "loop/collect.py",
        "memory = _select(_ended(out), initial_memory, memory)",
        "pass",
        "loop/test_collect.py",
    ),
    Fault(
        "a policy forgets its episode where a rollout ends",
        "loop/rounds.py",
        "length, fresh, state.memory)",
        "length, fresh)",
        "algorithms/test_ppo_memory.py",
    ),
    Fault(
        "a policy's memory is not in the checkpoint",
        "loop/checkpoint/trees.py",
        '"key", "memory")}',
        '"key")}',
        "loop/test_resume.py",
    ),
    Fault(
        "a host environment's buffer is recorded instead of a copy",
        "loop/collect.py",
        "obs = np.array(obs)",
        "obs = np.asarray(obs)",
        "loop/test_collect.py",
    ),
    Fault(
        "the seeds of a program have each other's keys",
        "loop/seeds.py",
        "jnp.arange(seed, seed + self.count)",
        "jnp.arange(seed, seed + self.count)[::-1]",
        "loop/test_seeds.py",
    ),
    Fault(
        "the seed axis of a host environment's rollout is swapped with the copies'",
        "loop/seeds.py",
        "x = x.reshape(*x.shape[:axis], self.count, -1, *x.shape[axis + 1 :])",
        "x = x.reshape(*x.shape[:axis], -1, self.count, *x.shape[axis + 1 :]).swapaxes(axis, axis + 1)",
        "loop/test_seeds.py",
    ),
    Fault(
        "evaluation draws from the training key",
        "loop/evaluate.py",
        "jax.random.fold_in(key, 0xE7A1)",
        "key",
        "loop/test_evaluate.py",
    ),
    Fault(
        "evaluation counts a second episode",
        "loop/evaluate.py",
        "valid = earlier_ends == 0",
        "valid = earlier_ends <= 1",
        "loop/test_evaluate.py",
    ),
    # Algorithms.
    Fault(
        "PPO lowers the entropy that it should keep up",
        "algorithms/ppo.py",
        "- self.entropy_weight * entropy",
        "+ self.entropy_weight * entropy",
        "algorithms/test_ppo.py algorithms/test_ppo_update.py",
    ),
    Fault(
        "PPO's policy loss counts steps that are not valid",
        "algorithms/ppo.py",
        "masked_mean(clipped_surrogate(log_ratio, advantage, self.clip), batch.valid)",
        "jnp.mean(clipped_surrogate(log_ratio, advantage, self.clip))",
        "algorithms/test_ppo.py algorithms/test_ppo_update.py",
    ),
    Fault(
        "PPO forgets what a reward pays after the end",
        "algorithms/ppo.py",
        "absorbing_value=absorbing / scale / (1.0 - self.discount) if self.discount < 1.0 else 0.0",
        "absorbing_value=0.0 * absorbing",
        "algorithms/test_ppo.py algorithms/test_ppo_update.py",
    ),
    Fault(
        "PPO learns as if a policy remembered the episode before",
        "models/recurrence.py",
        "memory = _where(begins, initial, memory)",
        "pass",
        "algorithms/test_ppo_memory.py models/test_recurrence.py",
    ),
    Fault(
        "a truncated episode is worth what the policy knows at a beginning",
        "models/recurrence.py",
        "return memory, (memory, output)",
        "return memory, (initial, output)",
        "algorithms/test_ppo_memory.py",
    ),
    Fault(
        "SAC bootstraps after a termination",
        "algorithms/sac.py",
        "jnp.where(batch.terminated, batch.absorbing_value, soft_value)",
        "soft_value",
        "algorithms/test_sac.py",
    ),
    Fault(
        "SAC pays for low entropy",
        "algorithms/sac.py",
        "- jnp.exp(state.log_temperature) * log_prob",
        "+ jnp.exp(state.log_temperature) * log_prob",
        "algorithms/test_sac.py",
    ),
    Fault(
        "SAC learns from the environment's reward instead of relabelling",
        "algorithms/sac.py",
        "reward=reward_fn(transitions) / scale",
        "reward=transitions.env_reward / scale",
        "algorithms/test_sac.py",
    ),
    Fault(
        "SAC's target critics become the critics at once",
        "algorithms/sac.py",
        "optax.incremental_update(critics, state.target_critics, self.target_rate)",
        "optax.incremental_update(critics, state.target_critics, 1.0)",
        "algorithms/test_sac.py",
    ),
    # Rewards.
    Fault(
        "an episode's end is missing among the negatives",
        "rewards/classifier/adversarial.py",
        'rollout.valid & rollout.done if self.visited == "final"',
        'rollout.valid & ~rollout.done if self.visited == "final"',
        "rewards/classifier/test_adversarial.py",
    ),
    Fault(
        "negatives by places weigh a crowded place more",
        "rewards/classifier/places.py",
        "1.0 / jnp.maximum(sharing, 1)",
        "1.0 * jnp.maximum(sharing, 1)",
        "rewards/classifier/test_places.py",
    ),
    Fault(
        "goals that are held out are trained on",
        "data/examples.py",
        'jnp.asarray(arrays["goal_obs"][rest])',
        'jnp.asarray(arrays["goal_obs"])',
        "data/test_examples.py rewards/classifier",
    ),
    Fault(
        "GAIL does not see where an episode ended",
        "rewards/imitation/gail.py",
        "return jnp.where(absorbed[..., None], self._absorbing, inputs)",
        "return inputs",
        "rewards/imitation/test_gail.py",
    ),
    Fault(
        "AIRL's discriminator does not see the policy's log-probability",
        "rewards/imitation/airl.py",
        "self._inputs(transitions).at[..., -1].set(log_prob)",
        "self._inputs(transitions).at[..., -1].set(0.0 * log_prob)",
        "rewards/imitation",
    ),
    Fault(
        "a mixture forgets its weights",
        "rewards/mixture.py",
        "sum((self.weights[name] * term(name) for name in self.parts)",
        "sum((term(name) for name in self.parts)",
        "rewards/test_mixture.py",
    ),
    # Games.
    Fault(
        "a game has one move too many",
        "games/rules.py",
        "t_alice + t_bob >= self.horizon",
        "t_alice + t_bob > self.horizon",
        "games",
    ),
    Fault(
        "a game counts that begins one step too late to end",
        "games/rules.py",
        "began <= length - (horizon + 1)",
        "began <= length - horizon",
        "games",
    ),
    # Labelers and environments.
    Fault(
        "a teacher's ranks are turned round",
        "labelers/oracle.py",
        "ranks[order] = np.concatenate([[0], np.cumsum(steps)])",
        "ranks[order[::-1]] = np.concatenate([[0], np.cumsum(steps)])",
        "labelers/test_oracle.py",
    ),
    Fault(
        "an answer is absorbed a second time",
        "labelers/store.py",
        'AND superseded = 0 AND NOT EXISTS (SELECT 1 FROM absorbed WHERE query = q.number) "',
        'AND superseded = 0 "',
        "labelers/test_store.py",
    ),
    Fault(
        "an adapter forgets where discrete actions start",
        "envs/adapters/gymnasium_batch.py",
        "int(a) + int(space.start)",
        "int(a)",
        "envs/adapters",
    ),
    Fault(
        "an adapter reports a step limit as a termination",
        "envs/adapters/gymnasium_batch.py",
        "StepOut(self._obs, rewards, terminated, over & ~terminated, over,",
        "StepOut(self._obs, rewards, over, over & ~over, over,",
        "envs/adapters/test_gymnasium.py",
    ),
    # What a person reads.
    Fault(
        "the exploit alarm overlooks final states that earn as much as goals",
        "reporting/alarm.py",
        "on_policy < on_goals",
        "on_policy <= on_goals + 1e9",
        "reporting/test_alarm.py",
    ),
    Fault(
        "of equal evaluations the older one is kept as the best",
        "loop/best_criterion.py",
        "tuple(new) >= tuple(old)",
        "tuple(new) > tuple(old)",
        "loop/test_best_criterion.py",
    ),
    Fault(
        "a folder's configuration may name any class",
        "loop/trust.py",
        'own = _is_in(target, ("rl_rewards",))',
        "own = True or trust",
        "loop/test_trust.py",
    ),
)
