"""Matrix products, alone and with the steps that usually follow them."""

# The array types describe what callers do with arrays, not everything that array code can do.
# mypy: disable-error-code="index,call-overload"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Tuple

from .. import checks
from ._out import takes_out
from .activations import Activations
from .dropout import Dropout
from .layernorm import LayerNorm
from .maxout import Maxout
from .softmax import Softmax

if TYPE_CHECKING:
    from ...types import Floats1d, Floats2d, Floats3d, Ints2d


# What affine_activation can apply: elementwise ops of one argument.
ACTIVATIONS = (
    "relu gelu gelu_approx mish swish sigmoid dish hard_swish hard_swish_mobilenet hard_sigmoid hard_tanh relu_k"
).split()


class Gemm(Activations, Maxout, Softmax, LayerNorm, Dropout):
    def gemm(
        self,
        x: Floats2d,
        y: Floats2d,
        out: Optional[Floats2d] = None,
        trans1: bool = False,
        trans2: bool = False,
        *,
        accumulate: bool = False,
    ) -> Floats2d:
        """op(x) @ op(y), op the transpose when the flag is set.

        x: (M, K), or (K, M) with trans1.  y: (K, N), or (N, K) with trans2; any layout.
        out: (M, N) array to write into, any layout; None: a new one.
        accumulate: add to out (which is then required) instead of overwriting it.
        RETURNS: (M, N) in x's dtype; the same object as out if given.
        RAISES: ValueError when ranks, inner dimensions or dtypes differ, or out does not fit; TypeError when x or y
            is no array of this backend.
        NUMERICS: the order of the sums is the backend's own; zeros when K is 0. On the CPU, values and products below
            the smallest normal number may count as zeros, here and in all that is fused to products.
        """
        self._arrays("gemm", x=x, y=y)
        trans1, trans2 = checks.flag("gemm", "trans1", trans1), checks.flag("gemm", "trans2", trans2)
        accumulate = checks.flag("gemm", "accumulate", accumulate)
        checks.gemm("gemm", x, y, trans1, trans2)
        shape = (x.shape[1 if trans1 else 0], y.shape[0 if trans2 else 1])
        if out is None:
            if accumulate:
                raise ValueError("gemm: accumulate needs the array to add to; got out=None")
            return self._product(x, y, trans1, trans2)
        checks.out("gemm", "out", out, self.xp, shape, x.dtype)
        product = self._product(x, y, trans1, trans2)
        out[...] = out + product if accumulate else product
        return out

    def _product(self, x: Any, y: Any, trans1: bool, trans2: bool) -> Any:
        left, right = self._wide(x), self._wide(y)
        return ((left.T if trans1 else left) @ (right.T if trans2 else right)).astype(x.dtype, copy=False)

    @takes_out()
    def affine(self, X: Floats2d, W: Floats2d, b: Floats1d, *, out: Optional[Floats2d] = None) -> Floats2d:
        """Y = X @ W.T + b.

        X: (B, I).  W: (O, I).  b: (O,).
        RETURNS: (B, O) in X's dtype.
        RAISES: ValueError when ranks, dimensions or dtypes differ.
        """
        self._arrays("affine", X=X, W=W, b=b)
        checks.ndim("affine", "W", W, 2)
        checks.affine("affine", X, W, b)
        return (self.gemm(self._wide(X), self._wide(W), trans2=True) + b).astype(X.dtype, copy=False)

    @takes_out(like="X", changes=("dW", "db"))
    def backprop_affine(
        self, dY: Floats2d, X: Floats2d, W: Floats2d, dW: Floats2d, db: Floats1d, *, out: Optional[Floats2d] = None
    ) -> Floats2d:
        """dX = dY @ W; the gradients of W and b are added to their buffers.

        dY: (B, O).  X: (B, I), W: (O, I), what affine was given.
        dW: (O, I), db: (O,) gradient buffers; dY.T @ X and the column sums of dY are added to them in place.
        RETURNS: (B, I) in dY's dtype.
        RAISES: ValueError when ranks, dimensions or dtypes differ, or a buffer is read-only.
        """
        op = "backprop_affine"
        self._arrays(op, dY=dY, X=X, W=W, dW=dW, db=db)
        checks.ndim(op, "W", W, 2)
        checks.affine_buffers(op, X, W, dW, db, dY=dY)
        checks.affine(op, X, W, db)
        checks.shape(op, "dY", dY, (X.shape[0], W.shape[0]))
        checks.same_dtype(op, "dY and X", dY, X)
        self.gemm(dY, X, out=dW, trans1=True, accumulate=True)
        db += dY.sum(axis=0)
        return self.gemm(dY, W)

    @takes_out()
    def affine_relu(self, X: Floats2d, W: Floats2d, b: Floats1d, *, out: Optional[Floats2d] = None) -> Floats2d:
        """Y = max(X @ W.T + b, 0).

        X: (B, I).  W: (O, I).  b: (O,).
        RETURNS: (B, O) in X's dtype.
        RAISES: ValueError when ranks, dimensions or dtypes differ.
        """
        self._arrays("affine_relu", X=X, W=W, b=b)
        checks.ndim("affine_relu", "W", W, 2)
        checks.affine("affine_relu", X, W, b)
        return self.relu(self.affine(X, W, b), inplace=True)

    @takes_out()
    def affine_softmax(
        self, X: Floats2d, W: Floats2d, b: Floats1d, temperature: float = 1.0, *, out: Optional[Floats2d] = None
    ) -> Floats2d:
        """softmax of the rows that affine returns, in the same pass.

        X: (B, I).  W: (O, I).  b: (O,).  temperature: as in softmax.
        RETURNS: (B, O) in X's dtype.
        RAISES: ValueError when ranks, dimensions or dtypes differ.
        """
        self._arrays("affine_softmax", X=X, W=W, b=b)
        checks.ndim("affine_softmax", "W", W, 2)
        checks.affine("affine_softmax", X, W, b)
        temperature = checks.number("affine_softmax", "temperature", temperature)
        Z = self.affine(self._wide(X), self._wide(W), self._wide(b))
        return self.softmax(Z, inplace=True, temperature=temperature).astype(X.dtype, copy=False)

    @takes_out()
    def affine_activation(
        self,
        X: Floats2d,
        W: Floats2d,
        b: Floats1d,
        activation: str,
        keep: bool = True,
        *,
        out: Optional[Tuple[Optional[Floats2d], Optional[Floats2d]]] = None,
    ) -> Tuple[Floats2d, Optional[Floats2d]]:
        """Y = f(Z), Z = X @ W.T + b: the op of that name applied to what affine returns, in the same pass.

        X: (B, I).  W: (O, I).  b: (O,).
        activation: name of an elementwise op: relu, gelu, gelu_approx, mish, swish, sigmoid, dish, hard_swish,
            hard_swish_mobilenet, hard_sigmoid, hard_tanh or relu_k, with its default settings.
        keep: return Z too, which the gradient of most of them needs.
        RETURNS: Y (B, O) in X's dtype; Z (B, O), or None without keep.
        RAISES: ValueError when ranks, dimensions or dtypes differ, or no such op is known.
        """
        self._arrays("affine_activation", X=X, W=W, b=b)
        checks.ndim("affine_activation", "W", W, 2)
        checks.affine("affine_activation", X, W, b)
        checks.one_of("affine_activation", "activation", activation, ACTIVATIONS)
        keep = checks.flag("affine_activation", "keep", keep)
        Z = self.affine(self._wide(X), self._wide(W), self._wide(b))
        Y = getattr(self, activation)(Z).astype(X.dtype, copy=False)
        return Y, Z.astype(X.dtype, copy=False) if keep else None

    @takes_out()
    def affine_maxout(
        self,
        X: Floats2d,
        W: Floats3d,
        b: Floats2d,
        *,
        out: Optional[Tuple[Optional[Floats2d], Optional[Ints2d]]] = None,
    ) -> Tuple[Floats2d, Ints2d]:
        """Best of P affine pieces of each output, and its index.

        X: (B, I).  W: (O, P, I), P >= 1.  b: (O, P).
        RETURNS: best (B, O) in X's dtype; which (B, O) int32.
        RAISES: ValueError when ranks, dimensions or dtypes differ, or P is 0.
        NUMERICS: ties and NaN as in maxout.
        SOURCE: Goodfellow et al. 2013, arXiv:1302.4389.
        """
        self._arrays("affine_maxout", X=X, W=W, b=b)
        checks.ndim("affine_maxout", "W", W, 3)
        checks.affine("affine_maxout", X, W, b)
        O, P, I = W.shape  # noqa: E741
        checks.at_least("affine_maxout", "P", P, 1)
        x, w, shift = self._wide(X), self._wide(W), self._wide(b)
        Z = self.affine(x, w.reshape(O * P, I), shift.reshape(O * P))
        best, which = self.maxout(Z.reshape(X.shape[0], O, P))
        return best.astype(X.dtype, copy=False), which

    @takes_out()
    def affine_maxout_layernorm(
        self,
        X: Floats2d,
        W: Floats3d,
        b: Floats2d,
        G: Floats1d,
        shift: Floats1d,
        eps: float = 1e-8,
        keep: bool = True,
        drop: float = 0.0,
        seed: int = 0,
        plus: Optional[Floats2d] = None,
        *,
        out: Optional[Tuple[Any, ...]] = None,
    ) -> Tuple[Floats2d, Optional[Floats2d], Optional[Ints2d], Optional[Floats1d], Optional[Floats1d]]:
        """dropout of the layernorm of what affine_maxout returns, plus an array, in the same pass.

        X: (B, I).  W: (O, P, I), P >= 1.  b: (O, P).  G, shift: (O,), eps: as in layernorm.
        keep: return all that the gradient needs, not only Y.  drop, seed: as in dropout; 0 drops nothing.
        plus: (B, O), what is added at the end; None: nothing.
        RETURNS: Y (B, O) in X's dtype; best (B, O) and which (B, O), as affine_maxout has them; mu (B,) and rstd (B,),
            as layernorm has them. Without keep all but Y are None.
        RAISES: ValueError when ranks, dimensions or dtypes differ, or P is 0.
        """
        op = "affine_maxout_layernorm"
        self._arrays(op, X=X, W=W, b=b, G=G, shift=shift)
        checks.ndim(op, "W", W, 3)
        checks.affine(op, X, W, b)
        checks.at_least(op, "P", W.shape[1], 1)
        for name, param in (("G", G), ("shift", shift)):
            checks.shape(op, name, param, W.shape[:1])
            checks.floats(op, name, param)
        eps, keep = checks.number(op, "eps", eps), checks.flag(op, "keep", keep)
        drop, seed = checks.drop_rate(op, drop), checks.seed(op, seed, 53)
        if plus is not None:
            self._arrays(op, plus=plus)
            checks.shape(op, "plus", plus, (X.shape[0], W.shape[0]))
            checks.same_dtype(op, "plus and X", plus, X)
        x, w, bias = self._wide(X), self._wide(W), self._wide(b)
        best, which = self.affine_maxout(x, w, bias)
        Y, mu, rstd = self.layernorm(best, G, shift, eps)
        if drop > 0:
            Y = self.dropout(Y, drop, seed, inplace=True)
        if plus is not None:
            Y += plus
        Y, best, mu, rstd = (each.astype(X.dtype, copy=False) for each in (Y, best, mu, rstd))
        return (Y, best, which, mu, rstd) if keep else (Y, None, None, None, None)

    @takes_out(like="X", changes=("dW", "db", "dG", "dshift"))
    def backprop_affine_maxout_layernorm(
        self,
        dY: Floats2d,
        best: Floats2d,
        which: Ints2d,
        mu: Floats1d,
        rstd: Floats1d,
        X: Floats2d,
        W: Floats3d,
        G: Floats1d,
        dW: Floats3d,
        db: Floats2d,
        dG: Floats1d,
        dshift: Floats1d,
        drop: float = 0.0,
        seed: int = 0,
        *,
        out: Optional[Floats2d] = None,
    ) -> Floats2d:
        """dX of affine_maxout_layernorm; the gradients of its parameters are added to their buffers.

        dY: (B, O), which is also the gradient of plus.  X, W, G, drop, seed: as given to affine_maxout_layernorm.
        best, which: (B, O), mu, rstd: (B,), what it returned.
        dW: (O, P, I), db: (O, P), dG, dshift: (O,) gradient buffers, added to in place.
        RETURNS: (B, I) in dY's dtype.
        RAISES: ValueError when ranks, dimensions or dtypes differ; IndexError when which is outside [0, P).
        """
        op = "backprop_affine_maxout_layernorm"
        drop, seed = checks.drop_rate(op, drop), checks.seed(op, seed, 53)
        self._arrays(op, dY=dY, best=best, which=which, mu=mu, rstd=rstd, X=X, W=W, G=G, dW=dW, db=db)
        self._arrays(op, dG=dG, dshift=dshift)
        read = {"dY": dY, "which": which, "best": best, "mu": mu, "rstd": rstd, "G": G}
        checks.ndim(op, "W", W, 3)
        checks.affine_buffers(op, X, W, dW, db, **read, dG=dG, dshift=dshift)
        checks.affine(op, X, W, db)
        for names, want in (("dY which best", (X.shape[0], W.shape[0])), ("mu rstd", X.shape[:1]), ("G", W.shape[:1])):
            for name in names.split():
                checks.shape(op, name, read[name], want)
        checks.same_dtype(op, "dY and X", dY, X)
        for name in ("best", "mu", "rstd", "G"):
            checks.floats(op, name, read[name])
        for name, buffer in (("dG", dG), ("dshift", dshift)):
            checks.shape(op, name, buffer, W.shape[:1])
            checks.floats(op, name, buffer)
            checks.writable(op, name, buffer)
            checks.apart(op, name, buffer, X=X, W=W, **read)
        checks.apart(op, "dG", dG, dshift=dshift)
        checks.integers(op, "which", which)
        checks.at_least(op, "P", W.shape[1], 1)
        checks.indices(op, "which", which, W.shape[1])
        if drop > 0:
            dY = self.dropout(dY, drop, seed)
        d_best = self.backprop_layernorm(dY, best, G, mu, rstd, dG, dshift)
        return self.backprop_affine_maxout(d_best, which, X, W, dW, db)

    @takes_out(like="X", changes=("dW", "db"))
    def backprop_affine_maxout(
        self,
        dY: Floats2d,
        which: Ints2d,
        X: Floats2d,
        W: Floats3d,
        dW: Floats3d,
        db: Floats2d,
        *,
        out: Optional[Floats2d] = None,
    ) -> Floats2d:
        """dX of affine_maxout; the gradients of W and b are added to their buffers.

        dY: (B, O).  which: (B, O) integers in [0, P), what affine_maxout returned.  X: (B, I).  W: (O, P, I).
        dW: (O, P, I), db: (O, P) gradient buffers, added to in place.
        RETURNS: (B, I) in dY's dtype.
        RAISES: ValueError when ranks, dimensions or dtypes differ; IndexError when which is outside [0, P).
        """
        op = "backprop_affine_maxout"
        self._arrays(op, dY=dY, which=which, X=X, W=W, dW=dW, db=db)
        checks.ndim(op, "W", W, 3)
        checks.affine_buffers(op, X, W, dW, db, dY=dY, which=which)
        checks.affine(op, X, W, db)
        O, P, I = W.shape  # noqa: E741
        checks.shape(op, "dY", dY, (X.shape[0], O))
        checks.same_dtype(op, "dY and X", dY, X)
        checks.same_shape(op, "dY and which", dY, which)
        checks.integers(op, "which", which)
        checks.at_least(op, "P", P, 1)
        checks.indices(op, "which", which, P)
        dZ = self.backprop_maxout(dY, which, P).reshape(X.shape[0], O * P)
        dW += self.gemm(dZ, X, trans1=True).reshape(dW.shape)
        db += dZ.sum(axis=0).reshape(db.shape)
        return self.gemm(dZ, W.reshape(O * P, I))

    @takes_out()
    def tile(self, X: Floats2d, reps: int, *, out: Optional[Floats2d] = None) -> Floats2d:
        """X repeated along its last axis.

        X: (B, I).  reps: how often.
        RETURNS: (B, I * reps) in X's dtype.
        RAISES: ValueError when reps is negative, or so large that no memory holds the result.
        """
        checks.array("tile", "X", X, self.xp)
        if (
            checks.integer("tile", "reps", reps) * X.size > 2**60
        ):  # numpy.tile writes out of bounds when the number of elements wraps round
            raise ValueError(f"tile: the result must fit into memory; got {reps=} for X {tuple(X.shape)}")
        return self.xp.tile(X, reps)
