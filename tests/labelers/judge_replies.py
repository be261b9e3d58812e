"""Replies seen from real endpoints, and the right reading of each; None means no answer."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Case(NamedTuple):
    """A reply to a question with these options."""

    options: str  # letters, digits or yes_no
    what: str
    right: str | None
    content: Any = None
    finish: str | None = "stop"
    message: Mapping[str, Any] = MappingProxyType({})
    likely: tuple[tuple[str, dict[str, float]], ...] = ()  # for each token: its text and log-probabilities

    @property
    def body(self) -> str:
        """Return the JSON of the chat completion."""
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", "content": self.content, **self.message},
            "finish_reason": self.finish,
        }
        if self.likely:
            tokens = [
                {"token": token, "top_logprobs": [{"token": one, "logprob": value} for one, value in tops.items()]}
                for token, tops in self.likely
            ]
            choice["logprobs"] = {"content": tokens}
        return json.dumps({"choices": [choice]})


NEAR, FAR = -0.1, -2.4
"""Log-probabilities of about 0.9 and 0.1."""
CASES = [
    # Thoughts.
    Case("letters", "a thought cut by the limit", None, "<think>\nOkay, the question is about clip A", "length"),
    Case("letters", "a thought that the template opened, cut", None, "Okay, let me first look at A", "length"),
    Case("letters", "a thought with another name of the limit", None, "<think>It is A", "MAX_TOKENS"),
    Case("letters", "a harmony thought, cut", None, "<|channel|>analysis<|message|>We compare clip A", "length"),
    Case("letters", "a thought that never ends, although it stops", None, "<think>It must be A"),
    Case("digits", "a thought cut, digits in it", None, "<think>\nThe agent must reach the goal; at step 3", "length"),
    Case("letters", "nothing but a hidden thought", None, None, "length", {"reasoning_content": "the clip A ..."}),
    Case("letters", "a thought in brackets", "B", "[THINK]A or B? A is closer.[/THINK]B"),
    Case("letters", "a thought in tags", "B", "<thinking>Look at A.</thinking>\nB"),
    Case("letters", "a thought without its beginning", "A", "B seems near, but no.\n</think>\n\nA"),
    Case(
        "letters", "a harmony thought and its end", "B",
        "<|channel|>analysis<|message|>A or B<|end|><|start|>assistant<|channel|>final<|message|>B<|return|>",
    ),
    Case("letters", "an answer after a thought, cut behind it", "B", "<think>A?</think>B. It stays", "length"),
    Case("yes_no", "a thought about yes", None, "<think>Yes", "length"),
    # Replies that are not answers.
    Case("letters", "an article", None, "A tie."),
    Case("letters", "an article and more", None, "A clear choice is not possible."),
    Case("letters", "an article behind a colon", None, "Answer: A tie"),
    Case("letters", "a negation", None, "Certainly not A"),
    Case("letters", "a negation in one word", None, "It isn't A."),
    Case("letters", "a question", None, "A?"),
    Case("letters", "neither", None, "I would say neither, if I must, A"),
    Case("letters", "an empty reply", None, ""),
    Case("letters", "a filtered reply", None, "A", "content_filter"),
    Case("letters", "a sentence cut before its end", None, "B is", "length"),
    Case("digits", "a rating that is denied", None, "Not 7"),
    Case("digits", "a negative rating", None, "-3"),
    Case("digits", "a step and no rating", None, "It reaches the goal at step 3."),
    Case("digits", "a rating cut within", None, "7.5", "length"),
    # Replies that are answers.
    Case("letters", "content in parts", "A", [{"type": "text", "text": "A"}]),
    Case("letters", "a thought among the parts", "B", [{"type": "thinking", "thinking": "A"}, {"text": "B"}]),
    Case("letters", "full width", "B", "\uff22"),
    Case("digits", "full width", "7", "\uff17"),
    Case("letters", "an answer, then an article", "B", "B. A shorter path is taken there."),
    Case("letters", "a reason behind the answer", "A", "A is better."),
    Case("letters", "a cut reason behind the answer", "A", "**A**\n\nBecause the", "length"),
    Case("letters", "an answer in tags", "B", "<answer>B</answer>"),
    Case("letters", "the letter alone at the limit", "A", "A", "length"),
    Case("letters", "a finish that nobody knows", "A", "A", "eos"),
    Case("letters", "no finish at all", "A", "A", None),
    # Log-probabilities.
    Case("letters", "of another answer than the text's", "B", "B", likely=(("B", {"A": NEAR}),)),
    Case("letters", "that hold the other for likelier", "B", "B", likely=(("B", {"A": NEAR, "B": FAR}),)),
]  # fmt: skip
