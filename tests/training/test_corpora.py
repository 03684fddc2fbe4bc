"""Reading data: CoNLL-U, tagged Python source, word features, digits."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy
import pytest

from thinc_core.training.conllu import read_conllu
from thinc_core.training.digits import draw, load_digits, read_csv
from thinc_core.training.errors import UserError
from thinc_core.training.features import FeatureExtractor, hash_string, word_shape
from thinc_core.training.stdlib_source import WORDS_PER_FILE, read_stdlib, tag_source, tokenize_lines

LINE = "1\tdog\tdog\tNOUN\t_\t_\t_\t_\t_\t_\n"


def test_conllu_skips_comments_multiword_ranges_and_empty_nodes(conllu: Path) -> None:
    sentences = read_conllu(conllu)
    assert len(sentences) == 40
    assert sentences[0] == (["the", "small", "dog", "saw", "it"], ["DET", "ADJ", "NOUN", "VERB", "PRON"])


@pytest.mark.parametrize("ending", ["", "\n", "\n\n\n", "\r\n\r\n"])
def test_conllu_ends_with_or_without_blank_lines(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "a.conllu"
    path.write_bytes(b"\xef\xbb\xbf" + (LINE.rstrip("\n") + ending).encode())
    assert read_conllu(path) == [(["dog"], ["NOUN"])]


def test_conllu_reads_gzip(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu.gz"
    path.write_bytes(gzip.compress(LINE.encode()))
    assert read_conllu(path)[0].words == ["dog"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("1\tdog\n", ":1: a token line has 10 columns divided by tabs; got 2"),
        (LINE + LINE, ":2: token ids must count up from 1; expected 2, got 1"),
        (LINE.replace("1", "x"), 'must be a number like 3, 3-4 or 3.1; got "x"'),
        (LINE.replace("NOUN", "_"), ':1: the UPOS tag in column 4 of "dog" is missing'),
        ("# only a comment\n", "no sentences found"),
        ("", "no sentences found"),
    ],
)
def test_conllu_errors_name_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.conllu"
    path.write_text(text)
    with pytest.raises(UserError) as info:
        read_conllu(path)
    assert message in str(info.value)
    assert str(path) in str(info.value)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", gzip.compress(LINE.encode() * 99, mtime=0)[:40], b"not gzip"],
    ids=["no UTF-8", "truncated gzip", "not gzip"],
)
def test_conllu_of_damaged_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ("bad.conllu" if content[0] == 0xFF else "bad.conllu.gz")
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.conllu"):
        read_conllu(path)
    with pytest.raises(UserError, match="is a directory"):
        read_conllu(tmp_path)


def test_word_shapes() -> None:
    shapes = {word: word_shape(word) for word in ["Hello", "NASA2021", "don't", "", "internationally", "…", "Élan"]}
    assert shapes == {
        "Hello": "Xxxxx",
        "NASA2021": "XXXXdddd",
        "don't": "xxx'x",
        "": "",
        "internationally": "xxxx",
        "…": "…",
        "Élan": "Xxxx",
    }


def test_features_are_hashes_in_the_order_asked_for() -> None:
    rows = FeatureExtractor(["lower", "suffix3"])(["Dogs", "dogs", "Dogs"])
    assert rows.dtype == "uint64"
    assert rows.tolist() == [[hash_string("dogs"), hash_string("ogs")]] * 3
    assert FeatureExtractor()([]).shape == (0, 4)


def test_hashes_do_not_depend_on_the_process() -> None:
    # Saved models rely on these values: they may never change.
    assert hash_string("") == 1364076727
    assert hash_string("naïve") == hash_string("na\u00efve") != hash_string("naive")
    assert 0 <= hash_string("\ud800") < 2**64


def test_unknown_feature_names_are_explained() -> None:
    with pytest.raises(UserError, match='did you mean "suffix3"'):
        FeatureExtractor(["sufix3"])


def test_source_is_tagged_from_the_syntax_tree() -> None:
    source = """
import os, sys as system
@wraps(f)
class A(B, key=C):
    x: int = 3
    def é(self, *args):
        '''doc'''
        é = self.x.run(y)[1:]; "ü"; z = é
        match x: # a soft keyword
            case P(a=1): pass
"""
    tagged = [" ".join(f"{word}/{tag}" for word, tag in zip(*sentence)) for sentence in tag_source(source)]
    assert tagged == [
        "import/KW os/IMPORT ,/OP sys/IMPORT as/KW system/IMPORT",
        "@/OP wraps/CALL (/OP f/LOAD )/OP",
        "class/KW A/CLASS (/OP B/LOAD ,/OP key/PARAM =/OP C/LOAD )/OP :/OP",
        "x/STORE :/OP int/LOAD =/OP 3/NUM",
        "def/KW é/FUNC (/OP self/PARAM ,/OP */OP args/PARAM )/OP :/OP",
        "'''doc'''/STR",
        "é/STORE =/OP self/LOAD ./OP x/ATTR ./OP run/CALL (/OP y/LOAD )/OP [/OP 1/NUM :/OP ]/OP ;/OP "
        '"ü"/STR ;/OP z/STORE =/OP é/LOAD',
        "match/KW x/LOAD :/OP",
        "case/KW P/LOAD (/OP a/STORE =/OP 1/NUM )/OP :/OP pass/KW",
    ]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="f-strings are single tokens before Python 3.12")
def test_names_inside_f_strings_are_tagged() -> None:
    assert "LOAD" in tag_source("f'{x}'")[0].tags


def test_stdlib_corpus_is_made_of_whole_files_and_always_the_same() -> None:
    corpus = read_stdlib(12_000, seed=3)
    assert corpus == read_stdlib(12_000, seed=3)
    assert corpus != read_stdlib(12_000, seed=4)
    sizes = [sum(len(sentence.words) for sentence in file) for file in corpus]
    assert sum(sizes) >= 12_000 > sum(sizes[:-1])
    assert max(sizes) <= WORDS_PER_FILE


def test_tokens_of_unfinished_source() -> None:
    assert list(tokenize_lines("x = f(1\n")) == [["x", "=", "f", "(", "1"]]
    assert list(tokenize_lines("if x:\n    y\n")) == [["if", "x", ":"], ["y"]]
    assert list(tokenize_lines("")) == []


def test_digits_are_divided_without_overlap() -> None:
    train, dev, test = load_digits()
    assert (len(train), len(dev), len(test)) == (1260, 179, 358)
    images = {image.tobytes() for split in (train, dev, test) for image in split.X}
    assert len(images) == 1797
    assert float(train.X.max()) == 1.0
    assert float(train.X.min()) == 0.0
    assert set(test.Y.tolist()) == set(range(10))


def test_digits_are_drawn_as_eight_lines() -> None:
    lines = draw(numpy.eye(8, dtype="float32").ravel())
    assert len(lines) == 8
    assert lines[0] == "@@" + " " * 14


@pytest.mark.parametrize(
    "line, message",
    [
        ("1,2,3", ":1: a line has 64 pixels and the digit; got 3 values"),
        (",".join(["0"] * 64 + ["x"]), 'must be a digit from 0 to 9; got "x"'),
        (",".join(["99"] * 64 + ["1"]), "pixels must be from 0 to 16"),
        (",".join(["a"] * 64 + ["1"]), "pixels must be numbers"),
        ("", "no images found"),
    ],
)
def test_digits_errors_name_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(line)
    with pytest.raises(UserError) as info:
        read_csv(str(path))
    assert message in str(info.value)
    assert str(path) in str(info.value)
