"""The spans task: names, terms, chunks: pieces of sentences with a label, from column files with BIO tags.

Without a file it finds the parts of Python statements in the source of the standard library.
"""

from dataclasses import dataclass
from typing import IO, Any, Dict, Iterator, List, Mapping, Optional, Tuple

from ..model import Model
from .batching import Split
from .bio import spans_of
from .columns import parse_columns, read_columns
from .errors import UserError
from .measures import Measure, SpanMeasure
from .settings import within
from .stdlib_spans import spans_of_file
from .tagger import Parts, TaggerTask, from_stdlib
from .tasks import Corpus, existing_file, hold_out
from .texts import suffix_of


@dataclass(frozen=True)
class SpansCorpus:
    """The [corpus] section. Paths of column files, plain or .gz."""

    train: Optional[str] = None  # null: the source of Python's standard library
    dev: Optional[str] = None  # null: every tenth sentence of train is held out
    test: Optional[str] = None
    word_column: int = 0  # from 0; negative: from the end
    tag_column: int = -1
    words: int = within(1, default=250_000)  # of the standard library to use
    seed: int = within(0, default=0)  # which files of the standard library
    limit: int = within(0, default=0)  # use so many training sentences; 0: all


class SpansTask(TaggerTask):
    """Words in spans, marked with BIO tags."""

    name = "spans"
    corpus_type = SpansCorpus

    def measure(self) -> Measure:
        return SpanMeasure(self.labels)

    def load(self) -> Corpus:
        settings: SpansCorpus = self.corpus_settings()
        parts, source = self._from_columns(settings) if settings.train else from_stdlib(settings, spans_of_file)
        return self.to_corpus(parts, source, settings.limit, "columns" if settings.train else "python")

    def _from_columns(self, settings: SpansCorpus) -> Tuple[Parts, str]:
        columns = (settings.word_column, settings.tag_column)
        assert settings.train is not None
        train = read_columns(settings.train, *columns)
        test = read_columns(settings.test, *columns) if settings.test else None
        if settings.dev:
            return Parts(train, read_columns(settings.dev, *columns), test), settings.train
        return Parts(*hold_out(train, settings.train), test), settings.train

    def read_split(self, data: str) -> Split:
        if data.endswith(".py"):
            sentences = spans_of_file(existing_file(data))
            if not sentences:
                raise UserError(f"{data}: not Python source that this interpreter can parse")
            return self.to_split(sentences)
        settings: SpansCorpus = self.corpus_settings()
        return self.to_split(read_columns(data, settings.word_column, settings.tag_column))

    def read_inputs(self, lines: IO[str], name: str) -> Iterator[List[str]]:
        """As the tagger reads them; also from column files that end in .conll, .bio, .iob or .tsv, tagged or not."""
        if suffix_of(name) in (".conll", ".bio", ".iob", ".tsv"):
            column = self.corpus_settings().word_column
            yield from (sentence.words for sentence in parse_columns(lines, name, column, need_tags=False))
        else:
            yield from super().read_inputs(lines, name)

    def predict(self, model: Model, inputs: List[List[str]]) -> List[Dict[str, Any]]:
        records = super().predict(model, inputs)
        for record in records:
            words = record["words"]
            record["spans"] = [
                {"start": start, "end": end, "label": label, "text": " ".join(words[start:end])}
                for start, end, label in spans_of(record["tags"])
            ]
        return records

    def to_text(self, record: Mapping[str, Any]) -> str:
        words = list(record["words"])
        for span in record["spans"]:
            words[span["start"]] = "[" + words[span["start"]]
            words[span["end"] - 1] += f" {span['label']}]"
        return " ".join(words)
