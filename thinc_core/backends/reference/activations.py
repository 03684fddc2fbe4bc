"""Elementwise activations and their gradients. Any shape; float16, float32, float64 keep their dtype.

NUMERICS gives the largest error of this and of the CPU kernels in float32 and float64, in units in the last place of
what is named. tests/backends/test_accuracy.py reads it there and checks it. What is less than 1024 times the smallest
normal number may be 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Optional

import numpy

from .. import checks
from ._base import Base
from ._out import takes_out

if TYPE_CHECKING:
    from ...types import FloatsXdT

SQRT2PI = math.sqrt(2.0 / math.pi)
INV_SQRT2 = 1.0 / math.sqrt(2.0)
INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
CUBIC = 0.044715  # of gelu_approx, chosen by its authors to fit the exact curve


class Activations(Base):
    def _checked(self, op: str, **arrays: Any) -> list:
        """The arrays, widened from float16, after the checks that every activation makes."""
        self._arrays(op, **arrays)
        if op not in ("relu", "backprop_relu"):  # those are exact on integers too
            for name, value in arrays.items():
                checks.floats(op, name, value)
        checks.same_shape(op, " and ".join(arrays), *arrays.values())
        return [self._wide(X) for X in arrays.values()]

    def _sigmoid(self, X: Any) -> Any:
        """1 / (1 + exp(-X)) from exp(-|X|), which cannot overflow."""
        E = self.xp.exp(-self.xp.abs(X))
        return self.xp.where(X >= 0, 1, E) / (1 + E)

    def _special(self, function: str, X: Any) -> Any:
        """erf or erfc of the C library, elementwise."""
        if self.xp is numpy:
            return numpy.asarray(numpy.frompyfunc(getattr(math, function), 1, 1)(X)).astype(X.dtype)
        import cupyx.scipy.special

        return getattr(cupyx.scipy.special, function)(X)

    @takes_out()
    def relu(self, X: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None) -> FloatsXdT:
        """Y = max(X, 0), elementwise.

        X: any shape.
        RETURNS: X's shape and dtype; the same object as X if inplace.
        NUMERICS: exact; NaN stays NaN, -inf gives 0.
        """
        (x,) = self._checked("relu", X=X)
        return self._result("relu", self.xp.maximum(x, 0), X, inplace)

    @takes_out()
    def backprop_relu(
        self, dY: FloatsXdT, Y: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None
    ) -> FloatsXdT:
        """dX = dY where the output Y is positive, else 0.

        dY, Y: same shape; Y is what relu returned.
        RETURNS: dY's shape and dtype; the same object as dY if inplace.
        RAISES: ValueError when the shapes differ.
        NUMERICS: exact; 0 at Y = 0; a NaN in Y lets dY through.
        """
        dy, y = self._checked("backprop_relu", dY=dY, Y=Y)
        return self._result("backprop_relu", self.xp.where(y <= 0, dy.dtype.type(0), dy), dY, inplace)

    @takes_out()
    def mish(
        self, X: FloatsXdT, threshold: float = 20.0, inplace: bool = False, *, out: Optional[FloatsXdT] = None
    ) -> FloatsXdT:
        """Y = X * tanh(log(1 + exp(X))) below threshold, else X.

        X: any shape.  threshold: where the curve is replaced by the identity, which it equals there to rounding.
        RETURNS: X's shape and dtype; the same object as X if inplace.
        NUMERICS: at most 5 ulp of Y. One exp: with n = e^x (e^x + 2), tanh(log(1 + e^x)) = n / (n + 2);
            NaN stays NaN, -inf gives -0.
        SOURCE: Misra 2019, arXiv:1908.08681.
        """
        (x,) = self._checked("mish", X=X)
        threshold = checks.number("mish", "threshold", threshold)
        E = self.xp.exp(self.xp.minimum(x, 20))
        N = E * (E + 2)
        Y = self.xp.where(x >= threshold, x, self._floor(x) * (N / (N + 2)))
        return self._result("mish", Y, X, inplace)

    @takes_out()
    def backprop_mish(
        self,
        dY: FloatsXdT,
        X: FloatsXdT,
        threshold: float = 20.0,
        inplace: bool = False,
        *,
        out: Optional[FloatsXdT] = None,
    ) -> FloatsXdT:
        """dX = dY * d mish(X) / dX below threshold, else dY.

        dY, X: same shape; X is what mish was given.  threshold: as in mish.
        RETURNS: dY's shape and dtype; the same object as dY if inplace.
        RAISES: ValueError when the shapes differ.
        NUMERICS: at most 4 ulp of dY. With e = e^x, n = e (e + 2): n / (n + 2) + 4 x e (e + 1) / (n + 2)^2;
            no overflow at any x.
        """
        dy, x = self._checked("backprop_mish", dY=dY, X=X)
        threshold = checks.number("backprop_mish", "threshold", threshold)
        xc = self.xp.minimum(self._floor(x), 20)
        E = self.xp.exp(xc)
        N = E * (E + 2)
        slope = N / (N + 2) + xc * (4 * E * (E + 1) / self.xp.square(N + 2))
        return self._result("backprop_mish", dy * self.xp.where(x >= threshold, 1, slope), dY, inplace)

    @takes_out()
    def gelu(self, X: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None) -> FloatsXdT:
        """Y = X * Phi(X), Phi the normal distribution function.

        X: any shape.
        RETURNS: X's shape and dtype; the same object as X if inplace.
        NUMERICS: at most 3 ulp of X. NaN stays NaN, -inf gives -0. Nothing cancels in the left
            tail: Phi(x) = erfc(-x / sqrt 2) / 2.
        SOURCE: Hendrycks and Gimpel 2016, arXiv:1606.08415.
        """
        (x,) = self._checked("gelu", X=X)
        return self._result("gelu", self._floor(x) * self._gaussian_cdf(x), X, inplace)

    @takes_out()
    def backprop_gelu(
        self, dY: FloatsXdT, X: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None
    ) -> FloatsXdT:
        """dX = dY * (Phi(X) + X * phi(X)), Phi and phi the normal distribution function and density.

        dY, X: same shape; X is what gelu was given.
        RETURNS: dY's shape and dtype; the same object as dY if inplace.
        RAISES: ValueError when the shapes differ.
        NUMERICS: at most 3 ulp of dY; 1 at +inf, 0 at -inf, NaN stays NaN.
        """
        dy, x = self._checked("backprop_gelu", dY=dY, X=X)
        xc = self.xp.clip(x, -40, 40)  # phi(40) is 0 in float64, and 0 * 40 is not 0 * inf
        return self._result("backprop_gelu", dy * (self._gaussian_cdf(x) + xc * self._gaussian_pdf(xc)), dY, inplace)

    def _gaussian_cdf(self, X: Any) -> Any:
        return 0.5 * self._special("erfc", -INV_SQRT2 * X)

    def _gaussian_pdf(self, X: Any) -> Any:
        return INV_SQRT_2PI * self.xp.exp(-0.5 * X * X)

    @takes_out()
    def gelu_approx(self, X: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None) -> FloatsXdT:
        """Y = X / 2 * (1 + tanh(u)), u = sqrt(2 / pi) * (X + 0.044715 X^3).

        X: any shape.
        RETURNS: X's shape and dtype; the same object as X if inplace.
        NUMERICS: at most 2 ulp of X. Computed as X * sigmoid(2 u), which does not cancel on the left; NaN stays
            NaN, -inf gives -0.
        SOURCE: Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2.
        """
        (x,) = self._checked("gelu_approx", X=X)
        t = self.xp.clip(x, -1000, 1000)  # s is 0 or 1 long before; t^3 must not overflow
        return self._result("gelu_approx", self._floor(x) * self._sigmoid(self._gelu_u2(t)), X, inplace)

    @takes_out()
    def backprop_gelu_approx(
        self, dY: FloatsXdT, X: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None
    ) -> FloatsXdT:
        """dX = dY * (s + X s (1 - s) 2 u'), s = sigmoid(2 u), u as in gelu_approx.

        dY, X: same shape; X is what gelu_approx was given.
        RETURNS: dY's shape and dtype; the same object as dY if inplace.
        RAISES: ValueError when the shapes differ.
        NUMERICS: at most 5 ulp of dY; 1 at +inf, 0 at -inf.
        """
        dy, x = self._checked("backprop_gelu_approx", dY=dY, X=X)
        t = self.xp.clip(x, -1000, 1000)  # as in gelu_approx
        u2 = self._gelu_u2(t)
        s, s_minus = self._sigmoid(u2), self._sigmoid(-u2)
        slope = s + t * s * s_minus * (2 * SQRT2PI) * (1 + 3 * CUBIC * t * t)
        return self._result("backprop_gelu_approx", dy * slope, dY, inplace)

    def _gelu_u2(self, X: Any) -> Any:
        return (2 * SQRT2PI) * X * (1 + CUBIC * X * X)

    @takes_out()
    def erf(self, X: FloatsXdT, *, out: Optional[FloatsXdT] = None) -> FloatsXdT:
        """The error function, elementwise.

        X: any shape.
        RETURNS: X's shape and dtype.
        NUMERICS: at most 4 ulp of Y.
        """
        (x,) = self._checked("erf", X=X)
        return self._result("erf", self._special("erf", x), X, False)

    @takes_out()
    def sechsq(self, X: FloatsXdT, *, out: Optional[FloatsXdT] = None) -> FloatsXdT:
        """Y = 1 / cosh(X)^2, with X clipped to [-20, 20].

        X: any shape.
        RETURNS: X's shape and dtype.
        NUMERICS: at most 8 ulp of Y.
        """
        (x,) = self._checked("sechsq", X=X)
        return self._result("sechsq", self.xp.square(1 / self.xp.cosh(self.xp.clip(x, -20, 20))), X, False)

    @takes_out()
    def sigmoid(self, X: FloatsXdT, *, inplace: bool = False, out: Optional[FloatsXdT] = None) -> FloatsXdT:
        """Y = 1 / (1 + exp(-X)).

        X: any shape.
        RETURNS: X's shape and dtype; the same object as X if inplace.
        NUMERICS: at most 4 ulp of Y. No clipping: differs from a clip at -20 by at most 2.1e-9; no overflow; NaN
            stays NaN.
        """
        (x,) = self._checked("sigmoid", X=X)
        return self._result("sigmoid", self._sigmoid(x), X, inplace)

    @takes_out()
    def backprop_sigmoid(
        self, dY: FloatsXdT, Y: FloatsXdT, *, inplace: bool = False, out: Optional[FloatsXdT] = None
    ) -> FloatsXdT:
        """dX = dY * Y * (1 - Y).

        dY, Y: same shape; Y is what sigmoid returned.  inplace: overwrites Y, unlike the other gradients.
        RETURNS: Y's shape and dtype; the same object as Y if inplace.
        RAISES: ValueError when the shapes differ.
        NUMERICS: at most 2 ulp of dX.
        """
        dy, y = self._checked("backprop_sigmoid", dY=dY, Y=Y)
        return self._result("backprop_sigmoid", dy * y * (1 - y), Y, inplace)

    @takes_out()
    def dsigmoid(self, Y: FloatsXdT, *, inplace: bool = False, out: Optional[FloatsXdT] = None) -> FloatsXdT:
        """Y * (1 - Y): the slope of sigmoid from its output.

        Y: any shape.
        RETURNS: Y's shape and dtype; the same object as Y if inplace.
        NUMERICS: at most 2 ulp of Y * (1 - Y).
        """
        (y,) = self._checked("dsigmoid", Y=Y)
        return self._result("dsigmoid", y * (1 - y), Y, inplace)

    @takes_out()
    def dtanh(self, Y: FloatsXdT, *, inplace: bool = False, out: Optional[FloatsXdT] = None) -> FloatsXdT:
        """1 - Y^2: the slope of tanh from its output.

        Y: any shape.
        RETURNS: Y's shape and dtype; the same object as Y if inplace.
        NUMERICS: at most 1 ulp of 1.
        """
        (y,) = self._checked("dtanh", Y=Y)
        return self._result("dtanh", 1 - y * y, Y, inplace)

    @takes_out()
    def clipped_linear(
        self,
        X: FloatsXdT,
        slope: float = 1.0,
        offset: float = 0.0,
        min_val: float = 0.0,
        max_val: float = 1.0,
        inplace: bool = False,
        *,
        out: Optional[FloatsXdT] = None,
    ) -> FloatsXdT:
        """Y = clip(X * slope + offset, min_val, max_val).

        X: any shape.  slope, offset: of the line.  min_val, max_val: where it is cut off.
        RETURNS: X's shape and dtype; the same object as X if inplace.
        NUMERICS: exact for slope 1 and offset 0, else a product and a sum are rounded; NaN stays NaN.
        """
        (x,) = self._checked("clipped_linear", X=X)
        slope, offset, min_val, max_val = self._line("clipped_linear", slope, offset, min_val, max_val)
        return self._result("clipped_linear", self.xp.clip(x * slope + offset, min_val, max_val), X, inplace)

    @takes_out()
    def backprop_clipped_linear(
        self,
        dY: FloatsXdT,
        X: FloatsXdT,
        slope: float = 1.0,
        offset: float = 0.0,
        min_val: float = 0.0,
        max_val: float = 1.0,
        inplace: bool = False,
        *,
        out: Optional[FloatsXdT] = None,
    ) -> FloatsXdT:
        """dX = dY * slope where the line runs strictly between min_val and max_val, else 0.

        dY, X: same shape; X is what clipped_linear was given.  The others: as given to clipped_linear.
        RETURNS: dY's shape and dtype; the same object as dY if inplace.
        RAISES: ValueError when the shapes differ.
        NUMERICS: exact for slope 1, else a product is rounded; right for every slope, negative and zero too; 0 where X
            is NaN.
        """
        dy, x = self._checked("backprop_clipped_linear", dY=dY, X=X)
        slope, offset, min_val, max_val = self._line("backprop_clipped_linear", slope, offset, min_val, max_val)
        line = x * slope + offset
        dX = self.xp.where((line > min_val) & (line < max_val), dy * slope, dy.dtype.type(0))
        return self._result("backprop_clipped_linear", dX, dY, inplace)

    def _line(self, op: str, *values: Any) -> Any:
        """slope, offset, min_val and max_val as numbers."""
        return [
            checks.number(op, name, value) for name, value in zip(("slope", "offset", "min_val", "max_val"), values)
        ]

    def relu_k(
        self, X: FloatsXdT, n: float = 6.0, inplace: bool = False, *, out: Optional[FloatsXdT] = None
    ) -> FloatsXdT:
        """Y = clip(X, 0, n). See clipped_linear.

        NUMERICS: exact.
        """
        return self.clipped_linear(X, max_val=n, inplace=inplace, out=out)

    def backprop_relu_k(
        self, dY: FloatsXdT, X: FloatsXdT, n: float = 6.0, inplace: bool = False, *, out: Optional[FloatsXdT] = None
    ) -> FloatsXdT:
        """dX = dY where 0 < X < n, else 0. See backprop_clipped_linear.

        NUMERICS: exact.
        """
        return self.backprop_clipped_linear(dY, X, max_val=n, inplace=inplace, out=out)

    def hard_sigmoid(self, X: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None) -> FloatsXdT:
        """Y = clip(0.2 X + 0.5, 0, 1). See clipped_linear.

        NUMERICS: at most 1 ulp of 1.
        """
        return self.clipped_linear(X, slope=0.2, offset=0.5, inplace=inplace, out=out)

    def backprop_hard_sigmoid(
        self, dY: FloatsXdT, X: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None
    ) -> FloatsXdT:
        """dX = 0.2 dY where |X| < 2.5, else 0. See backprop_clipped_linear.

        NUMERICS: at most 1 ulp of dX.
        """
        return self.backprop_clipped_linear(dY, X, slope=0.2, offset=0.5, inplace=inplace, out=out)

    def hard_tanh(self, X: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None) -> FloatsXdT:
        """Y = clip(X, -1, 1). See clipped_linear.

        NUMERICS: exact.
        """
        return self.clipped_linear(X, min_val=-1.0, max_val=1.0, inplace=inplace, out=out)

    def backprop_hard_tanh(
        self, dY: FloatsXdT, X: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None
    ) -> FloatsXdT:
        """dX = dY where |X| < 1, else 0. See backprop_clipped_linear.

        NUMERICS: exact.
        """
        return self.backprop_clipped_linear(dY, X, min_val=-1.0, max_val=1.0, inplace=inplace, out=out)

    @takes_out()
    def swish(self, X: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None) -> FloatsXdT:
        """Y = X * sigmoid(X).

        X: any shape.
        RETURNS: X's shape and dtype; the same object as X if inplace.
        NUMERICS: at most 4 ulp of Y. No cut-off; NaN stays NaN, -inf gives -0.
        SOURCE: Ramachandran et al. 2017, arXiv:1710.05941.
        """
        (x,) = self._checked("swish", X=X)
        return self._result("swish", self._floor(x) * self._sigmoid(x), X, inplace)

    @takes_out()
    def backprop_swish(
        self, dY: FloatsXdT, X: FloatsXdT, Y: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None
    ) -> FloatsXdT:
        """dX = dY * (Y + sigmoid(X) * (1 - Y)).

        dY, X, Y: same shape; X is what swish was given, Y what it returned.
        RETURNS: dY's shape and dtype; the same object as dY if inplace.
        RAISES: ValueError when the shapes differ.
        NUMERICS: at most 4 ulp of dY. Computed as sigmoid(X) + Y * sigmoid(-X), which does not cancel; 1 at +inf,
            0 at -inf.
        """
        dy, x, y = self._checked("backprop_swish", dY=dY, X=X, Y=Y)
        limit = self.xp.finfo(y.dtype).max
        slope = self._sigmoid(x) + self.xp.clip(y, -limit, limit) * self._sigmoid(-x)
        return self._result("backprop_swish", dy * slope, dY, inplace)

    @takes_out()
    def hard_swish(self, X: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None) -> FloatsXdT:
        """Y = X * hard_sigmoid(X).

        X: any shape.
        RETURNS: X's shape and dtype; the same object as X if inplace.
        NUMERICS: at most 2 ulp of X; NaN stays NaN, -inf gives -0.
        """
        (x,) = self._checked("hard_swish", X=X)
        return self._result("hard_swish", self._floor(x) * self.xp.clip(x * 0.2 + 0.5, 0, 1), X, inplace)

    @takes_out()
    def backprop_hard_swish(
        self, dY: FloatsXdT, X: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None
    ) -> FloatsXdT:
        """dX = dY for X > 2.5, 0 for X < -2.5, dY * (0.4 X + 0.5) between.

        dY, X: same shape; X is what hard_swish was given.
        RETURNS: dY's shape and dtype; the same object as dY if inplace.
        RAISES: ValueError when the shapes differ.
        NUMERICS: at most 3 ulp of dY.
        """
        dy, x = self._checked("backprop_hard_swish", dY=dY, X=X)
        slope = self.xp.where(x > 2.5, 1, self.xp.where(x < -2.5, 0, x * 0.4 + 0.5))
        return self._result("backprop_hard_swish", dy * slope, dY, inplace)

    @takes_out()
    def hard_swish_mobilenet(
        self, X: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None
    ) -> FloatsXdT:
        """Y = X * clip(X + 3, 0, 6) / 6.

        X: any shape.
        RETURNS: X's shape and dtype; the same object as X if inplace.
        NUMERICS: at most 3 ulp of Y; NaN stays NaN, -inf gives -0.
        SOURCE: Howard et al. 2019, arXiv:1905.02244, section 5.2.
        """
        (x,) = self._checked("hard_swish_mobilenet", X=X)
        Y = self._floor(x) * (self.xp.clip(x + 3, 0, 6) / 6)
        return self._result("hard_swish_mobilenet", Y, X, inplace)

    @takes_out()
    def backprop_hard_swish_mobilenet(
        self, dY: FloatsXdT, X: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None
    ) -> FloatsXdT:
        """dX = dY for X > 3, 0 for X < -3, dY * (2 X + 3) / 6 between.

        dY, X: same shape; X is what hard_swish_mobilenet was given.
        RETURNS: dY's shape and dtype; the same object as dY if inplace.
        RAISES: ValueError when the shapes differ.
        NUMERICS: at most 3 ulp of dY.
        """
        dy, x = self._checked("backprop_hard_swish_mobilenet", dY=dY, X=X)
        slope = self.xp.where(x > 3, 1, self.xp.where(x < -3, 0, (x * 2 + 3) / 6))
        return self._result("backprop_hard_swish_mobilenet", dy * slope, dY, inplace)

    @takes_out()
    def dish(self, X: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None) -> FloatsXdT:
        """Y = X / 2 * (1 + X / sqrt(1 + X^2)).

        X: any shape.
        RETURNS: X's shape and dtype; the same object as X if inplace.
        NUMERICS: at most 3 ulp of X; at most 5 ulp of Y for |X| < 1e18. On the left as X / (h + |X|) / 2 h,
            h = sqrt(1 + X^2), where the bracket would cancel; NaN stays NaN.
        """
        (x,) = self._checked("dish", X=X)
        left, h = self._dish_parts(x)
        Y = self.xp.where(x < 0, left / (h + self.xp.abs(left)) * (0.5 / h), 0.5 * x * (1 + left / h))
        return self._result("dish", Y, X, inplace)

    @takes_out()
    def backprop_dish(
        self, dY: FloatsXdT, X: FloatsXdT, inplace: bool = False, *, out: Optional[FloatsXdT] = None
    ) -> FloatsXdT:
        """dX = dY * (r - r^3 / 2 + 1 / 2), with r = X / sqrt(1 + X^2).

        dY, X: same shape; X is what dish was given.
        RETURNS: dY's shape and dtype; the same object as dY if inplace.
        RAISES: ValueError when the shapes differ.
        NUMERICS: at most 5 ulp of dY. With s = 1 + r, which has the form of dish on the left, s (1 + r - r^2) / 2;
            1 at +inf, 0 at -inf.
        """
        dy, x = self._checked("backprop_dish", dY=dY, X=X)
        xc, h = self._dish_parts(x)
        s = self.xp.where(x < 0, 1 / h / (h + self.xp.abs(xc)), 1 + xc / h)
        return self._result("backprop_dish", dy * (0.5 * s * (1 + (s - 1) * (2 - s))), dY, inplace)

    def _dish_parts(self, X: Any) -> Any:
        """X, clipped so that twice its size is finite, and sqrt(1 + X^2)."""
        limit = self.xp.finfo(X.dtype).max / 4
        x = self.xp.clip(X, -limit, limit)
        return x, self.xp.hypot(x, x.dtype.type(1))
