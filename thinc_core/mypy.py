"""mypy plugin: layers that do not fit together are errors of the type checker, and combinators have the right type.

In the settings of mypy: plugins = thinc_core.mypy

chain: what each layer gives must be what the next one takes; the result takes what the first takes and gives what the
last gives. add and concatenate: all layers must take the same and give the same. A function of yours is looked after
likewise if its declared result is Model[InT, XY_YZ_OutT] (as chain) or Model[InT, XY_XY_OutT] (as add), with the
variables of thinc_core.types.
"""

from typing import Callable, Dict, List, NamedTuple, Optional, Tuple, Type

from mypy.errorcodes import ErrorCode
from mypy.maptype import map_instance_to_supertype
from mypy.messages import format_type
from mypy.nodes import ARG_POS, ARG_STAR, CallExpr, Decorator, Expression, IndexExpr, OpExpr, OverloadedFuncDef, RefExpr
from mypy.options import Options
from mypy.plugin import CheckerPluginInterface, FunctionContext, MethodContext, Plugin
from mypy.subtypes import is_equivalent, is_subtype
from mypy.types import AnyType, CallableType, Instance, TypeVarType, UninhabitedType, get_proper_type
from mypy.types import Type as MypyType

INPUT = ErrorCode("layer-mismatch-input", "Invalid layer input", "Thinc")
OUTPUT = ErrorCode("layer-mismatch-output", "Invalid layer output", "Thinc")

MODEL = "thinc_core.model.Model"
CHAIN, ALIKE = "chain", "alike"
KINDS = {
    "thinc_core.layers.chain.chain": CHAIN,
    "thinc_core.layers.add.add": ALIKE,
    "thinc_core.layers.concatenate.concatenate": ALIKE,
}
THEN = f"{MODEL}.__rshift__"  # >>, which programs bind to chain
VARIABLES = {"thinc_core.types.XY_YZ_OutT": CHAIN, "thinc_core.types.XY_XY_OutT": ALIKE}


def plugin(version: str) -> Type[Plugin]:
    """What mypy calls to get the plugin."""
    return ThincPlugin


