"""Config: filling in, checking, converting, resolving, and files."""

import copy
import enum
import functools
import importlib.util
import pathlib
import pickle
import sys
from typing import Any, Callable, Dict, Iterable, List, Literal, Optional, Sequence, Tuple, Union

import catalogue
import confection
import numpy
import pytest

from thinc_core.config import Config, ConfigValidationError, registry
from thinc_core.config import file as config_file
from thinc_core.model import Model
from thinc_core.types import Floats2d, Generator


class Color(str, enum.Enum):
    red = "red"


class my_registry(registry):
    cats = catalogue.create("thinc_core_tests", "cats", entry_points=True)


class Oracle(confection.registry):
    """confection's own resolver over the same functions."""

    cats = my_registry.cats


@my_registry.cats("cat.v1")
def cat(name: str, *, lives: int = 9, weight: float = 4.0, friends: Sequence[str] = ()):
    return {"name": name, "lives": lives, "weight": weight, "friends": friends}


@my_registry.cats("pair.v1")
def pair(left: Any, right: Any = None):
    return (left, right)


@my_registry.cats("many.v1")
def many(*items: int, scale: float = 1.0):
    return [item * scale for item in items]


@my_registry.cats("typed.v1")
def typed(
    flag: bool = False,
    path: Optional[pathlib.Path] = None,
    color: Color = Color.red,
    kind: Literal["a", "b"] = "a",
    sizes: List[float] = [],  # noqa: B006
    table: Dict[str, int] = {},  # noqa: B006
    point: Tuple[int, float] = (0, 0.0),
    rate: Union[float, List[float], Generator] = 0.1,
    function: Optional[Callable] = None,
    X: Optional[Floats2d] = None,
    model: Optional[Model[Floats2d, Floats2d]] = None,
    stream: Iterable[int] = (),
    wrong_default: int = None,  # type: ignore[assignment]  # noqa: RUF013
):
    return dict(locals())


@my_registry.cats("options.v1")
def options(**settings: int):
    return settings


@my_registry.cats("number.v1")
def number(value: int = 3):
    return value


@my_registry.cats("fails.v1")
def fails():
    raise KeyError("inside")


def one(block, **kwargs):
    return my_registry.resolve({"x": {"@cats": "typed.v1", **block}}, **kwargs)["x"]


# Resolving.


def test_resolve():
    config = {"a": {"@cats": "cat.v1", "name": "Mia", "lives": 7}, "b": {"c": [1, {"d": 2}]}}
    assert my_registry.resolve(config) == {
        "a": {"name": "Mia", "lives": 7, "weight": 4.0, "friends": ()},
        "b": {"c": [1, {"d": 2}]},
    }


def test_nested_blocks_are_built_first_and_anywhere():
    name = {"@cats": "number.v1", "value": 5}
    block = {"@cats": "pair.v1", "left": [name, {"deep": name}], "right": name}
    assert my_registry.resolve({"x": block})["x"] == ([5, {"deep": 5}], 5)
    assert my_registry.resolve({"x": [name, 1]})["x"] == [5, 1]
    assert my_registry.resolve({"x": {"y": {"z": name}}}) == {"x": {"y": {"z": 5}}}


@pytest.mark.parametrize("star", [[1, 2], {"a": 1, "b": 2}, [1, {"@cats": "number.v1", "value": 2}]])
def test_positional_arguments(star):
    assert my_registry.resolve({"x": {"@cats": "many.v1", "*": star, "scale": 2}})["x"] == [2, 4]


def test_positional_arguments_are_checked():
    with pytest.raises(ConfigValidationError, match=r"x -> \* -> 1\tmust be a whole number; got 'b'"):
        my_registry.resolve({"x": {"@cats": "many.v1", "*": [1, "b"]}})
    with pytest.raises(ConfigValidationError, match="missing required argument: 'items'"):
        my_registry.resolve({"x": {"@cats": "many.v1"}})
    assert my_registry.resolve({"x": {"@cats": "pair.v1", "*": [1, 2]}})["x"] == (1, 2)
    assert my_registry.resolve({"x": {"@cats": "pair.v1", "*": [1]}})["x"] == (1, None)


