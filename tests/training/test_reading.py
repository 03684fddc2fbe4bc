"""Texts, column files and tables: what is read, and an error with file and line for everything that is wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, Callable

import numpy
import pytest

from thinc_core.training.bio import spans_of
from thinc_core.training.columns import read_columns
from thinc_core.training.errors import UserError
from thinc_core.training.stdlib_docs import docstrings, read_docstrings
from thinc_core.training.stdlib_functions import TARGET, measure_functions, read_functions, write_table
from thinc_core.training.stdlib_spans import spans_of_source
from thinc_core.training.tables import MOST_CATEGORIES, Encoder, numbers_of, read_table
from thinc_core.training.texts import Located, read_texts, tokens_of


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf8")
    return path


def test_texts_of_three_kinds_of_places(tmp_path: Path) -> None:
    texts = [("Good day,\nall.", "en"), ("Guten Tag", "de")]
    lines = "".join(json.dumps({"text": text, "label": label, "more": 1}) + "\n" for text, label in texts)
    write(tmp_path / "a.jsonl", lines + "\n")
    write(tmp_path / "a.csv", 'label,text\r\nen,"Good day,\nall."\r\nde,Guten Tag\r\n')
    write(tmp_path / "a.tsv", "text\tlabel\nGuten Tag\tde\n")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    for text, label in texts:
        (tmp_path / "folders" / label).mkdir(parents=True)
        write(tmp_path / "folders" / label / "1.txt", text)
    for name in ("a.jsonl", "a.csv", "a.jsonl.gz"):
        assert read_texts(tmp_path / name) == texts
    assert read_texts(tmp_path / "a.tsv") == texts[1:]
    assert read_texts(tmp_path / "folders") == texts[::-1]
    write(tmp_path / "b.jsonl", '{"body": "x", "stars": 5}')
    assert read_texts(tmp_path / "b.jsonl", "body", "stars") == [("x", "5")]


def test_tokens() -> None:
    assert tokens_of("Don't  stop: 3.5 Größen!") == ["Don", "'", "t", "stop", ":", "3", ".", "5", "Größen", "!"]


BAD_TEXTS = {
    "a.jsonl": [
        ("", "no texts found"),
        ("{\n", ":1: not valid JSON"),
        ("[1]", ":1: a line must be a JSON object"),
        ('\n{"txt": "x", "label": "y"}', ':2: there is no "text" (did you mean "txt"?)'),
        ('{"text": "x"}', ':1: there is no "label"'),
        ('{"text": ["x"], "label": "y"}', ':1: "text" must be a text; got ["x"]'),
        ('{"text": "x", "label": null}', ':1: "label" must be a text; got null'),
        ('{"text": "x", "label": " "}', ':1: "label" is empty'),
    ],
    "a.csv": [
        ("", "the first line must name the columns; the file is empty"),
        ("text,label\n", "no texts found"),
        ("text,labels\nx,y\n", 'there is no column "label" (did you mean "labels"?)'),
        ("text,label,text\nx,y,z\n", '"text" stands twice'),
        ("text,label\nx,y,z\n", ":2: a row must have the 2 columns of the header; got 3"),
        ('text,label\n"x,y\n', "not valid CSV"),
    ],
    "a.txt": [("x", "must be a directory or end in .jsonl, .csv or .tsv")],
}


@pytest.mark.parametrize("name", list(BAD_TEXTS))
def test_bad_texts(tmp_path: Path, name: str) -> None:
    for content, message in BAD_TEXTS[name]:
        fails(read_texts, write(tmp_path / name, content), message)


def fails(read: Callable[[Path], Any], path: Path, message: str) -> None:
    with pytest.raises(UserError) as info:
        read(path)
    assert message in str(info.value)
    assert str(info.value).startswith(str(path))


def test_folders_without_folders_and_missing_files(tmp_path: Path) -> None:
    fails(read_texts, tmp_path, "a folder for each label; there is none")
    fails(read_texts, tmp_path / "none.jsonl", "no such file")
    (tmp_path / "label").mkdir()
    (tmp_path / "label" / "bad").write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"bad: not UTF-8"):
        read_texts(tmp_path)


CONLL = "-DOCSTART- -X- O O\n\nEU NNP B-NP I-ORG\nrejects VBZ B-VP O\n# NN I-NP O\n\nPeter NNP B-NP I-PER\n"


def test_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conll", CONLL)
    assert read_columns(path) == [
        (["EU", "rejects", "#"], ["B-ORG", "O", "O"]),
        (["Peter"], ["B-PER"]),
    ]
    assert read_columns(path, 1, 2)[0] == (["NNP", "VBZ", "NN"], ["B-NP", "B-VP", "B-NP"])
    tabs = write(tmp_path / "b.tsv", "# id = 1\nNew York\tS-LOC\n.\tO\n")
    assert read_columns(tabs) == [(["New York", "."], ["B-LOC", "O"])]
    plain = write(tmp_path / "c.txt", "a\nb\n")
    assert read_columns(plain, need_tags=False) == [(["a", "b"], [])]


@pytest.mark.parametrize(
    "text, columns, message",
    [
        ("", (0, -1), "no sentences found"),
        ("\n\n# nothing\n", (0, -1), "no sentences found"),
        ("a B-X\nb X B-X\n", (0, -1), ":2: every line must have as many columns as the first, 2; got 3"),
        ("a B-X\n", (0, 4), ":1: there is no column 4 for the tag; the line has 2"),
        ("a NOUN\n", (0, -1), ' with a label, as in B-PER; got "NOUN"'),
        ("word\n", (0, -1), "is there a column of tags?"),
        ("a\t\tO\n", (1, -1), ":1: the word is empty"),
    ],
)  # fmt: skip
def test_bad_columns(tmp_path: Path, text: str, columns: tuple[int, int], message: str) -> None:
    fails(lambda path: read_columns(path, *columns), write(tmp_path / "bad.conll", text), message)


def rows(*records: dict[str, Any]) -> list[Located]:
    return [Located(f"t.csv:{number}", record) for number, record in enumerate(records, 2)]


def test_tables_become_numbers() -> None:
    train = rows({"x": "1", "kind": "a", "y": "3"}, {"x": "3", "kind": "b", "y": "5"}, {"x": "", "kind": "", "y": "7"})
    encode = Encoder.fit(train, ["x", "kind"])
    assert encode.width == 4
    assert encode(train).tolist() == [[-1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 0, 0]]
    later = rows({"kind": "new", "x": 2, "extra": "?"})
    assert encode(later).tolist() == [[0, 0, 0, 0]]
    again = Encoder.from_notes(json.loads(json.dumps(encode.to_notes())))
    assert again(train).tolist() == encode(train).tolist()
    assert numbers_of(train, ["y"]).tolist() == [[3], [5], [7]]
    for missing in ("nan", "NA", "n/a", "NULL", "None"):  # one cell does not make categories of a column of numbers
        some = Encoder.fit(rows({"x": "1"}, {"x": missing}, {"x": "3"}), ["x"])
        assert some(rows({"x": "1"}, {"x": missing}, {"x": "3"})).tolist() == [[-1], [0], [1]]
    constant = Encoder.fit(rows({"x": "4"}, {"x": "4"}), ["x"])
    assert constant(rows({"x": "4"})).tolist() == [[0]]
    many = rows(*({"k": f"v{min(i, 60)}"} for i in range(70)))
    assert Encoder.fit(many, ["k"]).width == MOST_CATEGORIES


def test_rows_that_do_not_fit_are_named() -> None:
    encode = Encoder.fit(rows({"size": "1"}, {"size": "2"}), ["size"])
    for record, message in [
        ({"sise": "1"}, 't.csv:2: there is no "size" (did you mean "sise"?)'),
        ({"size": "wide"}, 't.csv:2: column "size" must be a number; got "wide"'),
        ({"size": "inf"}, 't.csv:2: column "size" must be a number; got "inf"'),
    ]:
        with pytest.raises(UserError) as info:
            encode(rows(record))
        assert message in str(info.value)
    with pytest.raises(UserError, match=r't.csv:3: column "y" must be a number; got ""'):
        numbers_of(rows({"y": "1"}, {"y": ""}), ["y"])


def test_empty_tables(tmp_path: Path) -> None:
    fails(read_table, write(tmp_path / "a.csv", ""), "the file is empty")
    fails(read_table, write(tmp_path / "b.csv", "a,b\n"), "no rows found below the header")
    fails(lambda path: read_table(path, ["c"]), write(tmp_path / "c.csv", "a,b\n1,2\n"), 'no column "c"')


def test_spans_of_python_source() -> None:
    source = """
