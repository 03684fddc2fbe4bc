"""What config files can hold, and in which order."""

import pytest

from thinc_core.config import Config, ConfigValidationError


@pytest.mark.parametrize(
    "data, message",
    [
        ({"a": 1}, "a\tthe top level must be sections; got a value"),
        ({"a": {"#x": 1}}, "a -> #x\tkeys of a file must not"),
        ({"a": {"b": {"x=y": 1}}}, "a -> b -> x=y\tkeys of a file must not"),
        ({"a": {"x": "$5 ${b}"}}, "invalid interpolation syntax"),
        ({"a": {"x": print}}, "Couldn't serialize"),
    ],
)
def test_what_no_file_can_hold_is_not_written(data, message):
    with pytest.raises(ConfigValidationError, match=message):
        Config(data).to_bytes()


def test_odd_keys_and_values_come_back():
    data = {"a": {"k y.z": "5 é", "K": [1, ["${x}", None]], "b": {"*": {"x-1": {"v": "a = b : c"}}, "empty": {}}}}
    config = Config(data, is_interpolated=False)
    assert Config().from_str(config.to_str(interpolate=False), interpolate=False) == data


def test_section_order():
    config = Config({"b": {"x": 1}, "a": {}, "c": {}}, section_order=["c", "nothing", "b"])
    assert [line for line in config.to_str().splitlines() if line.startswith("[")] == ["[c]", "[b]", "[a]"]