def test_positional_sections_become_tuples():
    text = "[x]\n@cats = 'many.v1'\n[x.*]\n[x.*.first]\n@cats = \"number.v1\"\nvalue = 4\n"
    config = Config().from_str(text.replace("'", '"'))
    assert my_registry.resolve(config)["x"] == [4.0]
    assert my_registry.resolve({"x": {"*": {"a": 1}}}) == {"x": {"*": (1,)}}


def test_models_from_config():
    config = Config().from_str(
        """
        [model]
        @layers = "chain.v1"
        [model.*.relu]
        @layers = "Relu.v1"
        nO = ${dims.width}
        nI = "3"
        [model.*.softmax]
        @layers = "Softmax.v1"
        nO = 2
        nI = ${dims.width}
        [dims]
        width = 4
    """.replace("\n        ", "\n")
    )
    model = registry.resolve(config)["model"]
    assert [layer.name for layer in model.layers] == ["relu", "softmax"]
    assert model.layers[0].get_dim("nI") == 3
    assert model.initialize().predict(numpy.zeros((1, 3), dtype="f")).shape == (1, 2)


def test_caller_keeps_its_config():
    for config in (
        {"a": {"@cats": "pair.v1", "left": {"x": [1]}}, "b": {"c": 1}},
        Config({"a": {"@cats": "pair.v1", "left": {"x": [1]}}, "b": {"c": 1}}),
    ):
        before = copy.deepcopy(config)
        my_registry.fill(config, overrides={"b.c": 2, "a.left": 3})
        my_registry.resolve(config, overrides={"b.c": 2, "a.left": 3})
        assert config == before


def test_objects_pass_through_unchanged():
    array, endless = numpy.zeros((2, 2), dtype="f"), iter(lambda: 1, 2)
    result = my_registry.resolve({"x": {"@cats": "pair.v1", "left": array, "right": endless}})["x"]
    assert result[0] is array
    assert result[1] is endless


def test_overrides():
    config = {"x": {"@cats": "cat.v1", "name": "Mia", "lives": 1}, "y": {"z": {"k": 1}}}
    resolved = my_registry.resolve(config, overrides={"x.lives": 3, "y.z": 2})
    assert (resolved["x"]["lives"], resolved["y"]["z"]) == (3, 2)
    for bad in ("x", "x.weight", "nope.lives", "y.z.k.l", "x.live"):
        with pytest.raises(ConfigValidationError, match="not a section value") as caught:
            my_registry.resolve(config, overrides={bad: 1})
        assert caught.value.errors[0]["loc"] == bad.split(".")
    with pytest.raises(ConfigValidationError, match="did you mean 'lives'"):
        my_registry.resolve(config, overrides={"x.live": 1})


# Checks.


def test_all_problems_of_a_block_are_reported_with_their_path():
    block = {"@cats": "cat.v1", "live": 3, "weight": "heavy"}
    with pytest.raises(ConfigValidationError) as caught:
        my_registry.resolve({"a": {"b": [{"c": block}]}})
    errors = {"->".join(map(str, error["loc"])): error["msg"] for error in caught.value.errors}
    assert errors == {
        "a->b->0->c->name": "missing required argument: 'name'",
        "a->b->0->c->live": "unexpected argument: 'live' (did you mean 'lives'?)",
        "a->b->0->c->weight": "must be a number; got 'heavy' (str)",
    }
    assert caught.value.title == "Config error for 'cat.v1'"
    assert isinstance(caught.value, ValueError)


def test_unknown_functions_fail_when_resolved_not_when_filled():
    config = {"a": {"x": {"@cats": "bat.v1", "y": 1}}}
    assert my_registry.fill(config) == config
    with pytest.raises(ConfigValidationError, match=r"a -> x -> @cats\t.*'bat.v1' \(did you mean 'cat.v1'\?\)"):
        my_registry.resolve(config)
    with pytest.raises(ConfigValidationError, match=r"'catz' \(did you mean 'cats'\?\)"):
        my_registry.resolve({"a": {"@catz": "cat.v1"}})


