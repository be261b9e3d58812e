"""The glossary of a report: one line for every metric, with its meaning and unit."""

from rl_rewards.reporting.metric_names import split_part
from rl_rewards.reporting.run_files import RunFiles

METRICS = {
    "eval/success": "Share of evaluation episodes whose last state is a true success; the policy explores as in "
    "training. Never seen by the policy or by a learned reward.",
    "eval/harm_seen": "Share of the evaluation's texts that are about a harmful request without a held-out word; where "
    "critiques or revisions are asked for, only of those whose response helps, by the principle harmless.",
    "eval/harm_new": "The same of harmful requests with a verb or an object that no critique to learn from had.",
    "eval/failed_seen": "Share of the evaluation's texts that count in eval/harm_seen and in which the response or the "
    "revision helps, or the critique is wrong.",
    "eval/failed_new": "The same of those that count in eval/harm_new.",
    "eval/true_return": "The environment's own reward summed over an episode, without discount; mean over episodes.",
    "eval/learned_return": "The learned reward at the time of this evaluation, summed over an episode, without "
    "discount; mean over episodes.",
    "eval/unpaid_return": "Return under the parts of a mixture with weight 0 (the mean of their rewards), from which "
    "the policy never learns; mean over episodes. If it falls while the learned return rises, the policy exploits its "
    "reward.",
    "eval/part_return": "Return under one part of a mixture, not weighted, without discount; mean over episodes.",
    "eval/learned_reward_final": "Learned reward of an episode's last step, mean over episodes: how much the learned "
    "reward pays for the policy's result.",
    "eval/reward_heldout_goals": "Mean learned reward of held-out goal examples: how much it pays for a real success.",
    "eval/return_correlation": "Spearman's rank correlation of learned and true return over the episodes of an "
    "evaluation, -1 to 1; absent when all episodes have the same return.",
    "eval/epic_distance": "EPIC distance between the learned and the true reward over visited transitions, which "
    "ignores differences that change no policy's rank: 0 is equivalent, 0.71 is unrelated, 1 is the opposite.",
    "eval/true_reward_correlation": "Pearson's correlation of learned and true reward over visited transitions.",
    "eval/prob_heldout_goals": "Mean output of the classifier (probability of goal) on held-out goal examples.",
    "eval/prob_non_goals": "Mean output of the classifier on the non-goal examples.",
    "eval/prob_visited": "Mean output of the classifier on all states of the evaluation episodes.",
    "eval/prob_successes": "Mean output of the classifier on the true successes among all states of the evaluation "
    "episodes; absent if there were none. Below 0.5 the classifier rejects what the policy achieves.",
    "train/true_reward": "The environment's own reward per step in the training rollout; only reported, unless the run "
    "trains on it.",
    "train/success": "Share of successes among the training episodes that ended in the round, with exploration; absent "
    "if no episode ended.",
    "train/same_start_accuracy": "Share of the pairs of responses to the same prompt, of this round's policy, that the "
    "learned reward orders as the true reward does.",
    "agent/reward_mean": "Learned reward per step in the training rollout: what the policy learns from, before "
    "scaling.",
    "agent/entropy": "Entropy of the policy in nats; lower means less exploration.",
    "agent/kl": "KL divergence from the old to the new policy of an update, in nats.",
    "agent/epochs_used": "Number of passes that PPO made over the round's experience before the KL divergence stopped "
    "it; partial passes count as fractions.",
    "agent/learning_rate": "Learning rate of the policy and the value function in the round, if a schedule changes it.",
    "agent/value_loss": "Loss of the value function, on scaled rewards: its squared error, or the cross-entropy of a "
    "distribution.",
    "agent/policy_loss": "The clipped surrogate loss of the policy; its absolute value means little.",
    "agent/clip_fraction": "Share of training samples whose policy ratio was clipped.",
    "agent/explained_variance": "Share of the returns' variance that the value function explains; 1 is perfect.",
    "agent/reference_kl": "KL divergence of the policy's responses from the policy that this run began with, in nats a "
    "response: the exact divergence of each token's distribution where it is computed, else the estimate k1.",
    "agent/reference_kl_k1": "That divergence estimated by the log-ratio of sampled tokens: unbiased, of either sign.",
    "agent/reference_kl_k2": "That divergence estimated by half the squared log-ratio: biased, never negative.",
    "agent/reference_kl_k3": "That divergence estimated by 1/ratio - 1 + log-ratio: unbiased, never negative.",
    "agent/reference_kl_exact": "That divergence over all tokens of the vocabulary, at the prefixes that were sampled.",
    "agent/kl_coefficient": "Price of one nat of that divergence (beta).",
    "agent/reward_deviation": "Standard deviation of the learned reward over the responses of a round.",
    "agent/reward_deviation_same_prompt": "Standard deviation of the learned reward among responses to the same "
    "prompt, mean over prompts: what the policy can learn from.",
    "agent/revised": "Share of a round's responses in which the model's own critique found a fault, so that they were "
    "revised.",
    "agent/reward_kept": "Mean learned reward of the responses that are imitated.",
    "agent/length": "Mean length of a response in tokens, its end included.",
    "agent/ended": "Share of the responses that ended before the limit of tokens.",
    "agent/distinct_1": "Number of different tokens in a round's responses, as a share of all its tokens.",
    "agent/distinct_2": "The same for pairs of successive tokens; it falls when responses become alike.",
    "agent/repetition": "Share of a response's three-token sequences that it already contained, mean over responses.",
    "agent/unique_responses": "Share of different responses in a round.",
    "agent/accuracy": "Share of the compared pairs in the batches whose preferred response gained more probability.",
    "agent/heldout_accuracy": "The same share on comparisons that are never trained on.",
    "agent/comparisons": "Number of decided pairs to learn from; ties and unanswered queries do not count.",
    "agent/chosen_log_ratio": "Mean change of the log-probability of preferred responses since the run began, in nats.",
    "agent/rejected_log_ratio": "The same for the other responses of the pairs.",
    "agent/reward_scale": "The number that rewards are divided by before learning.",
    "agent/recorded_value": "Mean discounted return from all recorded steps, under the current reward.",
    "agent/q_recorded": "Mean value that the critics give to the recorded actions in a batch.",
    "agent/q_policy": "Mean value that the critics give to the policy's own actions in the states of a batch; offline, "
    "far above agent/q_recorded or agent/recorded_value it is overestimated.",
    "agent/q_largest": "Largest value that a critic gives to an action in a batch.",
    "agent/v_mean": "Mean value of the states in a batch.",
    "agent/weight_mean": "Mean weight of the recorded actions in a batch, exp(advantage / temperature) and clipped.",
    "agent/weight_clipped": "Share of recorded actions whose weight was clipped.",
    "agent/advantage_std": "Standard deviation of the advantages of all recorded actions.",
    "agent/cloned_share": "Share of the recorded steps that are imitated.",
    "agent/cloned_return_least": "Least return of an episode that is imitated.",
    "agent/conservative_gap": "Mean of log sum exp Q minus the value of the recorded action, which CQL keeps low.",
    "agent/conservative_weight": "Weight of that difference in the critics' loss.",
    "agent/distance": "Mean squared distance of the policy's actions from the recorded ones, with actions in [-1, 1].",
    "agent/positive_share": "Share of the recorded steps that count as better than usual.",
    "agent/advantage_threshold": "Advantage above which an action counts as better than usual.",
    "eval/value_estimate": "Mean value of the evaluation episodes' first states as the algorithm estimates it, in the "
    "learned reward; far above eval/discounted_return it is overestimated (episodes that a limit cuts have a lower "
    "return than estimated).",
    "eval/discounted_return": "Mean discounted learned return of the evaluation episodes.",
    "eval/recorded_return": "Mean true return per episode of the recorded steps that the run learns from.",
    "reward/gradient_norm": "Norm of the gradient of the reward model's loss.",
    "reward/loss": "Training loss of the reward model, in nats.",
    "eval/demo_return": "Mean true return per episode of the demonstrations that the run learns from.",
    "reward/accuracy_goal": "Share of goals that the classifier labels as goals, in a fresh batch after the round.",
    "reward/accuracy_negative": "Share of negatives that the classifier labels as negatives, in that batch.",
    "reward/prob_goal": "Mean output of the classifier on the goals in that batch.",
    "reward/prob_negative": "Mean output of the classifier on the negatives in that batch.",
    "reward/accuracy_expert": "Share of demonstrated steps that the discriminator labels as demonstrated, in a fresh "
    "batch after the round.",
    "reward/accuracy_policy": "Share of the policy's steps that the discriminator labels as the policy's, in that "
    "batch.",
    "reward/prob_expert": "Mean output of the discriminator (probability of demonstrated) on the demonstrated steps in "
    "that batch.",
    "reward/prob_policy": "Mean output of the discriminator on the policy's steps in that batch; if it is near 0.5, "
    "like the output on the demonstrations, the discriminator cannot tell them apart.",
    "reward/entropy": "Mean entropy of the classifier's outputs in training, in nats; 0.69 is complete uncertainty, 0 "
    "is certainty.",
    "eval/prob_demos": "Mean output of the discriminator on all demonstrations (for AIRL the sigmoid of f, without the "
    "policy's probability).",
    "eval/prob_policy": "Mean output of the discriminator on the evaluation episodes (for AIRL the sigmoid of f).",
    "eval/reward_demos": "Mean learned reward of the demonstrations, per step.",
    "agent/loss": "The loss on training data, in nats: of behaviour cloning per step, of a language model per token, "
    "of learning from comparisons per pair.",
    "agent/validation_loss": "The same loss on held-out data: demonstrated steps, or the tokens of texts; in nats.",
    "agent/validation_perplexity": "exp(validation loss) of a language model: among how many equally likely tokens it "
    "chooses.",
    "agent/best_validation_loss": "The lowest validation loss so far, which is that of the policy that acts.",
    "agent/stopped": "1 after behaviour cloning has stopped because its validation loss no longer fell.",
    "agent/imitation_loss": "Mean squared distance between the policy's mode and the demonstrated actions, scaled to "
    "[-1, 1].",
    "gradient_steps": "Gradient steps up to the end of the round, for an algorithm that takes no environment steps.",
    "reward/negatives": "Number of states that the classifier's negatives are drawn from: examples and visited states.",
    "reward/places": "Number of places among those states: cells of a grid, which are drawn with equal probability.",
    "reward/places_alone": "Share of those states that are alone in their place; near 1, drawing places is the same as "
    "drawing visits.",
    "reward/out_of_range": "Share of training steps at which a term of the written reward was not a number, which "
    "counts as 0, or beyond 1e6, where it is clipped; anything above 0 calls for another expression.",
    "eval/out_of_range": "Share of the evaluations' steps at which a term of the written reward was not a number, or "
    "was clipped.",
    "reward/gradient_penalty": "The gradient penalty's part of the reward model's loss.",
    "reward/feature_gap": "Distance between the feature counts of the learned reward's own policy, by the model, and "
    "those of the demonstrations: half the sum of absolute differences. For cells it is the share of steps elsewhere.",
    "eval/feature_gap": "Distance between the feature counts of the evaluation episodes and those of the "
    "demonstrations; sampling keeps it above 0.",
    "agent/critic_loss": "Squared error of the critics, mean over critics, on scaled rewards.",
    "agent/q_mean": "Mean value that SAC's critics predict for the sampled states and actions, in scaled rewards.",
    "agent/actor_loss": "Loss of the policy. SAC: temperature times log-probability, minus the critics' value.",
    "agent/temperature": "Weight of the entropy in SAC's return.",
    "reward/queries": "Queries asked so far.",
    "reward/heldout_loss": "Cross-entropy of the held-out labels under the weights that pay, in nats.",
    "reward/completion_tokens": "Tokens that the policy wrote to complete responses, which give steps their labels.",
    "reward/labels": "Queries answered so far, with the comparisons of a file; ties count, refusals do not.",
    "reward/answered_yes": "Queried states so far in which the labeler says that the task is done; goals are drawn "
    "from them too.",
    "reward/answered_no": "Queried states so far in which the labeler says that the task is not done; negatives are "
    "drawn from them too.",
    "reward/accuracy": "Share of the decided answers in a training batch that the reward model predicts correctly.",
    "reward/length_correlation": "Correlation of rewards and response lengths over compared pairs; length control "
    "pushes it towards 0.",
    "reward/length_coefficient": "How much the length alone explains answers under length control: log-odds for a pair "
    "whose lengths differ as much as those of pairs do on average.",
    "reward/heldout_accuracy": "Share of the decided held-out answers that the ensemble's mean predicts correctly.",
    "reward/bag_of_words_accuracy": "The same share for a baseline: a linear model of how often each word stands in a "
    "response, fitted to the same answers.",
    "reward/heldout_calibration_error": "Expected calibration error on the held-out answers: difference between the "
    "reward model's confidence and its accuracy, mean over bins of confidence.",
    "reward/pseudo_labels": "Share of the unlabelled pairs whose answer the reward model predicts with confidence.",
    "reward/agreement": "Share of the decided answers that the posterior mean of the weights predicts correctly.",
    "reward/weights_spread": "Posterior standard deviation of the weights, mean over features: the remaining "
    "uncertainty.",
    "reward/games": "Games of Alice and Bob completed in training so far.",
    "reward/task_episodes": "Task episodes that Bob has completed in training so far.",
    "reward/bob_success": "Share of the round's games in which Bob reached Alice's goal; a goal at which he began "
    "counts.",
    "reward/valid_share": "Share of the round's steps that are trained on; the others belong to games that began too "
    "late in the round.",
    "reward/t_alice": "Alice's moves in a game, mean over the round; the action of stopping is not counted.",
    "reward/t_bob": "Bob's moves in a game, mean over the round; if he fails, all moves that he had.",
    "reward/goal_distance": "Distance from Bob's start to Alice's goal, in the units of the goal, mean over the round.",
    "reward/task_success": "Share of the round's task episodes in which Bob ended in success.",
    "reward/touched": "Number of objects in the world that Alice changed before she set a goal, mean over the round.",
    "eval/alice_return": "Alice's return in an evaluation game, without discount; mean over games.",
    "eval/bob_return": "Bob's return in an evaluation game, without discount; mean over games.",
    "eval/game_reached": "Share of evaluation games in which Bob reached Alice's goal; both play as in training.",
    "eval/game_t_alice": "Alice's moves in an evaluation game, mean over games.",
    "eval/game_t_bob": "Bob's moves in an evaluation game, mean over games.",
    "eval/game_distance": "Distance from Bob's start to Alice's goal in an evaluation game, mean over games.",
    "eval/game_touched": "Number of objects in the world that Alice changed in an evaluation game, mean over games.",
    "agent/bob_cloning_loss": "Bob's imitation loss on Alice's moves towards goals that he failed: weighted negative "
    "log-probability of her moves, in nats.",
    "reward/bonus_mean": "Curiosity's bonus per step of the training rollout.",
    "reward/bonus_television": "Curiosity's bonus per training step that leads to where the television shows static; "
    "absent if there was none.",
    "reward/bonus_elsewhere": "Curiosity's bonus per training step of all other steps.",
    "reward/television_visits": "Training steps so far that led to where the television shows static.",
    "reward/coverage": "Share of the world's cells that were visited in training at least once.",
    "reward/inverse_loss": "Loss of predicting the action from the states before and after it, in nats; it shapes the "
    "features that curiosity predicts.",
    "eval/visits": "Visits to a cell in training so far, mean over all cells.",
    "reward/mean": "Reward per step of the training rollout, before any weight.",
    "labeler/calls": "Requests to the AI judge so far, repeated and failed requests included; of a model of your own, "
    "the responses that it has read.",
    "labeler/tokens": "Tokens of those requests, prompts and replies together; estimated if the judge does not report "
    "them.",
    "labeler/seconds": "Seconds of all requests to the AI judge, one after the other.",
    "labeler/self_consistency": "Mean share of the samples of a question that agree with most of them.",
    "labeler/flip_rate": "Share of the compared pairs on which the AI judge contradicts itself when the clips are "
    "swapped; 1/2 or more means that it judges by position.",
    "labeler/refused": "Queries that the AI judge left without an answer: a reply contained none, the endpoint refused "
    "the prompt, or a cap was reached.",
    "labeler/agreement_with_true_return": "Share of the pairs that the scripted teacher decided so far whose "
    "order is that of their true returns; a learned reward cannot be expected to predict more of its answers.",
    "round": "Number of the round, from 0.",
    "env_steps": "Environment steps of each seed, over all its environments, up to the end of the round.",
    "time/compile_seconds": "Time to compile the round's program, in seconds; only in the first round after a start.",
    "time/collect_seconds": "Time to collect the round's experience, in seconds; only if the environment runs on the "
    "host.",
    "time/round_seconds": "Time of the whole round, collecting and learning, in seconds.",
    "time/evaluate_seconds": "Time of the evaluation after the round, in seconds.",
    "time/env_steps_per_second": "Environment steps per second of a round, collecting and learning together.",
}
OF_PART = "Measured for the mixture's part {}."
DETERMINISTIC = " Measured with the policy's mode, without exploration."
FAMILIES = {
    "reward/cost_": "Mean cost per step in training, before its multiplier, of a limit of reward=constraints.",
    "reward/multiplier_": "Multiplier of a limit of reward=constraints, in units of reward per unit of cost: it rises "
    "while the mean cost exceeds the limit.",
    "eval/cost_": "Mean cost per step of a limit of reward=constraints in the evaluation episodes.",
    "reward/term_": "Mean per step of a term of the hand-designed or written reward in training, before its weight "
    "in hand_designed.",
    "eval/term_": "Mean per step of a term of the hand-designed or written reward in the evaluation episodes, before "
    "its weight in hand_designed.",
    "eval/gold_": "A part of the true reward of texts, mean over responses: what style, help and harmlessness are "
    "worth, or how many sentences of a kind there are.",
    "eval/chain_": "A count or a share of the verifier's judgement of arithmetic problems, mean over responses: right "
    "answers, sound responses (every step is right), steps, right steps, those before the first wrong one, tokens.",
    "reward/weight_": "Posterior mean of the weight of a feature, whose unit is its standard deviation.",
    "agent/alice_": "The metric of the same name without alice_, for Alice's policy.",
    "agent/bob_": "The metric of the same name without bob_, for Bob's policy.",
}
"""Meanings by the first part of a metric's name."""
WORDS = {
    "exploit alarm": "Raised when the policy probably exploits the learned reward: in three evaluations in a row true "
    "success is below 5% while final states earn at least the learned reward of held-out goals. If success or goals "
    "are unknown, it is raised when over five evaluations the learned return rises and the true return does not; "
    "without a true reward, the unpaid return is compared instead. Active means that it is raised at the last "
    "evaluation.",
    "collapse": "Reported when success was held and then lost: in three evaluations in a row it is below two thirds of "
    "its highest mean over three evaluations in a row, if that was at least 0.5.",
    "checkpoints/best": "Policy and reward of the run's best evaluation, chosen by the criterion under \"How to repeat "
    'this run".',
    "interquartile mean": "Mean over seeds without the lowest and the highest quarter of the seeds; with fewer than "
    "four seeds it is the mean.",
    "AUC": "Area under the ROC curve: the probability that a goal gets a higher classifier output than another state.",
}


def meaning(key: str) -> str | None:
    """Return what the metric ``key`` measures; None if it has no description."""
    plain = key.removesuffix("_deterministic")
    if plain in METRICS:
        return METRICS[plain] + ("" if plain == key else DETERMINISTIC)
    family = next((text for start, text in FAMILIES.items() if key.startswith(start)), None)
    part, whole = split_part(key)
    if family is None and part and (told := meaning(whole)):
        return f"{told} {OF_PART.format(part)}"
    return family


def glossary(*runs: RunFiles) -> list[tuple[str, str]]:
    """Return (name, meaning) of the terms that pages use, then of the metrics that any of ``runs`` has."""
    present = {key for run in runs for row in run.rows for key, value in row.items() if value is not None}
    entries = [(key, text) for key, text in METRICS.items() if key in present]
    for start, text in FAMILIES.items():
        if any(key.startswith(start) for key in present):
            entries.append((f"{start}...", text))
    entries += [(key, text) for key in sorted(present) if split_part(key)[0] and (text := meaning(key))]
    if any(key.endswith("_deterministic") for key in present):
        entries.append(("..._deterministic", DETERMINISTIC.strip()))
    return [*WORDS.items(), *entries]