class ThincPlugin(Plugin):
    """Checks the calls of combinators."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._kinds: Dict[str, Optional[str]] = dict(KINDS)

    def get_function_hook(self, fullname: str) -> Optional[Callable[[FunctionContext], MypyType]]:
        if fullname not in self._kinds:
            self._kinds[fullname] = self._declared_kind(fullname)
        kind = self._kinds[fullname]
        return None if kind is None else lambda context: check_call(kind, context)

    def get_method_hook(self, fullname: str) -> Optional[Callable[[MethodContext], MypyType]]:
        return check_then if fullname == THEN else None

    def _declared_kind(self, fullname: str) -> Optional[str]:
        """How the result of a function is declared, if it is that of a combinator."""
        symbol = self.lookup_fully_qualified(fullname)
        node = symbol.node if symbol else None
        function = node.func if isinstance(node, Decorator) else node
        declared = get_proper_type(getattr(function, "type", None))
        if isinstance(function, OverloadedFuncDef) or not isinstance(declared, CallableType):
            return None
        result = get_proper_type(declared.ret_type)
        if not isinstance(result, Instance) or result.type.fullname != MODEL or len(result.args) != 2:
            return None
        variable = get_proper_type(result.args[1])
        return VARIABLES.get(variable.fullname) if isinstance(variable, TypeVarType) else None


class Layer(NamedTuple):
    """An argument of a combinator: the expression, how a message calls it, what it takes and gives."""

    expression: Expression
    name: str
    takes: MypyType
    gives: MypyType


def check_call(kind: str, context: FunctionContext) -> MypyType:
    """Report layers that do not fit. RETURNS: the type of the call."""
    layers = _layers(kind, context)
    if not layers:
        return context.default_return_type
    check = _check_chain if kind == CHAIN else _check_alike
    for number, pair in enumerate(zip(layers, layers[1:]), start=1):  # noqa: RUF007 (mypy knows the pairs of zip)
        check(context.api, context.api.options, number, *pair)
    result = get_proper_type(context.default_return_type)
    if not isinstance(result, Instance) or result.type.fullname != MODEL:
        return context.default_return_type
    return result.copy_modified(args=[layers[0].takes, (layers[-1] if kind == CHAIN else layers[0]).gives])


def check_then(context: MethodContext) -> MypyType:
    """Report two layers around >> that do not fit. RETURNS: the type of the chain."""
    expression = context.context
    left, right = _as_model(context.type), _as_model(context.arg_types[0][0])
    if left is None or right is None or not isinstance(expression, OpExpr):
        return context.default_return_type
    layers = [
        Layer(side, name_of(side), *model) for side, model in ((expression.left, left), (expression.right, right))
    ]
    _check_chain(context.api, context.api.options, 1, *layers)
    result = get_proper_type(context.default_return_type)
    assert isinstance(result, Instance)
    return result.copy_modified(args=[left[0], right[1]])


def _layers(kind: str, context: FunctionContext) -> List[Layer]:
    """The arguments of a call; none when it is not known what all of them are.

    Of *layers, a list of one type, it is not known how many there are. Where all are alike that does not matter.
    """
    found = []
    for expressions, types, kinds in zip(context.args, context.arg_types, context.arg_kinds):
        for expression, given, how in zip(expressions, types, kinds):
            if how == ARG_STAR and kind == ALIKE:
                given = _item_of(given)
            elif how != ARG_POS:
                return []
            model = _as_model(given)
            if model is None:
                return []
            found.append(Layer(expression, name_of(expression), model[0], model[1]))
    return found


def _item_of(given: MypyType) -> MypyType:
    """What the items of a list or another sequence are."""
    given = get_proper_type(given)
    is_sequence = isinstance(given, Instance) and given.type.has_base("typing.Sequence") and len(given.args) == 1
    return given.args[0] if is_sequence else given  # type: ignore[attr-defined]


def _as_model(given: MypyType) -> Optional[Tuple[MypyType, MypyType]]:
    """What a layer takes and gives."""
    given = get_proper_type(given)
    if not isinstance(given, Instance):
        return None
    base = next((each for each in given.type.mro if each.fullname == MODEL), None)
    if base is None:
        return None
    arguments = map_instance_to_supertype(given, base).args
    return (arguments[0], arguments[1]) if len(arguments) == 2 else None


def _is_open(*types: MypyType) -> bool:
    """Whether one of the types says nothing."""
    return any(isinstance(get_proper_type(each), (AnyType, UninhabitedType)) for each in types)


def _check_chain(api: CheckerPluginInterface, options: Options, number: int, left: Layer, right: Layer) -> None:
    if _is_open(left.gives, right.takes) or is_subtype(left.gives, right.takes):
        return
    gives, takes = format_type(left.gives, options), format_type(right.takes, options)
    one, other = f"layer {number} ({left.name})", f"layer {number + 1} ({right.name})"
    api.fail(f"{one} gives {gives}, but {other} takes {takes}", left.expression, code=OUTPUT)
    api.fail(f"{other} takes {takes}, but {one} gives {gives}", right.expression, code=INPUT)


def _check_alike(api: CheckerPluginInterface, options: Options, number: int, left: Layer, right: Layer) -> None:
    one, other = f"layer {number} ({left.name})", f"layer {number + 1} ({right.name})"
    for verb, here, there, code in (
        ("takes", left.takes, right.takes, INPUT),
        ("gives", left.gives, right.gives, OUTPUT),
    ):
        if _is_open(here, there) or is_equivalent(here, there):
            continue
        first, second = format_type(here, options), format_type(there, options)
        api.fail(f"{one} {verb} {first}, but {other} {verb} {second}", left.expression, code=code)
        api.fail(f"{other} {verb} {second}, but {one} {verb} {first}", right.expression, code=code)


def name_of(expression: Expression) -> str:
    """How a reader would call a layer: Relu for Relu(10), hidden for a variable of that name."""
    if isinstance(expression, CallExpr):
        return name_of(expression.callee)
    if isinstance(expression, IndexExpr):
        return f"{name_of(expression.base)}[...]"
    if isinstance(expression, OpExpr):
        return f"{name_of(expression.left)} {expression.op} {name_of(expression.right)}"
    if isinstance(expression, RefExpr):
        return str(getattr(expression, "name", "")) or "a layer"
    return "a layer"