def test_two_functions_in_a_block():
    with pytest.raises(ConfigValidationError, match=r"(?s)a -> b\ta block must name one .*'@cats', '@layers'"):
        my_registry.resolve({"a": {"b": {"@cats": "x", "@layers": "y"}}})
    with pytest.raises(ConfigValidationError, match="top level"):
        my_registry.resolve({"@cats": "cat.v1"})


CONVERSIONS = [
    ("rate", "0.5", 0.5),
    ("rate", 1, 1.0),
    ("rate", [1, "2"], [1.0, 2.0]),
    ("path", "/tmp/x", pathlib.Path("/tmp/x")),
    ("color", "red", Color.red),
    ("sizes", [1, "2.5"], [1.0, 2.5]),
    ("table", {"a": "3"}, {"a": 3}),
    ("point", ["1", 2], [1, 2.0]),
    ("wrong_default", "12", 12),
    ("flag", True, True),
    ("kind", "b", "b"),
    ("function", len, len),
]


@pytest.mark.parametrize("name,value,expected", CONVERSIONS)
def test_values_are_converted_to_their_annotation(name, value, expected):
    result = one({name: value})[name]
    assert result == expected
    assert type(result) is type(expected)
    assert one({name: value}, validate=False)[name] == value


MISMATCHES = [
    ("flag", 1, "true or false"),
    ("flag", "true", "true or false"),
    ("wrong_default", 3.0, "whole number"),
    ("wrong_default", True, "whole number"),
    ("wrong_default", "3.5", "whole number"),
    ("rate", True, "must be float or"),
    ("color", "blue", "'red'"),
    ("kind", "c", "'a' or 'b'"),
    ("sizes", 3, "list"),
    ("sizes", [1, "x"], "number"),
    ("table", {"a": "x"}, "whole number"),
    ("point", [1], "2 items"),
    ("function", 3, "callable"),
    ("path", 3, "Path"),
    ("model", "linear", "Model"),
    ("X", numpy.zeros(3, dtype="f"), "axes must be 2; got 1"),
]


@pytest.mark.parametrize("name,value,text", MISMATCHES)
def test_values_that_do_not_fit(name, value, text):
    with pytest.raises(ConfigValidationError, match=text) as caught:
        one({name: value})
    assert caught.value.errors[0]["loc"][:2] == ["x", name]
    unchecked = one({name: value}, validate=False)[name]
    assert type(unchecked) is type(value)


def test_iterators_are_never_consumed():
    endless = iter(lambda: 1, 2)
    assert one({"stream": endless})["stream"] is endless
    finite = iter([1, 2])
    assert one({"stream": finite, "sizes": finite})["sizes"] is finite
    assert list(finite) == [1, 2]


def test_results_of_blocks_are_checked_and_converted():
    inner = {"@cats": "number.v1", "value": 2}
    assert one({"rate": inner})["rate"] == 2.0
    with pytest.raises(ConfigValidationError, match=r"x -> function\tmust be callable; got 2"):
        one({"function": inner})
    assert one({"function": inner}, validate=False)["function"] == 2


def test_defaults_need_not_fit():
    assert one({})["wrong_default"] is None
    assert one({"wrong_default": None})["wrong_default"] is None


def test_functions_with_keyword_arguments_take_any():
    assert my_registry.resolve({"x": {"@cats": "options.v1", "a": 1, "b": 2}})["x"] == {"a": 1, "b": 2}


def test_errors_of_functions_keep_their_type_and_say_where():
    with pytest.raises(KeyError, match="inside") as caught:
        my_registry.resolve({"a": {"b": {"@cats": "fails.v1"}}})
    assert caught.value.__notes__ == ["in config block a.b (@cats = 'fails.v1')"]


def test_functions_without_signature_are_called_unchecked():
    registry.datasets("builtin.v1", func=dict)
    assert registry.resolve({"x": {"@datasets": "builtin.v1", "a": 1}})["x"] == {"a": 1}


