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
    loss: loss(guesses, truths) -> (gradient, loss), a mean over the truths, as all losses with `normalize` are.
    parts: (X, truths) of each; a part of n truths counts n times. A Ragged or a Padded has its sequences as truths.
    RETURNS: the mean of the losses of the parts, weighted so.
    RAISES: ValueError when there are no truths at all.
    """
    given = [(X, truths, len(truths)) for X, truths in parts]
    total = sum(n for _, _, n in given)
    if total == 0:
        raise ValueError(f"accumulate_gradients: there must be at least one truth; got {len(given)} parts without any")
    mean = 0.0
    for X, truths, n in given:
        if n == 0:
            continue
        guesses, backprop = model.begin_update(X)
        gradient, value = loss(guesses, truths)
        backprop(times(gradient, n / total))
        mean += float(value) * n / total
    return mean
