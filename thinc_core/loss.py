"""Losses: objects called as `loss(guesses, truths) -> (gradient, loss)`, gradient first.

The gradient of the cross-entropies is the one with respect to the logits below a softmax or sigmoid, whose layers pass
it through; their loss is the sum of the squared gradient, which is not a log-likelihood.
"""

from abc import abstractmethod
from numbers import Integral
from typing import Any, Dict, Generic, List, Optional, Sequence, Tuple, TypeVar, Union, cast

import numpy

from .backends import get_array_ops
from .config import registry
from .errors import LabelError
from .types import Floats2d, Ints1d
from .util import check_smoothing, get_array_module, to_categorical

__all__ = ["CategoricalCrossentropy", "CosineDistance", "L2Distance", "SequenceCategoricalCrossentropy"]

LossT = TypeVar("LossT")
GradT = TypeVar("GradT")
GuessT = TypeVar("GuessT")
TruthT = TypeVar("TruthT")
MISSING = -(2**31)  # in the place of a label that a list does not have
IntsOrFloats = Union[Ints1d, Floats2d]
IntsOrFloatsOrStrs = Union[Ints1d, Floats2d, Sequence[int], Sequence[str]]


class Loss(Generic[GuessT, TruthT, GradT, LossT]):
    """Base class: how far guesses are from truths, and the gradient that brings them closer."""

    def __init__(self, **kwargs: Any) -> None: ...

    def __call__(self, guesses: GuessT, truths: TruthT) -> Tuple[GradT, LossT]:
        return self.get_grad(guesses, truths), self.get_loss(guesses, truths)

    @abstractmethod
    def get_grad(self, guesses: GuessT, truths: TruthT) -> GradT: ...

    @abstractmethod
    def get_loss(self, guesses: GuessT, truths: TruthT) -> LossT: ...

    def count(self, truths: Any) -> float:
        """What the mean over these truths divides by: how much they weigh among others of one batch."""
        return len(truths)


