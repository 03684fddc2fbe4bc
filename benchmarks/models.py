"""The benchmark models: written once for both thinc-like libraries, and once in plain PyTorch."""

from typing import Any, Dict, List, Tuple

import numpy as np

ROWS = (5000, 1000, 2500, 2500)  # hash embedding tables: norm, prefix, suffix, shape
WIDTH, DEPTH, TAGS, BATCH = 96, 4, 17, 32
PIXELS, HIDDEN, CLASSES, DIGITS = 784, 256, 10, 128


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


def images(batches: int, seed: int = 0) -> List[Tuple[np.ndarray, np.ndarray]]:
    """Batches of 128 pictures and their classes."""
    rng = np.random.default_rng(seed)
    return [
        (rng.random((DIGITS, PIXELS), dtype=np.float32), rng.integers(0, CLASSES, DIGITS).astype("i"))
        for _ in range(batches)
    ]


def torch_models(torch: Any) -> Dict[str, Any]:
    """The same two models as PyTorch modules. Hashing is done beforehand, which spares PyTorch a little work."""
    nn = torch.nn

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

    layers = [nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES)]
    return {"tagger": Tagger(), "mlp": nn.Sequential(*layers)}


def torch_sentences(torch: Any, hash_ids: Any, batch: Tuple[List[np.ndarray], List[np.ndarray]]) -> Tuple[Any, Any]:
    """A batch as PyTorch takes it: hashed rows, masks of the neighbours, tags; all words in one array."""
    words, tags = np.concatenate(batch[0]), np.concatenate(batch[1])
    hashed = [hash_ids(np.ascontiguousarray(words[:, k]), k) % rows for k, rows in enumerate(ROWS)]
    ids = torch.from_numpy(np.stack(hashed, axis=1).astype("int64"))
    starts = np.cumsum([0, *(len(sentence) for sentence in batch[0])])
    left, right = np.ones((len(words), 1), "f"), np.ones((len(words), 1), "f")
    left[starts[:-1]] = 0
    right[starts[1:] - 1] = 0
    return (ids, torch.from_numpy(left), torch.from_numpy(right)), torch.from_numpy(tags.astype("int64"))
