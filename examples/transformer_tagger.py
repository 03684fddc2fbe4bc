"""Train a tagger whose encoder is a Hugging Face transformer: embeddings and output layer are ours, BERT is PyTorch's.

    pip install 'thinc_core[cli,torch]' transformers
    python examples/transformer_tagger.py                                   # the source of Python's standard library
    python examples/transformer_tagger.py --corpus.train train.conllu --corpus.dev dev.conllu --training.epochs 5

The network is described in transformer_tagger.cfg, where this file's layer is called "huggingface_encoder.v1". It
starts from random weights, so nothing is downloaded. Options such as --sizes.width 32 replace values of the config.
"""

import sys
from pathlib import Path
from typing import Any, Callable, Optional, Sequence, Tuple

from thinc_core.api import ArgsKwargs, Model, Padded, PyTorchWrapper_v2, registry, torch2xp, with_padded, xp2torch
from thinc_core.training import Event, Run
from thinc_core.training.settings import load_config, parse_overrides

CONFIG = Path(__file__).with_suffix(".cfg")


@registry.layers("huggingface_encoder.v1")
def huggingface_encoder(
    width: int, depth: int, heads: int, dropout: float = 0.1, mixed_precision: bool = False
) -> Model[Any, Any]:
    """A BERT without its table of words: rows of a sequence, `width` wide, become rows that know of the others.

    X: list of arrays, Ragged or Padded.  Y: the same kind. It is trained, averaged and saved like any other layer.
    """
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=1,
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    bert = BertModel(config, add_pooling_layer=False)
    bert.embeddings.word_embeddings.requires_grad_(False)  # it gets vectors
    layer = PyTorchWrapper_v2(bert, convert_inputs, convert_outputs, mixed_precision=mixed_precision)
    layer.set_dim("nI", width)
    layer.set_dim("nO", width)
    return with_padded(layer)


def convert_inputs(model: Model, Xp: Padded, is_train: bool) -> Tuple[ArgsKwargs, Callable[[ArgsKwargs], Padded]]:
    """Sequences come first in BERT, steps first in a Padded. The mask hides what sequences are padded with."""
    steps = model.ops.xp.arange(Xp.data.shape[0])
    vectors = xp2torch(Xp.data.transpose(1, 0, 2), requires_grad=is_train, device=model.shims[0].device)
    mask = xp2torch((steps < Xp.lengths[:, None]).astype("int64"), device=model.shims[0].device)

    def back(gradients: ArgsKwargs) -> Padded:
        return with_data(Xp, torch2xp(gradients.kwargs["inputs_embeds"], ops=model.ops))

    return ArgsKwargs((), {"inputs_embeds": vectors, "attention_mask": mask}), back


def convert_outputs(
    model: Model, X_Y: Tuple[Padded, Any], is_train: bool
) -> Tuple[Padded, Callable[[Padded], ArgsKwargs]]:
    """The vectors behind the last of BERT's layers."""
    Xp, outputs = X_Y
    tensor = outputs.last_hidden_state

    def back(dYp: Padded) -> ArgsKwargs:
        gradient = xp2torch(dYp.data.transpose(1, 0, 2), device=tensor.device)
        return ArgsKwargs(((tensor,),), {"grad_tensors": gradient})

    return with_data(Xp, torch2xp(tensor, ops=model.ops)), back


def with_data(Xp: Padded, batch: Any) -> Padded:
    """A Padded like Xp around an array in which sequences come first."""
    return Padded(batch.transpose(1, 0, 2), Xp.size_at_t, Xp.lengths, Xp.indices)


def report(event: Event) -> None:
    """Print a line after each evaluation."""
    if event.scores:
        state = f"epoch {event.state.epoch}, step {event.state.step}"
        print(f"{state}: loss {event.loss:.3f}, dev accuracy {event.scores.accuracy:.1%}")


def main(argv: Optional[Sequence[str]] = None) -> float:
    """Train, print scores. RETURNS: the best accuracy on the held-out sentences."""
    overrides = parse_overrides(sys.argv[1:] if argv is None else argv)
    run = Run.from_config(load_config(CONFIG, overrides))
    result = run.train(callbacks=[report])
    print(f"{run.corpus.dev.n_rows:,} held-out words: {result.state.best_score:.1%} have the right tag")
    return result.state.best_score


if __name__ == "__main__":
    main()