def test_classes_partials_and_unresolvable_annotations():
    class Dog:
        def __init__(self, name: str, age: float = 1.0):
            self.name, self.age = name, age

    def later(a: "NotDefined", b: int = 2):  # noqa: F821
        return a, b

    registry.datasets("class.v1", func=Dog)
    registry.datasets("partial.v1", func=functools.partial(pair, right=3))
    registry.datasets("later.v1", func=later)
    assert registry.resolve({"x": {"@datasets": "class.v1", "name": "Rex", "age": "3"}})["x"].age == 3.0
    assert registry.resolve({"x": {"@datasets": "partial.v1", "left": 1}})["x"] == (1, 3)
    assert registry.resolve({"x": {"@datasets": "later.v1", "a": 1, "b": "3"}})["x"] == (1, 3)


def test_schema():
    class Section(confection.Schema):
        size: int = 3

    class Root(confection.Schema):
        section: Section
        cat: dict

    config = {"section": {}, "cat": {"@cats": "cat.v1", "name": "Mia"}}
    assert my_registry.fill(config, schema=Root)["section"] == {"size": 3}
    assert my_registry.resolve(config, schema=Root)["cat"]["name"] == "Mia"
    with pytest.raises(ConfigValidationError, match="size"):
        my_registry.resolve({**config, "section": {"size": "x"}}, schema=Root)
    assert my_registry.resolve({**config, "section": {"size": "x"}}, schema=Root, validate=False)


# Filling in.


def test_what_a_schema_forbids_is_an_error_not_left_out():
    pydantic = pytest.importorskip("pydantic")

    class Inner(pydantic.BaseModel, extra="forbid"):
        width: int = 3

    class Schema(pydantic.BaseModel, extra="forbid"):
        sizes: Inner = Inner()

    config = {"sizes": {"witdh": 4}, "more": {}}
    with pytest.raises(ConfigValidationError) as caught:
        my_registry.resolve(config, schema=Schema)
    assert "sizes -> witdh\tis not in the schema (did you mean 'width'?)" in str(caught.value)
    assert "more\tis not in the schema" in str(caught.value)
    assert my_registry.fill(config, schema=Schema) == {"sizes": {"width": 3}}
    assert my_registry.resolve(config, schema=Schema, validate=False) == {"sizes": {"width": 3}}


def test_fill_adds_defaults_in_order_and_calls_nothing():
    filled = my_registry.fill({"x": {"@cats": "cat.v1", "weight": 1, "name": "Mia"}, "y": {"@cats": "fails.v1"}})
    assert isinstance(filled, confection.Config)
    assert list(filled["x"]) == ["@cats", "weight", "name", "lives", "friends"]
    assert filled["x"]["weight"] == 1
    assert filled["y"] == {"@cats": "fails.v1"}
    assert my_registry.fill({"x": {"@cats": "pair.v1", "*": [1]}})["x"] == {"@cats": "pair.v1", "*": [1], "right": None}


def test_fill_keeps_variables():
    text = '[a]\nn = 3\n\n[x]\n@cats = "cat.v1"\nname = "${a.n} lives"\nlives = ${a.n}'
    config = Config().from_str(text, interpolate=False)
    filled = my_registry.fill(config)
    assert filled["x"]["lives"] == "${a.n}"
    assert filled["x"]["weight"] == 4.0
    assert not filled.is_interpolated
    assert my_registry.fill(config, interpolate=True)["x"]["lives"] == 3
    assert my_registry.resolve(filled)["x"]["name"] == "3 lives"
    assert my_registry.fill(config, overrides={"a.n": 5})["a"]["n"] == 5
    assert my_registry.resolve(config, overrides={"x.lives": 5})["x"]["lives"] == 5


AS_CONFECTION = [
    {"x": {"@cats": "cat.v1", "name": "Mia"}},
    {"x": {"@cats": "cat.v1", "name": "Mia", "friends": ["a", "b"]}, "y": {"z": 1, "w": [1, 2]}},
    {"x": {"@cats": "pair.v1", "left": {"@cats": "number.v1"}, "right": {"a": {"@cats": "number.v1", "value": 1}}}},
    {"x": {"@cats": "many.v1", "*": {"a": 1, "b": 2}}},
    {"x": {"@cats": "many.v1", "*": [1, 2], "scale": 0.5}},
    {"x": {"*": {"a": {"b": 1}, "c": 2}}},
    {"x": {"y": {"@cats": "cat.v1", "name": "x", "lives": 3}}, "empty": {}},
]


