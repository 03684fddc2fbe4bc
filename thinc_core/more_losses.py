"""FocalLoss, BinaryCrossEntropy and HuberLoss, called as loss(guesses, truths) -> (gradient, loss)."""

from typing import Any, Optional, Sequence, Tuple, cast

import numpy

from .backends import get_array_ops
from .config import registry
from .crossentropy import CrossEntropy, over_sequences
from .loss import Loss, value_of, wide_dtype
from .types import Floats2d

__all__ = ["BinaryCrossEntropy", "FocalLoss", "HuberLoss"]


@registry.losses("FocalLoss.v1")
class FocalLoss(CrossEntropy):
    """CrossEntropy in which classes that are all but right count little: -weight * target * (1 - p) ** gamma * log p.

    gamma: how much less; 0 is CrossEntropy. The other settings, the input and the gradient are those of CrossEntropy.
    SOURCE: Lin et al. 2017, arXiv:1708.02002, equation 5, for the classes of a softmax.
    """

    def __init__(
        self,
        *,
        gamma: float = 2.0,
        class_weights: Optional[Sequence[float]] = None,
        label_smoothing: float = 0.0,
        ignore: Optional[int] = None,
        from_logits: bool = True,
        normalize: bool = True,
    ) -> None:
        super().__init__(
            class_weights=class_weights,
            label_smoothing=label_smoothing,
            ignore=ignore,
            from_logits=from_logits,
            normalize=normalize,
        )
        self.gamma = _at_least_0("gamma", gamma)

    def _at(self, xp: Any, probs: Any, logs: Any, targets: Any) -> Tuple[Any, Any]:
        rest = xp.maximum(1 - probs, xp.finfo(probs.dtype).tiny)
        focus = rest**self.gamma
        # Each class pulls with a = p dL/dp, against all of them.
        pull = targets * (self.gamma * probs * focus / rest * logs - focus)
        return pull - probs * pull.sum(axis=1, keepdims=True), -(targets * focus * logs).sum()


