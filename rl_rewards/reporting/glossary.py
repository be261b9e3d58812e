"""One line for every metric that a report shows: what it measures, and in what unit."""

from rl_rewards.reporting.metric_names import split_part
from rl_rewards.reporting.run_files import RunFiles

METRICS = {
    "eval/success": "Share of evaluation episodes whose last state is a true success; the policy explores as in "
    "training. Never seen by the policy or by a learned reward.",
    "eval/true_return": "The environment's own reward summed over an episode, without discount; mean over episodes.",
    "eval/learned_return": "The learned reward, as it is at this evaluation, summed over an episode; mean over "
    "episodes.",
    "eval/learned_reward_final": "Learned reward of an episode's last step, mean over episodes: what the policy's "
    "result is worth to the learned reward.",
    "eval/reward_heldout_goals": "Learned reward of goal examples that were kept out of training: what a real success "
    "is worth.",
    "eval/return_correlation": "Spearman's rank correlation of learned and true return over the episodes of an "
    "evaluation, -1 to 1; absent when all episodes are alike.",
    "eval/epic_distance": "How far the learned reward is from the true one whatever the dynamics (EPIC): 0 ranks all "
    "policies alike, 0.71 has nothing to do with it, 1 is its opposite; over visited transitions.",
    "eval/true_reward_correlation": "Pearson's correlation of learned and true reward over visited transitions.",
    "eval/prob_heldout_goals": "Mean output of the classifier (probability of goal) on held-out goal examples.",
    "eval/prob_non_goals": "Mean output of the classifier on the examples of states that are not goals.",
    "eval/prob_visited": "Mean output of the classifier on all states of the evaluation episodes.",
    "eval/prob_successes": "Mean output of the classifier on those of these states that are true successes; absent "
    "where none was visited. Below 0.5 the classifier is unlearning what the policy achieves.",
    "train/true_reward": "The environment's own reward per step in the training rollout; only reported, not learned "
    "from, unless the run trains on it.",
    "train/success": "Share of the training episodes ended in a round that were a success, exploration included; "
    "absent where none ended.",
    "agent/reward_mean": "Learned reward per step in the training rollout: what the policy learns from, before "
    "scaling.",
    "agent/entropy": "Entropy of the policy in nats; lower means less exploration.",
    "agent/kl": "How far an update moved the policy: KL divergence from old to new, in nats.",
    "agent/epochs_used": "How many passes over the round's experience PPO made before the KL divergence stopped it; a "
    "part of a pass counts as that part.",
    "agent/learning_rate": "Learning rate of policy and value function in the round, where a schedule changes it.",
    "agent/value_loss": "Error of the value function, on scaled rewards.",
    "agent/policy_loss": "The clipped surrogate loss of the policy; its height means little.",
    "agent/clip_fraction": "Share of training samples whose policy ratio was clipped.",
    "agent/explained_variance": "Share of the returns' variance that the value function explains; 1 is perfect.",
    "agent/reward_scale": "What rewards are divided by before learning.",
    "reward/gradient_norm": "Norm of the reward model's gradient.",
    "reward/loss": "Training loss of the reward model, in nats.",
    "eval/demo_return": "True return per episode of the demonstrations that the run learns from, their mean.",
    "reward/accuracy_goal": "Share of goals that the classifier calls goals, in a fresh batch after the round.",
    "reward/accuracy_negative": "Share of negatives that it calls none, in a fresh batch after the round.",
    "reward/prob_goal": "Mean output of the classifier on the goals of that batch.",
    "reward/prob_negative": "Mean output of the classifier on the negatives of that batch.",
    "reward/accuracy_expert": "Share of demonstrated steps that the discriminator calls so, in a fresh batch.",
    "reward/accuracy_policy": "Share of the policy's own steps that it calls so, in a fresh batch.",
    "reward/prob_expert": "Mean output of the discriminator (probability of demonstrated) on the demonstrations there.",
    "reward/prob_policy": "Its mean output on the policy's own steps there; near 0.5 it cannot tell them apart.",
    "reward/entropy": "Mean entropy of the classifier's outputs in training, in nats; 0.69 knows nothing, 0 is sure.",
    "eval/prob_demos": "Mean output of the discriminator on all demonstrations (AIRL's without pi: sigmoid of f).",
    "eval/prob_policy": "Mean output of the discriminator on the evaluation episodes (AIRL's: the same).",
    "eval/reward_demos": "Mean learned reward of the demonstrations, per step.",
    "agent/loss": "Behaviour cloning's loss on the steps it trains on, in nats.",
    "agent/validation_loss": "The same on demonstrated steps that it never trains on.",
    "agent/best_validation_loss": "The least of those so far: of the policy that acts.",
    "agent/stopped": "1 when behaviour cloning has stopped, for want of a lower validation loss.",
    "agent/imitation_loss": "Mean squared distance of the policy's mode from demonstrated actions, scaled to [-1, 1].",
    "gradient_steps": "Gradient steps up to the end of the round, of an algorithm that takes no environment steps.",
    "reward/negatives": "Number of states that the classifier takes negatives from: examples and visited states.",
    "reward/places": "Number of places among those states: cells of a grid, each drawn from with the same chance.",
    "reward/places_alone": "Share of those states that no other shares its place with; near 1 places are visits again.",
    "reward/gradient_penalty": "The gradient penalty's part of the reward model's loss.",
    "reward/feature_gap": "How far the features that the learned reward's own policy counts are from those of the "
    "demonstrations, by the model: half the sum of absolute differences, for cells the share of steps elsewhere.",
    "eval/feature_gap": "The same by what evaluation episodes visit: chance keeps it above 0.",
    "agent/critic_loss": "Error of SAC's critics, mean of them, on scaled rewards.",
    "agent/q_mean": "Mean value that SAC's critics give to the sampled states and actions, in scaled rewards.",
    "agent/actor_loss": "SAC's policy loss: temperature times log-probability, less the critics' value.",
    "agent/temperature": "Weight of the entropy in SAC's return.",
    "reward/queries": "Queries asked so far.",
    "reward/labels": "Queries answered so far; ties count, refusals do not.",
    "reward/answered_yes": "States asked about so far in which the labeler says that the task is done; goals are drawn "
    "from them too.",
    "reward/answered_no": "States asked about so far in which it says that the task is not done; negatives are drawn "
    "from them too.",
    "reward/accuracy": "Share of decided answers in a training batch that the reward model gives too.",
    "reward/heldout_accuracy": "The same of answers that are never trained on, by the mean of the ensemble.",
    "reward/heldout_calibration_error": "How far the reward model's certainty about those answers is from how often it "
    "is right, mean over bins of certainty (expected calibration error).",
    "reward/pseudo_labels": "Share of pairs that nobody was asked about whose answer the reward model guesses surely.",
    "reward/agreement": "Share of decided answers that the mean of the believed weights gives too.",
    "reward/weights_spread": "Deviation of the believed weights, mean over features: what is not known yet.",
    "reward/games": "Games of Alice and Bob played to their end in training so far.",
    "reward/task_episodes": "Task episodes that Bob has played to their end in training so far.",
    "reward/bob_success": "Share of the round's games in which Bob reached Alice's goal; one that he stood on counts.",
    "reward/valid_share": "Share of the round's steps that count; the others are of games that began too late.",
    "reward/t_alice": "Alice's moves in a game, mean over the round; to stop is none.",
    "reward/t_bob": "Bob's moves in a game, mean over the round; where he fails, all that were left to him.",
    "reward/goal_distance": "How far Alice's goals are from where Bob begins, in the units of the goal, mean over the "
    "round.",
    "reward/task_success": "Share of the round's task episodes that Bob ended in success.",
    "reward/touched": "How many things in the world Alice changed before she set a goal, mean over the round.",
    "eval/alice_return": "What Alice is paid in a game of evaluation, without discount; mean over games.",
    "eval/bob_return": "What Bob is paid in such a game, likewise.",
    "eval/game_reached": "Share of games of evaluation in which Bob reached Alice's goal; both play as in training.",
    "eval/game_t_alice": "Alice's moves in such a game, mean over games.",
    "eval/game_t_bob": "Bob's moves in such a game, mean over games.",
    "eval/game_distance": "How far her goal is there from where Bob begins, mean over games.",
    "eval/game_touched": "How many things in the world Alice changed there, mean over games.",
    "agent/bob_cloning_loss": "Bob's imitation of what Alice did on her way to goals that he failed: minus his log-"
    "probability of her moves, weighted, in nats.",
    "reward/bonus_mean": "Curiosity's bonus per step of the training rollout.",
    "reward/bonus_television": "The same of the steps that lead to where the television shows static; absent where "
    "there were none.",
    "reward/bonus_elsewhere": "The same of all other steps.",
    "reward/television_visits": "Training steps so far that led to where the television shows static.",
    "reward/coverage": "Share of the world's cells that training has been in at least once.",
    "reward/inverse_loss": "Loss of telling the action from the states before and after it, in nats: it shapes the "
    "features that curiosity foretells.",
    "eval/visits": "How often training has been in a cell so far, mean over all cells.",
    "reward/mean": "What the reward pays per step of the training rollout, before any weight.",
    "labeler/calls": "Requests to the AI judge so far, repeated and failed ones among them.",
    "labeler/tokens": "Tokens that those took, prompts and replies together; estimated where the judge does not count.",
    "labeler/flip_rate": "Share of the compared pairs on which the AI judge contradicts itself when the clips change "
    "places; 1/2 or more means that it goes by the place.",
    "labeler/refused": "Queries that the AI judge left without an answer: replies without one, prompts that its "
    "endpoint refused, or a cap was reached.",
    "round": "Number of the round, from 0.",
    "env_steps": "Environment steps of each seed, over all its environments, up to the end of the round.",
    "time/compile_seconds": "Compiling the round's program, in seconds; in the first round after a start.",
    "time/collect_seconds": "Collecting the round's experience, in seconds; where the environment steps on the host.",
    "time/round_seconds": "The whole round, collecting and learning, in seconds.",
    "time/evaluate_seconds": "The evaluation after the round, in seconds.",
    "time/env_steps_per_second": "Environment steps per second of a round, collecting and learning together.",
}
OF_PART = "Of the mixture's part {}."
DETERMINISTIC = " The same quantity for the policy's mode: without exploration noise."
FAMILIES = {
    "reward/term_": "Mean per step of a term of the hand-designed reward, before its weight.",
    "eval/term_": "The same in the evaluation episodes.",
    "reward/weight_": "Mean of the believed weights of a feature, which is counted in deviations.",
    "agent/alice_": "The metric of the same name without alice_, of Alice's own policy.",
    "agent/bob_": "The metric of the same name without bob_, of Bob's own policy.",
}
"""By how a metric's name begins."""
WORDS = {
    "exploit alarm": "Raised when the learned reward is probably being fooled: in three evaluations in a row true "
    "success is below 5% while final states earn at least the learned reward of held-out goals; where success or goals "
    "are unknown, when over five evaluations the learned return rises and the true return does not.",
    "collapse": "Noticed when success was held and is lost: in three evaluations in a row it is below two thirds of "
    "its highest mean over three evaluations in a row, if that was at least 0.5.",
    "checkpoints/best": "Policy and reward of the run's best evaluation, chosen by the criterion named under How to "
    "repeat this run; checkpoints of whole rounds lie beside it.",
    "interquartile mean": "Mean over seeds without the lowest and the highest quarter of them; of fewer than four "
    "seeds it is the mean.",
    "AUC": "Area under the ROC curve: the chance that a goal gets a higher classifier output than another state.",
}


def meaning(key: str) -> str | None:
    """What the metric ``key`` measures; None for one that nobody has described."""
    plain = key.removesuffix("_deterministic")
    if plain in METRICS:
        return METRICS[plain] + ("" if plain == key else DETERMINISTIC)
    family = next((text for start, text in FAMILIES.items() if key.startswith(start)), None)
    part, whole = split_part(key)
    if family is None and part and (told := meaning(whole)):
        return f"{told} {OF_PART.format(part)}"
    return family


def glossary(*runs: RunFiles) -> list[tuple[str, str]]:
    """(name, meaning) of the metrics that any of ``runs`` has, and of the words that pages use."""
    present = {key for run in runs for row in run.rows for key, value in row.items() if value is not None}
    entries = [(key, text) for key, text in METRICS.items() if key in present]
    for start, text in FAMILIES.items():
        if any(key.startswith(start) for key in present):
            entries.append((f"{start}...", text))
    entries += [(key, text) for key in sorted(present) if split_part(key)[0] and (text := meaning(key))]
    if any(key.endswith("_deterministic") for key in present):
        entries.append(("..._deterministic", DETERMINISTIC.strip()))
    return [*WORDS.items(), *entries]
