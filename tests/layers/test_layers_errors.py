"""Errors of layers: the path of the layer in the tree, what was expected, what came; for every row of the table."""

import re

import numpy
import pytest

from thinc_core.api import (
    Model,
    Padded,
    Ragged,
    Relu,
    Softmax,
    add,
    chain,
    concatenate,
    get_current_ops,
    noop,
    residual,
    with_array,
)
from thinc_core.errors import KindError, describe, display_name
from thinc_core.layers import (
    Dropout,
    Embed,
    Linear,
    Maxout,
    list2ragged,
    padded2list,
    ragged2list,
    reduce_sum,
    tuplify,
    with_debug,
    with_flatten,
)
from thinc_core.layers.with_getitem import with_getitem

from .case import NI, build, sample
from .containers import like, pack
from .test_layers_contract import CASES, EACH_KIND

# What these return is their input, whatever it is, and so it is with the gradient.
PASS_ON = ("noop", "Dropout", "add_noops", "residual_noop", "tuplify_noops")
KEEP_WIDTH = "ParametricAttention"  # whose only dim is nO


def widen(X):
    return like(X, lambda array: numpy.concatenate([array, array], axis=-1))


def cut(X):
    """The same batch without its last row; None where that is no batch."""
    if isinstance(X, Ragged):
        lengths = X.lengths.copy()
        lengths[numpy.flatnonzero(lengths)[-1]] -= 1
        return Ragged(X.dataXd[:-1], lengths)
    if isinstance(X, Padded):
        steps = len(X.data) - 1
        return Padded(X.data[:steps], X.size_at_t[:steps], numpy.minimum(X.lengths, steps), X.indices)
    if isinstance(X, (list, tuple)):
        last = max((i for i, item in enumerate(X) if isinstance(item, (Ragged, Padded)) or len(item)), default=0)
        shorter = cut(X[last]) if X else None
        return None if shorter is None else type(X)([*X[:last], shorter, *X[last + 1 :]])
    return X[:-1] if X.dtype.kind == "f" else None  # lengths are no rows


def below(model):
    return list(model.walk())[1:]


def check_message(error, model, problem):
    """Path first, then the problem; and a note with indices that lead to a node of the tree."""
    text = describe(error)
    assert re.search(problem, text), text
    note = re.search(r"in node '.*?'((?:\.layers\[\d+\])*)(?: \('.*'\))?$", text)
    assert note or not below(model) or text.startswith(f"{model.name}: "), text
    if note:
        node = eval(f"model{note.group(1)}", {"model": model})
        assert node in list(model.walk())


@pytest.mark.parametrize("case, kind", EACH_KIND)
def test_wrong_width(case, kind):
    model = build(case, dtype="float32")
    X = widen(sample(case, kind, model.ops, "float32"))
    if not any(node.has_dim("nI") for node in model.walk()) and not case.id.startswith(KEEP_WIDTH):
        model.predict(X)
        return
    for run in (model.predict, model.begin_update):
        with pytest.raises(ValueError) as caught:
            run(X)
        names = [re.escape(display_name(node)) for node in model.walk()]
        path = rf"^(\w+ > )*({'|'.join(names)})( \(\d\w\w layer of \w+\))?: X must have width \d+; got \(.*\d+\)"
        check_message(caught.value, model, path)


@pytest.mark.parametrize("wrong", ["width", "rows"])
@pytest.mark.parametrize("case, kind", EACH_KIND)
def test_wrong_gradient(case, kind, wrong):
    model = build(case, dtype="float32")
    Y, backprop = model.begin_update(sample(case, kind, model.ops, "float32"))
    dY = widen(Y) if wrong == "width" else cut(Y)
    if case.id in PASS_ON or dY is None or (case.id, wrong) == ("concatenate_noops", "rows"):
        return
    with pytest.raises(ValueError) as caught:
        backprop(dY)
    check_message(caught.value, model, r"dY (and \w )?must |dY must")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
