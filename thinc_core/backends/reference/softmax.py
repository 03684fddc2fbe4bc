"""Softmax along an axis and over the rows of ragged sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import numpy

from .. import checks, label_checks
from ._out import takes_out
from .reduce import Reduce

if TYPE_CHECKING:
    from ...types import Floats2d, FloatsXdT, Ints1d


class Softmax(Reduce):
    @takes_out()
    def softmax(
        self,
        x: FloatsXdT,
        *,
        inplace: bool = False,
        axis: int = -1,
        temperature: float = 1.0,
        out: Optional[FloatsXdT] = None,
    ) -> FloatsXdT:
        """Y = exp(x / temperature), normalised to sum to 1 along the axis.

        x: any shape.  axis: which to normalise.  temperature: above 1 flattens, below 1 sharpens.
        RETURNS: x's shape and dtype; the same object as x if inplace.
        NUMERICS: shifted by the maximum, so it never overflows; a row with NaN, +inf or only -inf gives NaN.
        """
        self._arrays("softmax", x=x)
        checks.axis("softmax", axis, x.ndim)
        temperature = checks.number("softmax", "temperature", temperature)
        wide = self._wide(x)
        if x.size == 0:
            return self._result("softmax", wide.copy(), x, inplace)
        with numpy.errstate(invalid="ignore", divide="ignore"):
            scaled = wide if temperature == 1.0 else wide / temperature
            Y = self.xp.exp(scaled - scaled.max(axis=axis, keepdims=True))
            Y = Y / Y.sum(axis=axis, keepdims=True)
        return self._result("softmax", Y, x, inplace)

    @takes_out()
    def backprop_softmax(
        self, Y: FloatsXdT, dY: FloatsXdT, *, axis: int = -1, temperature: float = 1.0, out: Optional[FloatsXdT] = None
    ) -> FloatsXdT:
        """dX = Y * (g - sum(Y * g)) along the axis, with g = dY / temperature.

        Y, dY: same shape, in this order; Y is what softmax returned.  axis, temperature: as given to softmax.
        RETURNS: dY's shape and dtype.
        RAISES: ValueError when the shapes differ.
        """
        self._arrays("backprop_softmax", Y=Y, dY=dY)
        checks.same_shape("backprop_softmax", "Y and dY", Y, dY)
        checks.axis("backprop_softmax", axis, Y.ndim)
        temperature = checks.number("backprop_softmax", "temperature", temperature)
        y, g = self._wide(Y), self._wide(dY) / temperature
        dX = y * g
        dX = dX - y * dX.sum(axis=axis, keepdims=True)
        return self._result("backprop_softmax", dX, dY, False)

    @takes_out()
    def crossentropy_gradient(
        self,
        guesses: Floats2d,
        labels: Ints1d,
        *,
        negated: Optional[Ints1d] = None,
        missing: Optional[int] = None,
        smoothing: float = 0.0,
        divisor: float = 1.0,
        out: Optional[Floats2d] = None,
    ) -> Floats2d:
        """(guesses - target) / divisor: the gradient of the cross-entropy with respect to the logits of a softmax.

        guesses: (B, O) probabilities.  labels: (B,) integers in [0, O), the classes that the targets give 1 to.
        negated: (B,) integers, not 0 for rows that are known not to have their label: there it has target 0, and the
            others no gradient.  missing: label of rows without a gradient; None: there are none.
        smoothing: probability in [0, 1) taken from the label and shared by the others.
        RETURNS: (B, O) in guesses' dtype.
        RAISES: ValueError when shapes differ, a label is out of range, or a guess is below 0 or above 1.
        """
        op = "crossentropy_gradient"
        self._arrays(op, guesses=guesses, labels=labels)
        checks.ndim(op, "guesses", guesses, 2)
        checks.floats(op, "guesses", guesses)
        smoothing, divisor = checks.number(op, "smoothing", smoothing), checks.number(op, "divisor", divisor)
        (B, O), xp = guesses.shape, self.xp  # noqa: E741
        for name, values in (("labels", labels), ("negated", negated)):
            if values is not None:
                self._arrays(op, **{name: values})
                checks.integers(op, name, values)
                checks.shape(op, name, values, (B,))
        missing = None if missing is None else checks.integer(op, "missing", missing)
        rows = xp.zeros((B,), dtype=bool) if missing is None else labels == missing
        self._check_labels(op, labels, missing, O)
        label_checks.probabilities(op, "guesses", guesses)
        y, places = self._wide(guesses), (xp.arange(B), xp.where(rows, 0, labels))
        target = xp.full((B, O), smoothing / max(O - 1, 1), dtype=y.dtype)
        target[places] = 1 - smoothing
        dY = y - target
        if negated is not None:
            alone = xp.zeros((B, O), dtype=y.dtype)
            alone[places] = y[places]
            dY = xp.where((negated != 0)[:, None], alone, dY)
        dY = xp.where(rows[:, None], y.dtype.type(0), dY) / divisor
        return dY.astype(guesses.dtype, copy=False)

    def _check_labels(self, op: str, labels: Any, ignored: Optional[int], limit: int) -> None:
        """Labels must be in [0, limit), but for the ignored one."""
        rows = self.xp.zeros(labels.shape, dtype=bool) if ignored is None else labels == ignored
        label_checks.labels(op, labels, rows, limit)

    def _check_probabilities(self, op: str, name: str, X: Any) -> None:
        """Numbers must be in [0, 1]; NaN passes."""
        if X.size and not (X.min() >= 0 and X.max() <= 1):  # a NaN among them hides the others
            label_checks.probabilities(op, name, X)

    @takes_out()
    def softmax_sequences(
        self, Xs: Floats2d, lengths: Ints1d, *, inplace: bool = False, axis: int = -1, out: Optional[Floats2d] = None
    ) -> Floats2d:
        """Softmax of each column over the rows of each sequence.

        Xs: (T, O).  lengths: (B,) rows per sequence, sums to T, zeros allowed.
        axis: unused; the rows of a sequence are the only axis, the parameter is there for callers who name it.
        RETURNS: (T, O) in Xs' dtype; the same object as Xs if inplace.
        RAISES: NotImplementedError when Xs has 3 dimensions or more; ValueError and IndexError as in reduce_sum.
        NUMERICS: shifted by the maximum of the sequence, so scores need no clipping.
        """
        if getattr(Xs, "ndim", 2) > 2:
            raise NotImplementedError(f"softmax_sequences: Xs must have 2 dimensions; got shape {Xs.shape}")
        host = self._ragged("softmax_sequences", Xs, lengths, name="Xs")
        x, owners = self._wide(Xs), self._owners(host)
        highest = self.xp.full((len(host), x.shape[1]), -numpy.inf, dtype=x.dtype)
        self.xp.maximum.at(highest, owners, x)
        with numpy.errstate(invalid="ignore"):
            E = self.xp.exp(x - highest[owners])
            Y = E / self._sums(E, host)[owners]
        return self._result("softmax_sequences", Y, Xs, inplace)

    @takes_out()
    def backprop_softmax_sequences(
        self, dY: Floats2d, Y: Floats2d, lengths: Ints1d, *, out: Optional[Floats2d] = None
    ) -> Floats2d:
        """dX = Y * (dY - S), S the sum of Y * dY over the rows of the sequence.

        dY, Y: (T, O), Y what softmax_sequences returned.  lengths: (B,) rows per sequence, sums to T.
        RETURNS: (T, O) in dY's dtype.
        RAISES: ValueError when the shapes differ; ValueError and IndexError as in reduce_sum.
        """
        op = "backprop_softmax_sequences"
        host = self._ragged(op, dY, lengths, name="dY")
        self._arrays(op, Y=Y)
        checks.same_shape(op, "dY and Y", dY, Y)
        y, products = self._wide(Y), self._wide(Y) * self._wide(dY)
        dX: Any = products - y * self._sums(products, host)[self._owners(host)]
        return self._result(op, dX, dY, False)