@pytest.mark.parametrize("config", AS_CONFECTION, ids=range(len(AS_CONFECTION)))
def test_same_results_as_confection(config):
    ours, theirs = my_registry.fill(copy.deepcopy(config)), Oracle.fill(copy.deepcopy(config))
    assert ours == theirs
    assert ours.to_str() == theirs.to_str()
    assert my_registry.resolve(copy.deepcopy(config)) == Oracle.resolve(copy.deepcopy(config))


def test_filled_configs_of_all_layers_can_be_saved():
    for name in registry.layers.get_all():
        text = registry.fill({"x": {"@layers": name}}, validate=False).to_str()
        assert Config().from_str(text)["x"]["@layers"] == name


# Files.


def test_config_is_confections():
    config = Config().from_str('[a]\nx = 1\n[a.b]\ny = "${a.x}"')
    assert isinstance(config, confection.Config)
    for each in (config, config.copy(), config.interpolate(), config.merge({"c": {"d": 1}})):
        assert type(each) is Config
    again = Config().from_bytes(config.to_bytes())
    assert again == config == {"a": {"x": 1, "b": {"y": "1"}}} or again == config


@pytest.mark.parametrize(
    "use",
    [
        lambda Config: Config({"a": {"b": 1}}),
        lambda Config: Config.merge,
        lambda Config: type("Mine", (Config,), {})().from_str("[a]\nb = 1"),
        lambda Config: pickle.dumps(Config()),
    ],
    ids=["called", "attribute", "subclass", "pickled"],
)
def test_config_takes_its_base_when_it_is_first_used(use, monkeypatch):
    spec = importlib.util.spec_from_file_location("thinc_core.config.again", config_file.__file__)
    again = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, again)
    spec.loader.exec_module(again)
    Config = again.Config
    assert not isinstance({}, Config)
    assert confection.Config not in type.__getattribute__(Config, "__mro__")
    use(Config)
    assert Config.__mro__[1:] == confection.Config.__mro__
    assert Config().from_str("[a]\nb = 1") == {"a": {"b": 1}}
    assert pickle.loads(pickle.dumps(Config({"a": 1}))) == {"a": 1}


def test_from_str_with_overrides_changes_the_object_itself():
    config = Config()
    result = config.from_str("[a]\nx = 1\ny = ${a.x}", overrides={"a.x": 5})
    assert result is config
    assert config == {"a": {"x": 5, "y": 5}}
    assert config.is_interpolated


def test_child_sections_may_come_first():
    text = '[a.b.c]\nz = """\n[a.b]\ny = 2\n\n[a]\nx = 1\n[d]\nw = 3'.replace('"""', '"[not a section]"')
    config = Config().from_str(text)
    assert config == {"a": {"x": 1, "b": {"y": 2, "c": {"z": "[not a section]"}}}, "d": {"w": 3}}
    with pytest.raises(ConfigValidationError, match="not defined"):
        Config().from_str("[a.b]\nx = 1")


@pytest.mark.parametrize(
    "text,message",
    [
        ("[a]\nx = 1\n[a]\ny = 2", r"a\tsection is there twice \(line 3\)"),
        ("[a]\nx = 1\nx = 2", r"a -> x\tkey is there twice in its section \(line 3\)"),
        ("x = 1\n[a]", "no section headers.*\nfile: .*line: 1"),
        ("[a]\nx = ${a.y}\ny = ${a.x}", r"a -> .\tvariables refer to each other in a circle"),
        ('[a]\ny = 1\nx = "costs 3$"', r"a -> x\t.*\(line 3\)"),
        ("[a]\nx = ${b.y}", "b.y"),
        ("[a]\nx", "x"),
    ],
)
def test_errors_in_files_name_the_place(text, message):
    with pytest.raises(ConfigValidationError, match=message):
        Config().from_str(text)


def test_files(tmp_path):
    config = Config({"a": {"x": [1, "é"], "b": {}}})
    config.to_disk(tmp_path / "c.cfg")
    assert Config().from_disk(str(tmp_path / "c.cfg")) == config
    assert Config().from_disk(tmp_path / "c.cfg", overrides={"a.x": 2})["a"]["x"] == 2
