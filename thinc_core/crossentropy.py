"""CrossEntropy: the log-likelihood of classes, with class weights and label smoothing, and its exact gradient."""

from typing import Any, Callable, List, Optional, Sequence, Tuple, Union, cast

import numpy

from .backends import get_array_ops
from .config import registry
from .loss import Loss, value_of, wide_dtype
from .types import Floats2d, Ints1d

__all__ = ["CrossEntropy"]

Truths = Union[Ints1d, Floats2d, Sequence[int]]


@registry.losses("CrossEntropy.v1")
class CrossEntropy(Loss):
    """The mean over the rows of -sum over c of weight[c] * target[c] * log p[c], p = softmax(guesses).

    Called as loss(guesses, truths) -> (gradient, loss). The gradient is the one with respect to the logits, also for
    probabilities: Softmax passes it through.

    guesses: (B, O) logits, or probabilities without `from_logits`; or a list of such arrays.
    truths: (B,) class ids, or (B, O) targets, rows of probabilities; a list of them for a list of guesses, which are
        rows of one batch, and the gradient is a list.
    class_weights: a number for each class; the mean is then over the weights of the true classes, so that classes with
        large weights count more, and losses keep their size.
    label_smoothing: probability taken from the target and shared equally by all classes, the right one included.
    ignore: id of the rows that have no gradient and do not count; None: no such id.
    normalize: divide by that mean's denominator; otherwise gradient and loss are sums.
    On a GPU the loss is an array of no dimensions, for which nobody has waited, and labels out of range are reported.
    SOURCE: Szegedy et al. 2016, arXiv:1512.00567, section 7. It is what PyTorch's cross_entropy computes.
    """

    def __init__(
        self,
        *,
        class_weights: Optional[Sequence[float]] = None,
        label_smoothing: float = 0.0,
        ignore: Optional[int] = None,
        from_logits: bool = True,
        normalize: bool = True,
    ) -> None:
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"loss: label_smoothing must be in [0, 1]; got {label_smoothing}")
        if class_weights is not None and not all(weight >= 0 for weight in class_weights):
            raise ValueError(f"loss: class_weights must be >= 0; got {list(class_weights)}")
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing
        self.ignore = ignore
        self.from_logits = from_logits
        self.normalize = normalize

    def __call__(self, guesses: Any, truths: Any) -> Tuple[Any, float]:
        if isinstance(guesses, (list, tuple)):
            return over_sequences(self, guesses, truths)
        ops, g = get_array_ops(guesses), cast(Any, guesses)
        targets, counted = self._targets(ops, guesses, truths)
        probs: Any = ops.softmax(guesses) if self.from_logits else guesses
        if self.from_logits:
            shifted = g - g.max(axis=1, keepdims=True) if g.size else g
            logs = shifted - ops.xp.log(ops.xp.exp(shifted).sum(axis=1, keepdims=True))
        else:
            logs = ops.xp.log(ops.xp.maximum(probs, ops.xp.finfo(probs.dtype).tiny))
        gradient, loss = self._at(ops.xp, probs, logs, targets)
        if self.normalize:
            gradient /= counted
            loss = loss / counted
        return gradient, value_of(loss)

    def get_grad(self, guesses: Any, truths: Any) -> Any:
        return self(guesses, truths)[0]

    def get_loss(self, guesses: Any, truths: Any) -> float:
        return self(guesses, truths)[1]

    def count(self, truths: Any) -> float:
        if isinstance(truths, (list, tuple)) and any(hasattr(each, "__len__") for each in truths):
            return sum(map(self.count, truths))
        labels = truths if hasattr(truths, "dtype") else numpy.asarray(truths, dtype="int64")
        if labels.ndim == 2:
            return len(labels)
        live = labels if self.ignore is None else labels[labels != self.ignore]
        if self.class_weights is None:
            return len(live)
        weights = get_array_ops(live).asarray(self.class_weights, dtype="float64")
        fits = (live >= 0) & (live < len(weights))  # the others are refused when the loss is asked for
        return float(weights[live[fits]].sum())

    def _at(self, xp: Any, probs: Any, logs: Any, targets: Any) -> Tuple[Any, Any]:
        """The sums of gradient and loss for probabilities, their logarithms and weighted targets."""
        # The weighted targets W pull with W - p * sum(W): of each class, against all of them.
        return probs * targets.sum(axis=1, keepdims=True) - targets, -(targets * logs).sum()

    def _targets(self, ops: Any, guesses: Any, truths: Any) -> Tuple[Any, Any]:
        """The smoothed targets times the weights of their classes, and what the mean divides by, 1 for nothing."""
        n_rows, n_classes = guesses.shape
        weights = ops.xp.ones((n_classes,), dtype=guesses.dtype)
        if self.class_weights is not None:
            if len(self.class_weights) != n_classes:
                got = f"got {len(self.class_weights)} for {n_classes}"
                raise ValueError(f"loss: there must be one class weight per column of the guesses; {got}")
            weights = ops.asarray(self.class_weights, dtype=guesses.dtype)
        truths = truths if hasattr(truths, "dtype") else ops.asarray(truths, dtype="int64")
        if len(truths) != n_rows:
            raise ValueError(f"loss: guesses and truths must have as many rows; got {n_rows} and {len(truths)}")
        if truths.ndim == 2:
            if truths.shape[1] != n_classes:
                raise ValueError(
                    f"loss: guesses and truths must have one shape; got {guesses.shape} and {truths.shape}"
                )
            smoothed = (1 - self.label_smoothing) * truths + self.label_smoothing / n_classes
            return (smoothed * weights).astype(guesses.dtype), max(n_rows, 1)
        live = ops.xp.ones((n_rows,), dtype=bool) if self.ignore is None else truths != self.ignore
        ops._check_labels("loss", truths, self.ignore, n_classes)
        hot = (ops.xp.where(live, truths, 0)[:, None] == ops.xp.arange(n_classes)) & live[:, None]
        smoothed = (1 - self.label_smoothing) * hot + self.label_smoothing / n_classes * live[:, None]
        counted = (hot * weights).sum(dtype=wide_dtype(guesses))
        return (smoothed * weights).astype(guesses.dtype), ops.xp.where(counted == 0, 1, counted)


def over_sequences(
    loss: Callable[[Any, Any], Tuple[Any, float]], guesses: Sequence[Any], truths: Sequence[Any]
) -> Tuple[List[Any], float]:
    """A loss of the rows of all arrays together. RETURNS: the gradient of each, and the loss."""
    if len(guesses) != len(truths):
        raise ValueError(f"loss: guesses and truths must be of one length; got {len(guesses)} and {len(truths)}")
    for k, (yh, y) in enumerate(zip(guesses, truths)):
        if len(yh) != len(y):
            raise ValueError(
                f"loss: guesses and truths must have as many rows; got {len(yh)} and {len(y)} at position {k}"
            )
    if not guesses:
        return [], 0.0
    ops = get_array_ops(guesses[0])
    if all(hasattr(y, "dtype") for y in truths):
        joined: Any = ops.xp.concatenate([ops.asarray(y) for y in truths])
    else:
        joined = [label for y in truths for label in y]
    gradient, value = loss(ops.xp.concatenate(list(guesses)), joined)
    ends = numpy.cumsum([len(yh) for yh in guesses]).tolist()
    return [gradient[end - len(yh) : end] for yh, end in zip(guesses, ends)], value
