"""Parses a reply: from the raw JSON of a chat completion to the probabilities of the offered answers.

Some replies must not be mistaken for an answer: a thought, an article ("A tie."), a negation ("Not A"), a sentence that
was cut off. After a doubtful reply the judge is asked once more, and then the query is refused.
"""

import json
import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

from rl_rewards.labelers.judge.prompts import WORDS

CUT = ("length", "max_tokens", "max_output_tokens", "model_length")
"""Values of finish_reason, from various endpoints, for a reply that reached its token limit."""
WITHHELD = ("content_filter", "safety", "recitation", "error")
"""Values of finish_reason for a reply that is not the model's own."""
_THOUGHT = "think|thinking|thought|thoughts|reasoning|reason|reflection|analysis"
_OPENED = (
    rf"<(?:[\w-]+:)?(?:{_THOUGHT})>",
    rf"\[(?:{_THOUGHT})\]",
    r"◁think▷|<\|START_THINKING\|>",
    r"<\|channel\|?>\s*(?:analysis|thought)",
)
_CLOSED = (
    rf"</(?:[\w-]+:)?(?:{_THOUGHT})>",
    rf"\[/(?:{_THOUGHT})\]",
    r"◁/think▷|<\|END_THINKING\|>|<channel\|>",
    r"<\|channel\|>\s*final\s*<\|message\|>",
)
"""Marks around a model's thoughts, if the server leaves them in the reply."""
OPENED, CLOSED = (re.compile("|".join(marks), re.IGNORECASE) for marks in (_OPENED, _CLOSED))
MARKS = re.compile(r"<\|[^|<>]*\|>|</?s>|<end_of_turn>|<eos>|</?answer>")
"""Marks of a chat template, which are not part of the answer."""
VERBS = "is|was|does|did|has|had|wins|won|looks|seems|comes|came|gets|got|reaches|performs|because|since|as|and|or"
UNREAD = "the judge's replies contain no answer"
ARTICLE = re.compile(rf"(?:(?<=[.!?:;,\n])|^)(\W*)A(?=\s+(?!(?:{VERBS})\b)[a-z])")
"""An A at the beginning of a sentence that is an article, because no verb follows: "A tie", "A clear choice"."""
UNDECIDED = re.compile(
    r"\b(?:not|no|never|neither|nor|none|cannot|tie|ties|tied|draw|equal|equally|same|both|either|unclear|unsure|"
    r"undecided|impossible)\b|n\Wt\b|\?",
    re.IGNORECASE,
)
"""Words that negate or withdraw an answer in the same sentence."""
NO_RATING = re.compile(r"\d[.,]\d|-\d|\b(?:step|frame|entry|clip|state)s?\s+\d", re.IGNORECASE)


class NoAnswer(NamedTuple):
    """The judge did not answer a question."""

    why: str  # the reason, for people


class Reply(NamedTuple):
    """The reply to one request."""

    text: str
    tokens: int | None  # of request and reply together; None if the server does not count them
    likely: list[tuple[str, dict[str, float]]]  # for each token: its text, and log-probabilities (nats) of likely ones
    finish: str | None = None  # finish_reason: stop, length, ...; None if the server gives none
    error: tuple[str | int | None, str] | None = None  # the endpoint's error: code and message

    @property
    def spoken(self) -> str:
        return spoken(self.text)


def spoken(text: str) -> str:
    """Return the text after the last thought; empty if a thought does not end."""
    rest = CLOSED.split(text)[-1]
    return "" if OPENED.search(rest) else MARKS.sub(" ", rest).strip()


def reply_of(raw: str) -> Reply:
    """Return the reply of a chat completion's JSON; log-probabilities may be missing.

    Raises:
        ValueError: when ``raw`` is not a chat completion with a choice.
    """
    try:
        body = json.loads(raw)
        error = error_of(body)
        if error is not None:
            return Reply("", None, [], error=error)
        choice = body["choices"][0]
        text = _text(choice["message"].get("content"))
        usage = body.get("usage") or {}
        tokens, finish = usage.get("total_tokens"), choice.get("finish_reason")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError("the reply is not a chat completion") from error
    counted = tokens if isinstance(tokens, int) and tokens >= 0 else None
    return Reply(text, counted, _likely(choice), finish.lower() if isinstance(finish, str) else None)


def error_of(body: Any) -> tuple[str | int | None, str] | None:
    """Return code and message of an error in a response's body or in its first choice; None if there is none."""
    if not isinstance(body, dict):
        return None
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    error = body.get("error") or (first.get("error") if isinstance(first, dict) else None)
    if error is None and first is None:
        error = body.get("detail") or body.get("message")
    if not error:
        return None
    if not isinstance(error, dict):
        return None, error if isinstance(error, str) else json.dumps(error)
    code = error.get("code") or error.get("status") or error.get("type")
    return code if isinstance(code, str | int) else None, str(error.get("message") or json.dumps(error))


