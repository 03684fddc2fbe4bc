"""Spans as a tag per word: BIO (also read: BIOES, BILOU and the old IOB, where a span need not begin with B)."""

from typing import Iterable, List, Sequence, Tuple

from .metrics import Span

OUTSIDE = "O"
_BEGINS, _INSIDE, _ENDS = "BSU", "I", "ESLU"  # S and U: a span of one word; E and L: its last word


def split_tag(tag: str) -> Tuple[str, str]:
    """("B", "PER") of "B-PER"; ("O", "") of "O". RAISES: ValueError for anything else."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    letter, dash, label = tag.partition("-")
    if not dash or not label or len(letter) != 1 or letter not in "BIESLU":
        raise ValueError(f'a tag must be O or a letter of B, I, E, S, L, U with a label, as in B-PER; got "{tag}"')
    return letter, label


def spans_of(tags: Iterable[str]) -> List[Span]:
    """The spans that tags mark, in order. Tags that do not fit together are taken as conlleval takes them:

    a span ends where the label changes or a tag begins another, and an I or E with nothing before it begins one.
    """
    spans: List[Span] = []
    start, open_label = 0, ""
    position = -1
    for position, tag in enumerate(tags):
        letter, label = split_tag(tag)
        if open_label and (letter in _BEGINS or label != open_label):
            spans.append((start, position, open_label))
            open_label = ""
        if label and not open_label:
            start, open_label = position, label
        if open_label and letter in _ENDS:
            spans.append((start, position + 1, open_label))
            open_label = ""
    if open_label:
        spans.append((start, position + 1, open_label))
    return spans


def bio_tags(spans: Iterable[Span], n_words: int) -> List[str]:
    """A tag per word. RAISES: ValueError for spans that overlap or reach beyond the words."""
    tags = [OUTSIDE] * n_words
    for start, end, label in spans:
        if not 0 <= start < end <= n_words:
            raise ValueError(f"spans must lie within the {n_words} words; got {(start, end, label)}")
        if any(tag != OUTSIDE for tag in tags[start:end]):
            raise ValueError(f"spans must not overlap; got {(start, end, label)}")
        tags[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
    return tags


def to_bio(tags: Sequence[str]) -> List[str]:
    """The same spans in BIO, whatever kind of tags it were."""
    return bio_tags(spans_of(tags), len(tags))
