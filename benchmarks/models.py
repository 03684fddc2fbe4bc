"""The benchmark models: written once for both thinc-like libraries, and once in plain PyTorch."""

from typing import Any, List, Tuple

import numpy as np

ROWS = (5000, 1000, 2500, 2500)  # hash embedding tables: norm, prefix, suffix, shape
WIDTH, DEPTH, TAGS, BATCH = 96, 4, 17, 32
PIXELS, HIDDEN, CLASSES, DIGITS = 784, 256, 10, 128
FEATURES, TOPICS, WORDS = 2**18, 17, 60  # bag of words: weights per class, classes, words of a text


def tagger(api: Any) -> Any:
    """Four hash embeddings, a mixing layer, four residual window layers, softmax."""
    tables = [api.HashEmbed(WIDTH, rows, column=column, seed=column) for column, rows in enumerate(ROWS)]
    mix = api.Maxout(WIDTH, WIDTH * len(ROWS), nP=3, normalize=True)
    window = api.chain(api.expand_window(1), api.Maxout(WIDTH, WIDTH * 3, nP=3, normalize=True))
    return api.chain(
        api.with_array(api.chain(api.concatenate(*tables), mix)),
        api.with_array(api.clone(api.residual(window), DEPTH), pad=DEPTH),
        api.with_array(api.Softmax(TAGS, WIDTH)),
    )


def mlp(api: Any) -> Any:
    """784-256-256-10 with relu."""
    return api.chain(api.Relu(HIDDEN, PIXELS), api.Relu(HIDDEN, HIDDEN), api.Softmax(CLASSES, HIDDEN))


def lstm_tagger(api: Any) -> Any:
    """An LSTM over padded batches, then softmax."""
    return api.chain(
        api.with_padded(api.LSTM(WIDTH, WIDTH)),
        api.with_array(api.Softmax(TAGS, WIDTH)),
    )


def bag_of_words(api: Any) -> Any:
    """One weight per class and hashed word."""
    return api.chain(api.SparseLinear(TOPICS, length=FEATURES), api.softmax_activation())


def sentences(batches: int, seed: int = 0) -> List[Tuple[List[np.ndarray], List[np.ndarray]]]:
    """Batches of 32 sentences: per word a tag and four 64-bit features, drawn as words are: few often, many rarely."""
    rng = np.random.default_rng(seed)
    vocabulary = rng.integers(0, 2**63, (20_000, len(ROWS))).astype("uint64")
    vocabulary[:, 1:] = vocabulary[rng.integers(0, 2000, (20_000, 3)), np.arange(1, 4)]
    made = []
    for _ in range(batches):
        lengths = np.clip(rng.lognormal(2.6, 0.6, BATCH).astype(int), 1, 60)
        words = np.minimum(rng.zipf(1.2, lengths.sum()), 20_000) - 1
        cuts = np.cumsum(lengths)[:-1]
        tags = (words % TAGS).astype("i")
        made.append((np.split(vocabulary[words], cuts), np.split(tags, cuts)))
    return made


def vectors(batches: int, seed: int = 0) -> List[Tuple[List[np.ndarray], List[np.ndarray]]]:
    """Batches of 32 sentences with a vector per word, and tags."""
    rng = np.random.default_rng(seed)
    made = []
    for X, Y in sentences(batches, seed):
        made.append(([rng.standard_normal((len(x), WIDTH), dtype=np.float32) for x in X], Y))
    return made


def texts(batches: int, seed: int = 0) -> List[Tuple[Tuple[np.ndarray, ...], np.ndarray]]:
    """Batches of 32 texts: hashed words, how often each occurs, words per text; and their topics."""
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 2**63, 20_000).astype("uint64")
    made: List[Tuple[Tuple[np.ndarray, ...], np.ndarray]] = []
    for _ in range(batches):
        keys = words[np.minimum(rng.zipf(1.2, BATCH * WORDS), 20_000) - 1]
        counts, lengths = np.ones(len(keys), "f"), np.full(BATCH, WORDS, "i")
        made.append(((keys, counts, lengths), rng.integers(0, TOPICS, BATCH).astype("i")))
    return made