def _text(content: Any) -> str:
    """Return the text of a message's content; parts other than text (a thought, a picture) are left out."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise ValueError("the reply's content is not text")
    parts = [part if isinstance(part, dict) else {"type": "text", "text": part} for part in content]
    texts = [part.get("text") for part in parts if part.get("type", "text") in ("text", "output_text")]
    return "".join(text for text in texts if isinstance(text, str))


def _likely(choice: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
    try:
        content = (choice.get("logprobs") or {}).get("content") or []
        return [
            (str(one["token"]), {str(top["token"]): float(top["logprob"]) for top in one.get("top_logprobs") or []})
            for one in content
        ]
    except (KeyError, TypeError, ValueError, AttributeError):
        return []  # not in the official format: ignore them


def read(reply: Reply, options: Sequence[str]) -> dict[str, float] | None:
    """Return probabilities of ``options``, summing to 1; None if the reply names none of them, or several.

    They come from the log-probabilities of the answer's token, normalised over ``options``. Without these, the named
    option has probability 1.
    """
    if reply.error is not None or reply.finish in WITHHELD:
        return None
    said = one_word(reply.text, options) if tuple(options) in WORDS else chosen(reply.text, options)
    if said is None or (reply.finish in CUT and not _stands_alone(reply.spoken, said)):
        return None
    shares = _shares(reply, said, options)
    return shares or {option: float(option == said) for option in options}


def unread(reply: Reply) -> str:
    """Return the reason why :func:`read` found no answer in ``reply``, for people."""
    if reply.error is not None:
        return f"the endpoint says: {reply.error[1]}"
    if reply.finish in CUT or reply.finish in WITHHELD:
        return f"{UNREAD} (finish_reason={reply.finish})"
    return UNREAD if reply.spoken else f"{UNREAD} (they are empty)"


def chosen(text: str, options: Sequence[str]) -> str | None:
    """Return the option at the beginning or the end of ``text``; None if it names no option or several."""
    said = re.sub(r"(?:/|out of)\s*\d+", " ", _plain_letters(spoken(text)))
    if NO_RATING.search(said) and options[0].isdigit():
        return None
    if "A" in options:
        said = ARTICLE.sub(r"\1 ", said)
    words = re.findall(r"\w+", said)
    named = {word for word in words if word in options}
    if len(named) != 1:
        return None
    (one,) = named
    naming = [part for part in re.split(r"(?<=[.!?])\s+|\n", said) if one in re.findall(r"\w+", part)]
    decided = not any(UNDECIDED.search(part) for part in naming)
    return one if decided and one in (words[0], words[-1]) else None


def one_word(text: str, options: Sequence[str]) -> str | None:
    """Return the option if ``text`` is only that word, perhaps after "Answer"; None for anything longer.

    Many sentences begin with "No" but are not an answer ("No idea", "No case can be seen").
    """
    said = re.findall(r"\w+", _plain_letters(spoken(text)).casefold())
    words = said[1:] if said[:1] == ["answer"] else said
    return words[0] if len(words) == 1 and words[0] in options else None


def _stands_alone(text: str, said: str) -> bool:
    """Return True if the cut-off text begins with its answer as a separate word, which no later text could change."""
    alone = rf"\W*{re.escape(said)}[^\w\s]*(?:$|\n|(?<=[.!:;)*])\s)"
    return re.match(alone, _plain_letters(text), re.IGNORECASE) is not None


def _plain_letters(text: str) -> str:
    """Convert full-width and other forms of a letter to the letter itself."""
    return unicodedata.normalize("NFKC", text)


def _shares(reply: Reply, said: str, options: Sequence[str]) -> dict[str, float] | None:
    """Return probabilities of ``options`` from the log-probabilities of the answer's token.

    Returns None if the log-probabilities do not belong to the reply's text (but to a hidden thought, for example), or
    if they make another answer more likely than the given one.
    """
    tokens = _tokens_of(reply)
    places = [i for i, (token, _) in enumerate(tokens) if _plain(token, options) == said]
    if not places:
        return None
    last_word = _plain(re.findall(r"\w+", reply.spoken)[-1], options)
    place = places[-1] if last_word == said else places[0]
    shares = dict.fromkeys(options, 0.0)
    for token, logprob in tokens[place][1].items():
        if _plain(token, options) in shares:  # "A" and " A" are two tokens and one answer
            shares[_plain(token, options)] += math.exp(min(logprob, 0.0))
    total = sum(shares.values())
    if total <= 0.0 or shares[said] < (1.0 - 1e-9) * total / len(options):
        return None
    return {option: share / total for option, share in shares.items()}


def _tokens_of(reply: Reply) -> list[tuple[str, dict[str, float]]]:
    """Return the last tokens of ``reply.likely`` that spell the spoken text; empty if none do."""
    tail = ""
    for i in reversed(range(len(reply.likely))):
        tail = reply.likely[i][0] + tail
        if MARKS.sub(" ", tail).strip() == reply.spoken:
            return reply.likely[i:]
    return []


def _plain(token: str, options: Sequence[str]) -> str:
    """Return ``token`` in the form of an option: "Yes" and " yes" are one answer, but "a" is not the letter A."""
    bare = _plain_letters(token).strip()
    return bare.casefold() if tuple(options) in WORDS else bare