@registry.losses("CategoricalCrossentropy.v3")
class CategoricalCrossentropy(Loss):
    """Gradient guesses - targets, for guesses that went through a softmax or a sigmoid.

    normalize: divide the gradient by the number of rows, missing ones included.
    names: the labels, needed when truths are strings. missing_value: the label of rows without a gradient.
    neg_prefix: marks a label that a row is known not to have; the other classes of that row get no gradient.
    label_smoothing: probability taken from the right class and shared by the others.
    """

    names: Optional[Sequence[str]]
    missing_value: Optional[Union[str, int]]

    def __init__(
        self,
        *,
        normalize: bool = True,
        names: Optional[Sequence[str]] = None,
        missing_value: Optional[Union[str, int]] = None,
        neg_prefix: Optional[str] = None,
        label_smoothing: float = 0.0,
    ) -> None:
        self.normalize = normalize
        self.names = names
        self.missing_value = missing_value
        self.neg_prefix = neg_prefix
        self.label_smoothing = label_smoothing
        self._name_to_i = {name: i for i, name in enumerate(names)} if names is not None else {}

    def convert_truths(self, truths: IntsOrFloatsOrStrs, guesses: Floats2d) -> Tuple[Floats2d, Floats2d]:
        """The target and the mask of the gradient, both of the shape of the guesses."""
        xp = get_array_module(guesses)
        n_rows, n_classes = guesses.shape
        if self.names and len(self.names) != n_classes:
            raise ValueError(f"loss: guesses must have one column per name ({len(self.names)}); got {n_classes}")
        mask = xp.ones(guesses.shape, dtype="float32")
        negative = numpy.zeros(0, dtype="int64")
        if isinstance(truths, (list, tuple)):
            labels, missing, negative = self._convert_list(truths)
            labels = xp.asarray(labels)
        else:
            labels = cast(Any, truths)
            missing = self._missing_rows(labels)
        _check_length(n_rows, len(labels))
        if missing is not None:
            mask[xp.asarray(missing)] = 0
        if len(labels.shape) == guesses.ndim:
            if self.label_smoothing:
                raise ValueError("loss: truths must be labels, not rows, when label_smoothing is set; got a 2d array")
            target = labels.astype("float32") if labels.dtype.kind != "f" else labels
            if self.names:
                target = xp.where(target == -1, 0, target)
        else:
            target = _one_hot(xp, labels, missing, n_classes, self.label_smoothing)
        if negative.size:
            negative = xp.asarray(negative)
            columns = labels[negative]
            target[negative] = 0
            mask[negative] = 0
            mask[negative, columns] = 1
        return target, mask

    def __call__(self, guesses: Floats2d, truths: IntsOrFloatsOrStrs) -> Tuple[Floats2d, float]:
        d_truth = self.get_grad(guesses, truths)
        return d_truth, self._get_loss_from_grad(d_truth)

    def get_grad(self, guesses: Floats2d, truths: IntsOrFloatsOrStrs) -> Floats2d:
        return self._gradient(guesses, truths, guesses.shape[0] if self.normalize else 1)

    def get_loss(self, guesses: Floats2d, truths: IntsOrFloatsOrStrs) -> float:
        return self._get_loss_from_grad(self.get_grad(guesses, truths))

    def _get_loss_from_grad(self, d_truth: Floats2d) -> float:
        return _sum_of_squares(d_truth)

    def _gradient(self, guesses: Floats2d, truths: IntsOrFloatsOrStrs, divisor: int) -> Floats2d:
        found = self._labels(guesses, truths)
        if found is not None:
            labels, more = found
            ops = get_array_ops(guesses)
            more = {name: ops.xp.asarray(values) for name, values in more.items()}
            missing = self.missing_value if isinstance(self.missing_value, Integral) else None
            if isinstance(truths, (list, tuple)):
                missing = MISSING
            return ops.crossentropy_gradient(
                guesses,
                ops.xp.asarray(labels),
                missing=missing if missing is None else int(missing),
                smoothing=self.label_smoothing,
                divisor=max(divisor, 1),
                **more,
            )
        target, mask = self.convert_truths(truths, guesses)
        _check_shapes(guesses, target)
        _check_probabilities("guesses", guesses)
        _check_probabilities("truths", target)
        difference = guesses - target
        difference *= mask
        if divisor > 1:
            difference /= divisor
        return difference

    def _labels(self, guesses: Floats2d, truths: Any) -> Optional[Tuple[Any, Dict[str, Any]]]:
        """Labels (B,), MISSING in the gaps of a list, and which are negated, if any; None when the op for labels cannot
        take the truths or the guesses."""
        if guesses.ndim != 2 or guesses.dtype.kind != "f":
            return None
        if self.names and len(self.names) != guesses.shape[1]:
            return None  # an error, which convert_truths words
        more = {}
        if isinstance(truths, (list, tuple)):
            labels, missing, negative = self._convert_list(truths)
            if missing is not None:
                labels[missing] = MISSING
            if negative.size:
                more["negated"] = numpy.zeros(len(labels), dtype="uint8")
                more["negated"][negative] = 1
        else:
            labels = truths
        if len(labels.shape) != 1 or labels.dtype.kind not in "iu":
            return None
        _check_length(guesses.shape[0], len(labels))
        check_smoothing(guesses.shape[1], self.label_smoothing)
        return labels, more

    def _convert_list(self, truths: Sequence) -> Tuple[Any, Optional[Any], Any]:
        """Label ids of a list, which rows are missing (None: none of them), and the rows of negated labels."""
        kind = next((type(truth) for truth in truths if truth is not None), int)
        if issubclass(kind, Integral):
            missing = [truth is None or truth == self.missing_value for truth in truths]
            labels = [0 if is_missing else truth for truth, is_missing in zip(truths, missing)]
            negative: List[int] = []
        else:
            labels, missing, negative = self._convert_names(truths)
        rows = numpy.asarray(missing, dtype=bool)
        return (
            numpy.asarray(labels, dtype="int32"),
            rows if rows.any() else None,
            numpy.asarray(negative, dtype="int64"),
        )

    def _convert_names(self, truths: Sequence) -> Tuple[List[int], List[bool], List[int]]:
        if self.names is None:
            kind = type(truths[0]).__name__
            raise ValueError(f"loss: names must be given when truths are not label ids; got a list of {kind}")
        missing = [truth is None or truth == self.missing_value for truth in truths]
        negative = []
        if self.neg_prefix:
            truths = list(truths)
            for i, truth in enumerate(truths):
                if not missing[i] and truth.startswith(self.neg_prefix):
                    truths[i] = truth[len(self.neg_prefix) :]
                    negative.append(i)
        ids = self._name_to_i
        unknown = next((i for i, truth in enumerate(truths) if not missing[i] and truth not in ids), None)
        if unknown is not None:
            got = f"got {truths[unknown]!r} at position {unknown}"
            raise LabelError(f"loss: labels must be among the names {list(self.names)}; {got}")
        return [0 if is_missing else ids[truth] for truth, is_missing in zip(truths, missing)], missing, negative

    def _missing_rows(self, truths: Any) -> Optional[Any]:
        if not isinstance(self.missing_value, Integral):
            return None
        labels = truths if truths.ndim == 1 or truths.shape[0] == 0 else truths.argmax(axis=1)
        return labels == self.missing_value


@registry.losses("CategoricalCrossentropy.v1")
def configure_CategoricalCrossentropy_v1(
    *, normalize: bool = True, names: Optional[Sequence[str]] = None, missing_value: Optional[Union[str, int]] = None
) -> CategoricalCrossentropy:
    return CategoricalCrossentropy(normalize=normalize, names=names, missing_value=missing_value)


