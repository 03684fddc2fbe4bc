"""Optimizers: Adam, RAdam and SGD behind one class, for one parameter, `optimizer(key, weights, gradient)`, or many.

Others, such as AdamW and Lion, are in more_optimizers.py.
"""

from collections import defaultdict
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    DefaultDict,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Tuple,
    Union,
)

from ._hyperparameters import Hyperparameters
from ._reached import LEAST_SIZE, NO_MARKS, ReachedLines, shared_table
from .backends import Ops, get_array_ops, get_current_ops
from .backends.reference.optim import StepRates
from .config import registry
from .grad_scaler import GradScaler
from .types import FloatsXd, Generator

if TYPE_CHECKING:
    from .model import Model

__all__ = ["ADAM_DEFAULTS", "SGD", "SGD_DEFAULTS", "Adam", "Optimizer", "RAdam"]

KeyT = Tuple[int, str]
TableT = Dict[KeyT, FloatsXd]
FloatOrSeq = Union[float, List[float], Generator, Iterator[float], Callable[..., float]]

SGD_DEFAULTS: Dict[str, Union[float, bool, int]] = {"L2": 0.0, "L2_is_weight_decay": True, "grad_clip": 1.0}

ADAM_DEFAULTS: Dict[str, Union[float, bool, int]] = {
    "learn_rate": 0.001,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-08,
    "L2": SGD_DEFAULTS["L2"],
    "grad_clip": SGD_DEFAULTS["grad_clip"],
    "L2_is_weight_decay": True,
}


@registry.optimizers("RAdam.v1")
def RAdam(
    learn_rate: FloatOrSeq = 0.001,
    *,
    beta1: FloatOrSeq = 0.9,
    beta2: FloatOrSeq = 0.999,
    eps: FloatOrSeq = 1e-08,
    L2: FloatOrSeq = 0.0,
    L2_is_weight_decay: bool = True,
    grad_clip: FloatOrSeq = 1.0,
    use_averages: bool = True,
) -> "Optimizer":
    """Adam with the variance of its step rectified. SOURCE: Liu et al. 2020, arXiv:1908.03265, with t one ahead."""
    return Optimizer(
        learn_rate,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        L2=L2,
        L2_is_weight_decay=L2_is_weight_decay,
        grad_clip=grad_clip,
        use_averages=use_averages,
        use_radam=True,
    )


@registry.optimizers("Adam.v1")
def Adam(
    learn_rate: FloatOrSeq = 0.001,
    *,
    L2: FloatOrSeq = 0.0,
    beta1: FloatOrSeq = 0.9,
    beta2: FloatOrSeq = 0.999,
    eps: FloatOrSeq = 1e-08,
    grad_clip: FloatOrSeq = 1.0,
    L2_is_weight_decay: bool = True,
    use_averages: bool = True,
) -> "Optimizer":
    """Adam; with L2 it is AdamW. SOURCE: Kingma & Ba 2015, arXiv:1412.6980, in the form of the end of section 2."""
    return Optimizer(
        learn_rate,
        L2=L2,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        grad_clip=grad_clip,
        L2_is_weight_decay=L2_is_weight_decay,
        use_averages=use_averages,
    )


@registry.optimizers("SGD.v1")
def SGD(
    learn_rate: FloatOrSeq,
    *,
    L2: FloatOrSeq = 0.0,
    grad_clip: FloatOrSeq = 1.0,
    L2_is_weight_decay: bool = True,
    use_averages: bool = True,
) -> "Optimizer":
    """Plain stochastic gradient descent."""
    return Optimizer(
        learn_rate,
        L2=L2,
        grad_clip=grad_clip,
        beta1=0.0,
        beta2=0.0,
        L2_is_weight_decay=L2_is_weight_decay,
        use_averages=use_averages,
    )