@registry.losses("BinaryCrossEntropy.v1")
class BinaryCrossEntropy(Loss):
    """The mean over all elements of -(w y log p + (1 - y) log(1 - p)), p = sigmoid(guesses).

    It is for labels of which several may be right.

    The gradient is the one with respect to the logits, also for probabilities: Sigmoid passes it through.
    guesses: (B, O) logits, or probabilities without from_logits; or a list of such arrays.
    truths: of the shape of the guesses, in [0, 1]; NaN where it is not known, which then has no gradient.
    positive_weights: w, a number for each label, or one for all.
    gamma: makes it a focal loss: the terms are multiplied by (1 - p) ** gamma and p ** gamma.
    normalize: divide by the number of known elements.
    SOURCE: Lin et al. 2017, arXiv:1708.02002, for gamma. With 0 it is PyTorch's BCEWithLogitsLoss.
    """

    def __init__(
        self,
        *,
        positive_weights: Optional[Sequence[float]] = None,
        gamma: float = 0.0,
        from_logits: bool = True,
        normalize: bool = True,
    ) -> None:
        self.positive_weights = positive_weights
        self.gamma = _at_least_0("gamma", gamma)
        self.from_logits = from_logits
        self.normalize = normalize

    def __call__(self, guesses: Any, truths: Any) -> Tuple[Any, float]:
        if isinstance(guesses, (list, tuple)):
            return over_sequences(self, guesses, truths)
        ops = get_array_ops(guesses)
        xp, y = ops.xp, ops.asarray(truths, dtype=guesses.dtype)
        _check_shapes(guesses, y)
        known = y == y
        y = xp.where(known, y, 0)
        ops._check_probabilities("loss", "truths", y)
        weights = self._weights(ops, guesses)
        yes, no, log_yes, log_no = self._sides(xp, cast(Any, guesses))
        # d log p = (1 - p) dx and d log(1 - p) = -p dx; the powers of gamma have a share in it too.
        gamma, near, far = self.gamma, no**self.gamma, yes**self.gamma
        rise = weights * y * near * (gamma * yes * log_yes - no)
        fall = (1 - y) * far * (yes - gamma * no * log_no)
        gradient = xp.where(known, rise + fall, 0)
        loss = -xp.where(known, weights * y * near * log_yes + (1 - y) * far * log_no, 0).sum()
        if self.normalize:
            count = xp.maximum(known.sum(dtype=wide_dtype(guesses)), 1)
            gradient, loss = gradient / count, loss / count
        return gradient.astype(guesses.dtype), value_of(loss)

    def get_grad(self, guesses: Any, truths: Any) -> Any:
        return self(guesses, truths)[0]

    def get_loss(self, guesses: Any, truths: Any) -> float:
        return self(guesses, truths)[1]

    def count(self, truths: Any) -> float:
        if isinstance(truths, (list, tuple)) and any(getattr(each, "ndim", 0) == 2 for each in truths):
            return sum(map(self.count, truths))
        known = truths if hasattr(truths, "dtype") else numpy.asarray(truths, dtype="float64")
        return float((known == known).sum())

    def _sides(self, xp: Any, guesses: Any) -> Tuple[Any, Any, Any, Any]:
        """p, 1 - p and the logarithms of both."""
        if not self.from_logits:
            least = xp.finfo(guesses.dtype).tiny
            yes, no = guesses, 1 - guesses
            return yes, no, xp.log(xp.maximum(yes, least)), xp.log(xp.maximum(no, least))
        tail = xp.log1p(xp.exp(-abs(guesses)))
        log_yes, log_no = xp.minimum(guesses, 0) - tail, -xp.maximum(guesses, 0) - tail
        return xp.exp(log_yes), xp.exp(log_no), log_yes, log_no

    def _weights(self, ops: Any, guesses: Any) -> Any:
        if self.positive_weights is None:
            return 1.0
        weights = ops.asarray(self.positive_weights, dtype=guesses.dtype)
        if weights.ndim > 1 or (weights.ndim and weights.shape[0] != guesses.shape[-1]):
            got = f"got {weights.shape[0]} for {guesses.shape[-1]}"
            raise ValueError(f"loss: there must be one positive weight per column of the guesses; {got}")
        return weights


@registry.losses("HuberLoss.v1")
class HuberLoss(Loss):
    """The mean over all elements of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2), with e = guess - truth.

    guesses, truths: of one shape.  delta: above it an error pulls no harder; infinity gives half the squared error.
    normalize: divide by the number of elements; otherwise gradient and loss are sums.
    SOURCE: Huber 1964; it is PyTorch's HuberLoss.
    """

    def __init__(self, *, delta: float = 1.0, normalize: bool = True) -> None:
        if not delta > 0:
            raise ValueError(f"loss: delta must be > 0; got {delta}")
        self.delta = delta
        self.normalize = normalize

    def __call__(self, guesses: Floats2d, truths: Floats2d) -> Tuple[Floats2d, float]:
        ops = get_array_ops(guesses)
        xp = ops.xp
        _check_shapes(guesses, truths)
        error = cast(Any, guesses) - ops.asarray(truths, dtype=guesses.dtype)
        gradient = xp.clip(error, -self.delta, self.delta)
        loss = (gradient * (error - gradient / 2)).sum()
        count = max(error.size, 1) if self.normalize else 1
        return gradient / count, value_of(loss / count)

    def get_grad(self, guesses: Floats2d, truths: Floats2d) -> Floats2d:
        return self(guesses, truths)[0]

    def get_loss(self, guesses: Floats2d, truths: Floats2d) -> float:
        return self(guesses, truths)[1]


def _at_least_0(name: str, value: float) -> float:
    if not value >= 0:
        raise ValueError(f"loss: {name} must be >= 0; got {value}")
    return value


def _check_shapes(guesses: Any, truths: Any) -> None:
    if guesses.shape != truths.shape:
        raise ValueError(f"loss: guesses and truths must have one shape; got {guesses.shape} and {truths.shape}")