@registry.losses("CategoricalCrossentropy.v2")
def configure_CategoricalCrossentropy_v2(
    *,
    normalize: bool = True,
    names: Optional[Sequence[str]] = None,
    missing_value: Optional[Union[str, int]] = None,
    neg_prefix: Optional[str] = None,
) -> CategoricalCrossentropy:
    return CategoricalCrossentropy(normalize=normalize, names=names, missing_value=missing_value, neg_prefix=neg_prefix)


@registry.losses("SequenceCategoricalCrossentropy.v3")
class SequenceCategoricalCrossentropy(Loss):
    """CategoricalCrossentropy over a list of sequences; `normalize` divides by the number of sequences."""

    def __init__(
        self,
        *,
        normalize: bool = True,
        names: Optional[Sequence[str]] = None,
        missing_value: Optional[Union[str, int]] = None,
        neg_prefix: Optional[str] = None,
        label_smoothing: float = 0.0,
    ) -> None:
        self.cc = CategoricalCrossentropy(
            normalize=False,
            names=names,
            missing_value=missing_value,
            neg_prefix=neg_prefix,
            label_smoothing=label_smoothing,
        )
        self.normalize = normalize

    def __call__(
        self, guesses: Sequence[Floats2d], truths: Sequence[IntsOrFloatsOrStrs]
    ) -> Tuple[List[Floats2d], float]:
        self._check_lengths(guesses, truths)
        gradients, arrays = self._gradients(guesses, truths)
        losses = [self.cc._get_loss_from_grad(array) for array in arrays]
        return gradients, sum(losses[1:], losses[0]) if losses else 0.0

    def _check_lengths(self, guesses: Sequence[Any], truths: Sequence[Any]) -> None:
        if len(guesses) != len(truths):
            raise ValueError(f"loss: guesses and truths must be of one length; got {len(guesses)} and {len(truths)}")

    def get_grad(self, guesses: Sequence[Floats2d], truths: Sequence[IntsOrFloatsOrStrs]) -> List[Floats2d]:
        self._check_lengths(guesses, truths)
        return self._gradients(guesses, truths)[0]

    def get_loss(self, guesses: Sequence[Floats2d], truths: Sequence[IntsOrFloatsOrStrs]) -> float:
        return self(guesses, truths)[1]

    def _gradients(self, guesses: Any, truths: Any) -> Tuple[List[Floats2d], List[Floats2d]]:
        """The gradient of each sequence; and as few arrays as they are parts of."""
        divisor = len(guesses) if self.normalize else 1
        joined = _join(guesses, truths)
        if joined is None:
            gradients = [self.cc._gradient(yh, y, divisor) for yh, y in zip(guesses, truths)]
            return gradients, gradients
        ends = numpy.cumsum([len(yh) for yh in guesses]).tolist()
        gradient = self.cc._gradient(*joined, divisor)
        return [gradient[end - len(yh) : end] for yh, end in zip(guesses, ends)], [gradient]


@registry.losses("SequenceCategoricalCrossentropy.v1")
def configure_SequenceCategoricalCrossentropy_v1(
    *, normalize: bool = True, names: Optional[Sequence[str]] = None
) -> SequenceCategoricalCrossentropy:
    return SequenceCategoricalCrossentropy(normalize=normalize, names=names)


@registry.losses("SequenceCategoricalCrossentropy.v2")
def configure_SequenceCategoricalCrossentropy_v2(
    *, normalize: bool = True, names: Optional[Sequence[str]] = None, neg_prefix: Optional[str] = None
) -> SequenceCategoricalCrossentropy:
    return SequenceCategoricalCrossentropy(normalize=normalize, names=names, neg_prefix=neg_prefix)


@registry.losses("L2Distance.v1")
class L2Distance(Loss):
    """Gradient guesses - truths, divided by the number of rows with `normalize`; its sum of squares is the loss."""

    def __init__(self, *, normalize: bool = True) -> None:
        self.normalize = normalize

    def __call__(self, guesses: Floats2d, truths: Floats2d) -> Tuple[Floats2d, float]:
        gradient = self.get_grad(guesses, truths)
        return gradient, _sum_of_squares(gradient)

    def get_grad(self, guesses: Floats2d, truths: Floats2d) -> Floats2d:
        _check_shapes(guesses, truths)
        gradient = guesses - truths
        if self.normalize and guesses.shape[0]:
            gradient = gradient / guesses.shape[0]
        return gradient

    def get_loss(self, guesses: Floats2d, truths: Floats2d) -> float:
        return _sum_of_squares(self.get_grad(guesses, truths))