class Optimizer(Hyperparameters):
    """Updates parameters in place and keeps what it has to remember about each of them.

    learn_rate, L2, beta1, beta2, eps, grad_clip: numbers, or schedules of any kind (see `step_schedules`).
    L2: strength of the decay of the weights, or, without L2_is_weight_decay, of a penalty added to the gradient.
    beta1, beta2: both 0 for plain SGD. eps: added to the square root of the uncorrected second moment.
    grad_clip: largest norm of the gradient of one parameter; 0 turns clipping off.
    use_averages: keep a moving average of every parameter for `model.use_params(optimizer.averages)`.
    ema_decay: the decay of that average, which then starts at the parameters, in (0, 1); 0 for 0.9999 from zeros.
    decay_vectors: whether L2 is for parameters of one dimension too, such as biases and the gains of norms.
    Arrays in mom1, mom2 and averages may be written to until the next step; fetch them anew after it, since a step
        skips those parts of large ones that it knows to be zero.
    Assign a GradScaler to grad_scaler when the gradient of the loss is scaled by it; each step divides by the scale.
    """

    __slots__ = (
        "L2_is_weight_decay",
        "_averages",
        "_mom1",
        "_mom2",
        "_ops",
        "_reached",
        "decay_vectors",
        "ema_decay",
        "grad_scaler",
        "last_seen",
        "nr_update",
        "use_radam",
    )

    mom1 = shared_table("_mom1")
    mom2 = shared_table("_mom2")
    averages = shared_table("_averages")
    nr_update: DefaultDict[KeyT, int]

    def __init__(
        self,
        learn_rate: FloatOrSeq,
        *,
        L2: FloatOrSeq = 0.0,
        beta1: FloatOrSeq = 0.9,
        beta2: FloatOrSeq = 0.999,
        eps: FloatOrSeq = 1e-08,
        grad_clip: FloatOrSeq = 1.0,
        use_averages: bool = True,
        use_radam: bool = False,
        L2_is_weight_decay: bool = True,
        ema_decay: float = 0.0,
        decay_vectors: bool = True,
    ) -> None:
        if not 0 <= ema_decay < 1:
            raise ValueError(f"optimizer: ema_decay must be in [0, 1); got {ema_decay}")
        super().__init__(grad_clip=grad_clip, learn_rate=learn_rate, b1=beta1, b2=beta2, eps=eps, L2=L2)
        self._mom1: TableT = {}
        self._mom2: TableT = {}
        self._averages: Optional[TableT] = {} if use_averages else None
        self._reached = ReachedLines()
        self.nr_update = defaultdict(int)
        self.last_seen: DefaultDict[KeyT, int] = defaultdict(int)
        self.use_radam = use_radam
        self.L2_is_weight_decay = L2_is_weight_decay
        self.ema_decay = ema_decay
        self.decay_vectors = decay_vectors
        self._ops: Dict[type, Ops] = {}
        self.grad_scaler: Optional[GradScaler] = None

    def __call__(
        self, key: KeyT, weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> Tuple[FloatsXd, FloatsXd]:
        """Update one parameter in place and clear its gradient.

        key: (id of the model or shim, name of the parameter). lr_scale: multiplies the learning rate of this call.
        RETURNS: weights and gradient, the same objects.
        RAISES: ValueError when the shapes differ.
        """
        self._apply([(key, weights, gradient)], lr_scale, {})
        return weights, gradient

    def apply_gradients(
        self, parameters: Iterable[Tuple[KeyT, FloatsXd, FloatsXd]], touched: Optional[Mapping[KeyT, Any]] = None
    ) -> None:
        """Update many parameters in place and clear their gradients, as calls for one after the other would, but
        together: Model.finish_update does so.

        parameters: (key, weights, gradient) of each.
        touched: marks of gradients, as the op apply_gradients takes them, by key. It is read after the parameters.
        RAISES: ValueError when the shapes of one differ; nothing is updated then.
        """
        self._apply(parameters, 1.0, {} if touched is None else touched)

    def _apply(self, parameters: Iterable[Tuple[KeyT, Any, Any]], lr_scale: float, touched: Mapping[KeyT, Any]) -> None:
        scaler = self.grad_scaler
        shared: Dict[int, StepRates] = {}
        if scaler is not None:
            scaler.settle()
        steps = [
            (key, weights, gradient, self._rates(key, weights, lr_scale, shared))
            for key, weights, gradient in parameters
            if _has_values(key, weights, gradient)
        ]
        rows: Dict[type, List[Tuple[Any, ...]]] = {}  # by the type of the arrays, which says where they are
        marks: Dict[type, List[Tuple[Any, Any]]] = {}
        for key, weights, gradient, rates in steps:
            if scaler is not None:
                scaler.note_update(self.nr_update, key)
            self.nr_update[key] = rates.t
            state = self._state(key, weights, rates)
            rows.setdefault(type(weights), []).append((weights, gradient, *state, rates))
            is_large = weights.size >= LEAST_SIZE
            found = (self._reached.find(key, weights, state), touched.get(key)) if is_large else NO_MARKS
            marks.setdefault(type(weights), []).append(found)
        for kind, batch in rows.items():
            ops = self._ops_for(batch[0][0])
            scaling = () if scaler is None else scaler.prepare_step(ops, batch[0][0])
            self._update_batch(ops, batch, marks[kind], scaling)

    def _update_batch(
        self, ops: Any, batch: List[Tuple[Any, ...]], marks: List[Tuple[Any, Any]], scaling: Tuple[Any, ...]
    ) -> None:
        """Update parameters of one device.

        batch: (weights, gradient, mom1, mom2, average, rates) of each. marks: (reached, touched) of each.
        """
        if all(each is NO_MARKS for each in marks):
            ops.apply_gradients(*zip(*batch), *scaling)
        else:
            reached, touched = zip(*marks)
            ops.apply_gradients(*zip(*batch), *scaling, reached=reached, touched=touched)

    def _rates(self, key: KeyT, weights: FloatsXd, lr_scale: float, shared: Dict[int, StepRates]) -> StepRates:
        """What the next step of a parameter depends on.

        shared: what others depend on too, by the number of their step, below 0 for those that do not decay.
        """
        t = self.nr_update.get(key, 0) + 1
        decays = self.decay_vectors or weights.ndim > 1
        if self._per_key:
            values = self._values_for(key)
            return self._rates_of(t, lr_scale, *(values if decays else (*values[:-1], 0.0)))
        found = shared.get(t if decays else -t)
        if found is None:
            values = self._values
            found = self._rates_of(t, lr_scale, *(values if decays else (*values[:-1], 0.0)))
            shared[t if decays else -t] = found
        return found

    def _rates_of(
        self, t: int, lr_scale: float, grad_clip: float, learn_rate: float, b1: float, b2: float, eps: float, L2: float
    ) -> StepRates:
        clip = self._around(grad_clip, lr_scale * learn_rate, L2)
        if b1 == b2 == 0.0:
            return StepRates(t, learn_rate * lr_scale, **clip)
        if b1 == 0.0 or b2 == 0.0:
            got = f"got {b1} and {b2}"
            raise NotImplementedError(f"optimizer: beta1 and beta2 must both be above 0 (Adam) or both 0 (SGD); {got}")
        if self.use_radam:
            rate, along = _radam(t + 1, b1, b2, learn_rate)
            return StepRates(t, rate, b1, b2, eps, along, **clip)
        correction = (1.0 - b2**t) ** 0.5 / (1.0 - b1**t)
        return StepRates(t, learn_rate * lr_scale * correction, b1, b2, eps, **clip)

    def _around(self, grad_clip: float, learn_rate: float, L2: float) -> Dict[str, float]:
        """The rates of what happens before and after the step of every optimizer."""
        around = {"grad_clip": grad_clip, "ema_decay": self.ema_decay}
        if not self.L2_is_weight_decay:
            around["penalty"] = L2
        elif L2:
            around["decay"] = 1.0 - learn_rate * L2
        return around

    def _count_moments(self, rates: StepRates) -> int:
        return 2 if rates.beta1 else 0

    def _state(self, key: KeyT, weights: FloatsXd, rates: StepRates) -> Tuple[Any, Any, Any]:
        """The moments and the average of a parameter, or None for each it has not."""
        count = self._count_moments(rates)
        mom1: Any = None
        mom2: Any = None
        average: Any = None
        kind = type(weights)  # where they must be too; the usual case costs no call
        if count:
            mom1 = self._mom1.get(key)
            if type(mom1) is not kind:
                mom1 = self._made(self._mom1, key, weights, (weights.size,))
        if count > 1:
            mom2 = self._mom2.get(key)
            if type(mom2) is not kind:
                mom2 = self._made(self._mom2, key, weights, (weights.size,))
        if self._averages is not None:
            average = self._averages.get(key)
            if type(average) is not kind:
                average = self._made(self._averages, key, weights, weights.shape)
        return mom1, mom2, average

    def _made(self, table: Dict[KeyT, FloatsXd], key: KeyT, weights: FloatsXd, shape: Any) -> FloatsXd:
        """What a table holds for a parameter: zeros at first, or what it has, brought to where the weights are.

        Moments, which are flat, are float32 when weights have 16 bits: squares of gradients would be zero there.
        """
        array: Any = table.get(key)
        ops = self._ops_for(weights)
        narrow = weights.dtype.itemsize == 2 and table is not self._averages
        dtype = "float32" if narrow else weights.dtype
        table[key] = ops.alloc_f(shape, dtype=dtype) if array is None else ops.asarray(array)
        return table[key]

    def _ops_for(self, array: FloatsXd) -> Any:
        """The ops of the array's own device, looked up once per type of array."""
        ops = self._ops.get(type(array))
        if ops is None:
            ops = get_current_ops()
            if ops.xp is None or not isinstance(array, ops.xp.ndarray):
                ops = get_array_ops(array)
            self._ops[type(array)] = ops
        return ops

    def state_dict(self, model: Optional["Model"] = None) -> Dict[str, Any]:
        """All it takes to go on exactly here: plain values and arrays (the live ones, not copies).

        model: name the entries after the places of the parameters in this model, so that another process can load
            them; entries of other models are left out. Without it they are named after the ids of this process.
        """
        self._reached.forget()
        # First, as it may take back updates that were left out.
        scaler = {} if self.grad_scaler is None else {"grad_scaler": self.grad_scaler.state_dict()}
        owners = _owners(model) if model is not None else {key[0]: str(key[0]) for key in self.nr_update}
        parameters = {f"{owners[key[0]]}/{key[1]}": self._entry(key) for key in self.nr_update if key[0] in owners}
        return {"version": 1, **self._hyperparameter_state(), **scaler, "parameters": parameters}

    def load_state_dict(self, state: Dict[str, Any], model: Optional["Model"] = None) -> None:
        """Take over what `state_dict` gave; the optimizer must be built with the same arguments, the model be the same.

        RAISES: ValueError for another version, or when the model lacks a node of the state; nothing is changed then.
        """
        if state.get("version") != 1:
            raise ValueError(f"optimizer: version of the state must be 1; got {state.get('version')!r}")
        places = [name.split("/", 1) for name in state["parameters"]]
        if model is not None:
            ids = {place: owner for owner, place in _owners(model).items()}
        else:
            ids = {place: int(place) for place, _ in places}
        missing = sorted({place for place, _ in places if place not in ids})
        if missing:
            raise ValueError(f"optimizer: the model must have every node of the state; it lacks {', '.join(missing)}")
        self._load_hyperparameter_state(state)
        if "grad_scaler" in state:
            self.grad_scaler = self.grad_scaler or GradScaler()
            self.grad_scaler.load_state_dict(state["grad_scaler"])
        for (place, name), entry in zip(places, state["parameters"].values()):
            self._load_entry((ids[place], name), entry)

    def _entry(self, key: KeyT) -> Dict[str, Any]:
        entry = {"nr_update": self.nr_update[key], "mom1": self._mom1.get(key), "mom2": self._mom2.get(key)}
        return {**entry, "average": self._averages.get(key) if self._averages is not None else None}

    def _load_entry(self, key: KeyT, entry: Dict[str, Any]) -> None:
        self.nr_update[key] = entry["nr_update"]
        ops = get_current_ops()
        for name, table in (("mom1", self._mom1), ("mom2", self._mom2), ("average", self._averages)):
            if table is not None and entry[name] is not None:
                # A copy: what was loaded may be a read-only view of a file.
                table[key] = ops.asarray(entry[name]).copy()


def _owners(model: "Model") -> Dict[int, str]:
    """The place in the tree of every id that optimizer keys start with: nodes in order, then the shims of each."""
    owners: Dict[int, str] = {}
    for index, node in enumerate(model.walk()):
        owners[node.id] = str(index)
        owners.update({shim.id: f"{index}.shim{number}" for number, shim in enumerate(node.shims)})
    return owners


def _has_values(key: KeyT, weights: FloatsXd, gradient: FloatsXd) -> bool:
    """Whether there is anything to update. RAISES: ValueError when the shapes differ."""
    if len(gradient) < 1:
        return False
    if weights.shape != gradient.shape:
        shapes = f"{weights.shape}; got {gradient.shape}"
        raise ValueError(f"optimizer: gradient of {key!r} must have the shape of the weights {shapes}")
    return True


def _radam(t: int, b1: float, b2: float, learn_rate: float) -> Tuple[float, float]:
    """The rates of a step of the paper's algorithm 2 at its time t: Adam's, and that of a step along the first moment
    while there are too few updates for a variance."""
    b2_t = b2**t
    rho_inf = 2.0 / (1.0 - b2) - 1.0
    rho = rho_inf - 2.0 * t * b2_t / (1.0 - b2_t)
    if rho < 5.0:
        return 0.0, learn_rate / (1.0 - b1**t)
    shrink = (rho - 4.0) / (rho_inf - 4.0) * (rho - 2.0) / rho * rho_inf / (rho_inf - 2.0)
    return ((1.0 - b2_t) * shrink) ** 0.5 / (1.0 - b1**t) * learn_rate, 0.0