@pytest.mark.parametrize("kind", ["array", "list", "ragged", "padded", "None"])
def test_wrong_kind(case, kind):
    """Another container is refused with an error that says what came, or the layer takes it as well."""
    if kind in case.kinds or case.id in PASS_ON:
        return
    model, rows = build(case, dtype="float32"), [numpy.ones((3, NI), "f"), numpy.ones((2, NI), "f")]
    X = None if kind == "None" else pack(model.ops, kind, rows, None)
    error = None
    try:
        model.predict(X)
    except Exception as caught:
        error = caught
    if error is not None:
        assert isinstance(error, (TypeError, ValueError)), repr(error)
        check_message(error, model, "must (be|have) .*; got ")


@pytest.mark.parametrize("case, kind", EACH_KIND)
def test_wrong_dtype(case, kind):
    model = build(case, dtype="float32")
    if not any(node.param_names for node in model.walk()):
        return
    with pytest.raises(TypeError) as caught:
        model.predict(sample(case, kind, model.ops, "int32"))
    check_message(caught.value, model, r": (the values of )?X must have a float dtype; got int32")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_uninitialised(case):
    model = case.make()
    X = sample(case, case.kinds[0], model.ops, "float32")
    if not any(node.param_names for node in model.walk()):
        return
    with pytest.raises(KeyError) as caught:
        model.predict(X)
    path = r"^[^:]*: parameter '\w+' is not allocated yet; call initialize\(\) on the whole model first"
    check_message(caught.value, model, path)


def named(name, model):
    model.name = name
    return model


def tagger():
    tok2vec = named("tok2vec", chain(noop(), Dropout(), Maxout(5, 4)))
    return named("tagger", chain(tok2vec, Softmax(3)))


X = numpy.ones((27, 64), dtype="f")


def test_the_path_comes_first():
    model = tagger().initialize()
    message = r"^tagger > tok2vec > maxout \(3rd layer of chain\): X must have width 4; got \(27, 64\)$"
    for run in (model.predict, model.begin_update):
        with pytest.raises(ValueError, match=message.replace("$", "\n")) as caught:
            run(X)
        assert str(caught.value) == message[1:-1].replace("\\", "")
        assert caught.value.__notes__ == ["in node 'tagger'.layers[0].layers[2] ('maxout')"]


def test_gradients_have_a_path_too():
    model = tagger().initialize()
    backprop = model.begin_update(X[:, :4])[1]
    message = r"^tagger > softmax \(2nd layer of chain\): dY must have the shape of the output \(27, 3\); got \(27, 4\)"
    with pytest.raises(ValueError, match=message):
        backprop(X[:, :4])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda layer: chain(noop(), chain(layer, noop())),
        lambda layer: add(noop(), layer),
        lambda layer: concatenate(noop(), layer),
        lambda layer: tuplify(noop(), layer),
        lambda layer: residual(layer),
        lambda layer: with_array(layer),
        lambda layer: with_debug(chain(layer, noop())),
        lambda layer: chain(with_getitem(0, layer), noop()),
    ],
)
@pytest.mark.parametrize("stage", ["forward", "backprop", "init"])
def test_errors_of_other_people_keep_their_text_and_type_and_get_the_path(wrap, stage):
    class Problem(Exception):
        pass

    def fail(dY=None):
        raise Problem("boom", 1)

    def forward(model, X, is_train):
        return fail() if stage == "forward" else (X, fail)

    model = wrap(Model("custom", forward, init=lambda model, X=None, Y=None: fail()))
    batch = (X, X) if "with_getitem" in model.name else X

    def run():
        if stage == "init":
            model.initialize(batch)
        else:
            Y, backprop = model.begin_update(batch)
            backprop(Y)

    with pytest.raises(Problem) as caught:
        run()
    assert caught.value.args == ("boom", 1)
    (note,) = caught.value.__notes__
    steps = re.fullmatch(r"in node '.*'((?:\.layers\[\d\])+) \('custom'\)", note).group(1)
    assert eval(f"model{steps}", {"model": model}).name == "custom"