@registry.losses("CosineDistance.v1")
class CosineDistance(Loss):
    """1 - cosine of each row of guesses with its row of truths.

    normalize: divide gradient and loss by the number of rows. ignore_zeros: no gradient or loss for all-zero truths.
    """

    def __init__(self, *, normalize: bool = True, ignore_zeros: bool = False) -> None:
        self.normalize = normalize
        self.ignore_zeros = ignore_zeros

    def get_similarity(self, guesses: Floats2d, truths: Floats2d) -> Floats2d:
        """RETURNS: cosines (B, 1)."""
        return self._compare(guesses, truths)[0]

    def get_grad(self, guesses: Floats2d, truths: Floats2d) -> Floats2d:
        cosine, yh, y, norm_yh, norms = self._compare(guesses, truths)
        gradient = cosine * (yh / norm_yh**2) - y / norms
        return self._finish(gradient, truths)

    def get_loss(self, guesses: Floats2d, truths: Floats2d) -> float:
        return abs(self._finish(self.get_similarity(guesses, truths) - 1, truths)).sum()

    def _compare(self, guesses: Floats2d, truths: Floats2d) -> Tuple[Any, ...]:
        _check_shapes(guesses, truths)
        xp = get_array_module(guesses)
        # Away from zero, so that all-zero rows have a direction.
        yh, y = guesses + 1e-8, truths + 1e-8
        norm_yh = xp.sqrt((yh * yh).sum(axis=1, keepdims=True))
        norms = norm_yh * xp.sqrt((y * y).sum(axis=1, keepdims=True))
        return (yh * y).sum(axis=1, keepdims=True) / norms, yh, y, norm_yh, norms

    def _finish(self, rows: Any, truths: Floats2d) -> Any:
        if self.ignore_zeros:
            rows[~truths.any(axis=1)] = 0
        if self.normalize and rows.shape[0]:
            rows = rows / rows.shape[0]
        return rows


def _one_hot(xp: Any, labels: Any, missing: Optional[Any], n_classes: int, label_smoothing: float) -> Floats2d:
    """Rows of targets; the labels of missing rows are not looked at. RAISES: ValueError for a label out of range."""
    if missing is not None:
        labels = xp.where(xp.asarray(missing), 0, labels)
    if labels.size and (labels.min() < 0 or labels.max() >= n_classes):
        position = int(((labels < 0) | (labels >= n_classes)).argmax())
        raise ValueError(
            f"loss: labels must be in [0, {n_classes}); got {int(labels[position])} at position {position}"
        )
    target = to_categorical(labels, n_classes=n_classes, label_smoothing=label_smoothing)
    return cast(Floats2d, target)


def _join(guesses: Sequence[Floats2d], truths: Sequence) -> Optional[Tuple[Floats2d, Any]]:
    """All sequences as one, or None when they cannot be joined."""
    if not guesses or any(len(yh) != len(y) for yh, y in zip(guesses, truths)):
        return None
    xp = get_array_module(guesses[0])
    if len({yh.shape[1:] for yh in guesses}) > 1 or len({yh.dtype for yh in guesses}) > 1:
        return None
    if all(isinstance(y, (list, tuple)) for y in truths):
        joined: Any = [label for y in truths for label in y]
    elif all(isinstance(y, numpy.ndarray) and y.ndim == truths[0].ndim for y in truths):
        joined = numpy.concatenate(truths)
    elif all(isinstance(y, xp.ndarray) and y.ndim == truths[0].ndim and y.dtype == truths[0].dtype for y in truths):
        joined = get_array_ops(guesses[0])._joined(truths)
    else:
        return None
    return get_array_ops(guesses[0])._joined(guesses), joined


def _sum_of_squares(X: Any) -> Any:
    """In one pass, of an array in C order; on a GPU the sum stays there."""
    flat = X.reshape(-1)
    return get_array_module(X).dot(flat, flat) if X.dtype.char in "fd" else (X**2).sum()


def wide_dtype(X: Any) -> str:
    """What to add up numbers like those of X in."""
    return "float64" if X.dtype.itemsize == 8 else "float32"


def value_of(loss: Any) -> Any:
    """A sum as a float; one on a GPU stays what it is, as the host would have to wait for it."""
    return float(loss) if isinstance(loss, (float, numpy.generic, numpy.ndarray)) else loss


def _check_shapes(guesses: Floats2d, truths: Floats2d) -> None:
    if guesses.shape != truths.shape:
        raise ValueError(f"loss: guesses and truths must have one shape; got {guesses.shape} and {truths.shape}")


def _check_length(n_rows: int, n_truths: int) -> None:
    if n_rows != n_truths:
        raise ValueError(f"loss: guesses and truths must have as many rows; got {n_rows} and {n_truths}")


def _check_probabilities(name: str, array: Floats2d) -> None:
    """On a GPU nobody waits for the outcome: the error comes with the next look at the device's faults."""
    get_array_ops(array)._check_probabilities("loss", name, array)