def images(batches: int, seed: int = 0) -> List[Tuple[np.ndarray, np.ndarray]]:
    """Batches of 128 pictures and their classes."""
    rng = np.random.default_rng(seed)
    return [
        (rng.random((DIGITS, PIXELS), dtype=np.float32), rng.integers(0, CLASSES, DIGITS).astype("i"))
        for _ in range(batches)
    ]


def torch_mlp(torch: Any, batches: Any) -> Tuple[Any, List[Any], List[Any]]:
    """The classifier, its inputs and targets."""
    nn: Any = torch.nn
    layers = [nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES)]
    inputs = [(torch.from_numpy(X),) for X, _ in batches]
    return nn.Sequential(*layers), inputs, [torch.from_numpy(Y.astype("int64")) for _, Y in batches]


def torch_tagger(torch: Any, batches: Any) -> Tuple[Any, List[Any], List[Any]]:
    """The tagger. Hashing is done beforehand, which spares PyTorch a little work."""
    from thinc_core.api import NumpyOps

    nn: Any = torch.nn

    class Maxout(nn.Module):
        def __init__(self, n_out: int, n_in: int) -> None:
            super().__init__()
            self.linear, self.norm, self.n_out = nn.Linear(n_in, n_out * 3), nn.LayerNorm(n_out), n_out

        def forward(self, X: Any) -> Any:
            return self.norm(self.linear(X).view(-1, self.n_out, 3).max(2)[0])

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = nn.ModuleList([nn.EmbeddingBag(rows, WIDTH, mode="sum") for rows in ROWS])
            self.mix = Maxout(WIDTH, WIDTH * len(ROWS))
            self.windows = nn.ModuleList([Maxout(WIDTH, WIDTH * 3) for _ in range(DEPTH)])
            self.out = nn.Linear(WIDTH, TAGS)

        def forward(self, ids: Any, inside_left: Any, inside_right: Any) -> Any:
            X = self.mix(torch.cat([table(ids[:, k]) for k, table in enumerate(self.tables)], 1))
            edge = X.new_zeros(1, WIDTH)
            for window in self.windows:
                # Neighbours in the same sentence; the first and last word of one see zeros.
                left, right = torch.cat([edge, X[:-1]]) * inside_left, torch.cat([X[1:], edge]) * inside_right
                X = X + window(torch.cat([left, X, right], 1))
            return self.out(X)

    inputs = [torch_sentences(torch, NumpyOps().hash, X) for X, _ in batches]
    return Tagger(), inputs, torch_tags(torch, batches)


def torch_tags(torch: Any, batches: Any) -> List[Any]:
    """The tags of each batch in one tensor."""
    return [torch.from_numpy(np.concatenate(Y).astype("int64")) for _, Y in batches]


def torch_sentences(torch: Any, hash_ids: Any, sentences: List[np.ndarray]) -> Tuple[Any, Any, Any]:
    """A batch as PyTorch takes it: hashed rows and masks of the neighbours; all words in one array."""
    words = np.concatenate(sentences)
    hashed = [hash_ids(np.ascontiguousarray(words[:, k]), k) % rows for k, rows in enumerate(ROWS)]
    ids = torch.from_numpy(np.stack(hashed, axis=1).astype("int64"))
    starts = np.cumsum([0, *(len(sentence) for sentence in sentences)])
    left, right = np.ones((len(words), 1), "f"), np.ones((len(words), 1), "f")
    left[starts[:-1]] = 0
    right[starts[1:] - 1] = 0
    return ids, torch.from_numpy(left), torch.from_numpy(right)


def torch_lstm(torch: Any, batches: Any) -> Tuple[Any, List[Any], List[Any]]:
    """The LSTM tagger over padded batches, which its fastest code needs; padding is done in the call, as in ours."""
    nn: Any = torch.nn

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.out = nn.LSTM(WIDTH, WIDTH), nn.Linear(WIDTH, TAGS)

        def forward(self, mask: Any, *sentences: Any) -> Any:
            padded = nn.utils.rnn.pad_sequence(sentences)
            return self.out(self.lstm(padded)[0].transpose(0, 1)[mask])

    inputs = []
    for X, _ in batches:
        longest = max(map(len, X))
        mask = torch.from_numpy(np.arange(longest) < np.array([len(x) for x in X])[:, None])
        inputs.append((mask, *(torch.from_numpy(x) for x in X)))
    return Tagger(), inputs, torch_tags(torch, batches)