from os.path import join, x
from . import y
import a.b as d, e
@functools.wraps(f)
class A(B.c, D, metaclass=abc.ABCMeta):
    def f(self, a: Optional[int] = None) -> foo.Bar:
        x: int = self.go(é, os.path.join(1))
        try: pass
        except (ValueError, os.error): raise errors.UserError(f"x")
        é = ü(g(h)).lower(k)
"""
    found = [
        (" ".join(words[start:end]), label)
        for words, tags in spans_of_source(source)
        for start, end, label in spans_of(tags)
    ]
    assert found == [
        ("os . path", "MODULE"), (".", "MODULE"), ("a . b", "MODULE"), ("e", "MODULE"),
        ("functools . wraps", "DECORATOR"), ("B . c", "BASE"), ("D", "BASE"),
        ("Optional [ int ]", "TYPE"), ("foo . Bar", "TYPE"), ("int", "TYPE"),
        ("self . go", "CALLEE"), ("os . path . join", "CALLEE"),
        ("ValueError", "EXCEPTION"), ("os . error", "EXCEPTION"), ("errors . UserError", "EXCEPTION"),
        ("ü", "CALLEE"), ("g", "CALLEE"),
    ]  # fmt: skip


def test_docstrings_of_the_standard_library() -> None:
    assert docstrings('"""A module of four words."""\ndef f():\n    "Short."\n') == ["A module of four words."]
    texts = read_docstrings(["mailbox", "turtle"])
    assert {text.label for text in texts} == {"mailbox", "turtle"}
    assert len({text.text for text in texts}) == len(texts) > 100
    with pytest.raises(UserError, match="no Python source of nosuch"):
        read_docstrings(["nosuch", "mailbox"])


SOURCE = """
class A:
    @d
    def f(self, x):
        'doc'
        return x.y + self

def g():
    return [i for i in x]  # a comprehension may have bytecode of its own
"""


def test_sizes_of_functions(tmp_path: Path) -> None:
    found = measure_functions(SOURCE)
    module: dict[str, Any] = {"d": lambda function: function}
    exec(SOURCE, module)
    expected = {
        "kind": "method", "lines": 3, "arguments": 2, "documented": "yes", "names": 2, "attributes": 1, "operators": 1,
    }  # fmt: skip
    assert [{name: row[name] for name in expected} for row in found] == [expected]
    assert found[0][TARGET] == len(module["A"].f.__code__.co_code)
    table = [row for file in read_functions(60, seed=1) for row in file]
    assert len(table) >= 60
    write_table(tmp_path / "f.csv", table)
    read = read_table(tmp_path / "f.csv", [TARGET])
    numpy.testing.assert_array_equal(numbers_of(read, [TARGET]), numbers_of(table, [TARGET]))