def test_missing_widths_say_where_to_give_them():
    hidden = named("hidden", chain(Relu(3), Linear()))
    with pytest.raises(ValueError, match=r"^chain > hidden > relu \(1st layer of chain\): dim 'nI' is not set yet "):
        chain(hidden, Linear()).initialize()
    for sizes, dim, sample_name in (({"nO": 3}, "nI", "X"), ({"nI": 3}, "nO", "Y")):
        hint = (
            rf"^linear: dim '{dim}' is not set yet \(pass {dim}= when the layer is made, or sample data {sample_name} "
        )
        with pytest.raises(ValueError, match=hint):
            Linear(**sizes).initialize()
    with pytest.raises(ValueError, match=r"^embed: dim 'nV' is not set yet \(pass nV= when the layer is made\)"):
        Embed(3).initialize()


def test_samples_that_contradict_a_width_name_the_layer():
    message = r"^chain > linear \(2nd layer of chain\): dim 'nI' is 9 already; got 5"
    with pytest.raises(ValueError, match=message):
        chain(Relu(5), Linear(3, 9)).initialize(X)


def test_the_path_does_not_grow_when_an_error_is_raised_again():
    model = tagger()

    def again():
        try:
            model.predict(X)
        except KeyError as error:
            raise error

    with pytest.raises(KeyError) as caught:
        again()
    assert str(caught.value).count("tagger") == 1
    assert len(caught.value.__notes__) == 1


def test_wrong_kinds_name_the_layer():
    for kind in ([X], None, "text"):
        with pytest.raises(KindError, match=rf"^reduce_sum: X must be a Ragged; got {type(kind).__name__}"):
            reduce_sum().predict(kind)
    with pytest.raises(TypeError, match=r"^chain > linear \(2nd layer of chain\): X must be a numpy array; got list"):
        chain(noop(), Linear(3, 4).initialize()).predict([get_current_ops().alloc2f(2, 4)])


@pytest.mark.parametrize(
    "make", [ragged2list, padded2list, lambda: with_array(noop()), lambda: with_flatten(rows_sum())]
)
def test_gradients_of_other_lengths_that_add_up_to_the_same(make):
    ops, Xs = get_current_ops(), [X[:3, :4], X[:2, :4]]
    model = make()
    batch = {
        "ragged2list": lambda: Ragged(X[:5, :4], ops.asarray1i([3, 2])),
        "padded2list": lambda: ops.list2padded(Xs),
        "with_array(noop)": lambda: Xs,
    }.get(model.name, lambda: [[Xs[0]] * 3, [Xs[1]] * 2])()
    Y, backprop = model.begin_update(batch)
    backprop(Y)
    with pytest.raises(ValueError, match=r"dY must be .* \[3, 2\].*; got \[2, 3\]"):
        backprop(Y[::-1])


def rows_sum():
    return chain(list2ragged(), reduce_sum())


@pytest.mark.parametrize(
    "make, X, text",
    [
        # NumPy would repeat the one column.
        (lambda: residual(Linear(1, NI)), numpy.ones((4, NI), "f"), r"add: outputs must have one shape; got"),
        (lambda: add(Linear(1, NI), noop()), numpy.ones((4, NI), "f"), r"add: outputs must have one shape; got"),
        (lambda: with_array(Linear(2, NI)), [1, 2], "with_array: list: item 0 must be an array of rows; got int"),
        (lambda: Embed(2, 10), numpy.array([3, 10]), r"embed: ids must be integers in \[-10, 10\); got int64, 0 to 10"),
        (lambda: Embed(2, 10), numpy.zeros(3, "f"), r"embed: ids must be integers in \[-10, 10\); got float32"),
    ],
)
def test_what_numpy_would_say_or_let_pass(make, X, text):
    model = make().initialize()
    for run in (model.predict, model.begin_update):
        with pytest.raises(Exception, match=text):
            run(X)
