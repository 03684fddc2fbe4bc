"""accumulate_gradients: the gradient of a batch that is too large to go through the model at once."""

from typing import TYPE_CHECKING, Any, Callable, Iterable, Tuple

from .grad_scaler import times

if TYPE_CHECKING:
    from .model import Model

__all__ = ["accumulate_gradients"]


def accumulate_gradients(
    model: "Model", loss: Callable[[Any, Any], Tuple[Any, Any]], parts: Iterable[Tuple[Any, Any]]
) -> float:
    """Add up the gradients of the parts of a batch, as if they had gone through the model together.

    model.finish_update(optimizer) comes after it, once for all parts. Layers that look at a batch as a whole, such as
    BatchNorm, still see the parts.
    loss: loss(guesses, truths) -> (gradient, loss): a Loss, whose `count` says what its mean divides by; or a function,
        a mean over len(truths). Losses without `normalize` are sums, and so is what is returned for them.
    parts: (X, truths) of each. A Ragged or a Padded has its sequences as truths.
    RETURNS: the loss of the whole batch: the mean of those of the parts, each as often as it counts.
    RAISES: ValueError when nothing counts in any part.
    """
    count: Callable[[Any], float] = getattr(loss, "count", len)
    given = [(X, truths, count(truths)) for X, truths in parts]
    total = sum(n for _, _, n in given)
    if total == 0:
        raise ValueError(f"accumulate_gradients: there must be at least one truth; got {len(given)} parts without any")
    mean = 0.0
    for X, truths, n in given:
        if n == 0:
            continue
        guesses, backprop = model.begin_update(X)
        gradient, value = loss(guesses, truths)
        share = n / total if getattr(loss, "normalize", True) else 1.0
        backprop(times(gradient, share))
        mean += float(value) * share
    return mean
