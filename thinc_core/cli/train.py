"""`thinc-core train`: train a model from a config file."""

import argparse
import shlex
import sys
from typing import TYPE_CHECKING, Optional

from ._shared import add_gpu_argument, count, result_table, use_device

if TYPE_CHECKING:
    from ..training.run import OutputDirectory, Result, Run

HELP = "train a model from a config file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "thinc-core train CONFIG [--output DIR] [--gpu-id N] [--resume] [--section.key VALUE ...]"
    parser.epilog = "Any value of the config can be replaced, for example: --training.epochs 3"
    parser.add_argument("config", metavar="CONFIG", help="config file; `thinc-core init` writes one to start from")
    parser.add_argument("--output", metavar="DIR", help="where models, metrics and the learning curve go")
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted run in the output directory")
    parser.add_argument("--checkpoint", metavar="FILE", help="with --resume: go on from this older checkpoint")
    parser.add_argument("--overwrite", action="store_true", help="replace a run that is in the output directory")
    parser.add_argument("--profile", action="store_true", help="show time and memory of each layer in a few updates")
    add_gpu_argument(parser)
    parser.set_defaults(takes_overrides=True)


def run(arguments: argparse.Namespace) -> int:
    from ..training.errors import UserError
    from ..training.run import OutputDirectory
    from ..training.settings import load_config, parse_overrides

    if arguments.resume and not arguments.output:
        raise UserError("--resume: --output must name the directory of the run to go on with")
    if arguments.checkpoint and not arguments.resume:
        raise UserError("--checkpoint: only --resume goes on from a checkpoint")
    config = load_config(arguments.config, parse_overrides(arguments.overrides))
    use_device(arguments.gpu_id)
    output: Optional[OutputDirectory] = None
    if arguments.output:
        output = OutputDirectory(
            arguments.output,
            resume=arguments.resume,
            overwrite=arguments.overwrite,
            checkpoint=arguments.checkpoint,
        )
        if arguments.resume:
            output.check_config(config)
    result = train(config, output, profile=arguments.profile)
    if result.reason == "interrupted":
        return _say_interrupted(result, arguments)
    return 0


def train(config: object, output: "Optional[OutputDirectory]", *, profile: bool = False) -> "Result":
    """Train with a table of progress on stdout and the results at the end. RETURNS: the result.

    profile: also print, and write beside the models, where time and memory of an update go.
    """
    import numpy

    from ..config import Config
    from ..training.loop import no_instrument
    from ..training.profiling import Profiler
    from ..training.progress import ConsoleProgress
    from ..training.run import Run
    from ..training.signals import stop_on_signals

    assert isinstance(config, Config)
    with stop_on_signals() as received:
        job = Run.from_config(config)
        print(describe(job), flush=True)
        progress = ConsoleProgress(job.task.unit)
        with numpy.errstate(over="ignore", invalid="ignore"):  # a loss that is no number ends the run with a message
            profiler = Profiler() if profile else None
            result = job.train(output, [progress], lambda: received() is not None, profiler or no_instrument)
    if result.reason != "interrupted":
        print(describe_result(result), flush=True)
    if profiler:
        print(f"\nProfile\n{profiler.table()}", flush=True)
        if output:
            profiler.save(output.path)
    if output:
        print(describe_output(output), flush=True)
    return result


def describe(job: "Run") -> str:
    """What is about to be trained on what, in a few lines."""
    from .info import backend_line
    from .show import count_parameters

    corpus, task = job.corpus, job.task
    sizes = [("train", corpus.train), ("dev", corpus.dev), ("test", corpus.test)]
    counts = ", ".join(f"{name} {split.n_rows:,}" for name, split in sizes if split is not None)
    model = f"{count_parameters(job.model):,} parameters on {backend_line(job.model.ops)}; seed {job.settings.seed}"
    size = f"{counts}; {count(len(corpus.labels), task.outputs)}"
    return f"{task.name}: {corpus.source}\n  {task.unit}: {size}\n  model: {model}\n"


def describe_result(result: "Result") -> str:
    """The table of scores that ends a run."""
    from ..training.progress import clock

    state, task = result.state, result.run.task
    reasons = {
        "patience": f"no better dev score {state.evaluations_since_best} times",
        "epochs": "all epochs done",
    }
    why = f"{reasons.get(result.reason, f'training.{result.reason} reached')}, {clock(state.seconds)}"
    return "\n".join(
        [
            f"\nResults with the averaged weights of step {state.best_step} ({why})",
            result_table("", [*result.scores(), result.baseline()], task.unit),
            f"  trained on {state.rows_per_second:,.0f} {task.unit}/s",
        ]
    )


def describe_output(output: "OutputDirectory") -> str:
    """Where the files of a run are."""
    from ..training.output import BEST, CONFUSION, CURVE, LAST, METRICS
    from ..training.plots import INSTALL_HINT, can_plot
    from ..training.saved import META_NAME

    lines = [""]
    models = [name for name in (BEST, LAST) if (output.path / name / META_NAME).is_file()]
    if models:
        lines.append(f"  model    {output.path / models[0]}")
    drawn = [name for name in (CURVE, CONFUSION) if (output.path / name).is_file()]
    if drawn:
        lines.append(f"  plots    {', '.join(str(output.path / name) for name in drawn)}")
    else:
        reason = "nothing was evaluated yet" if can_plot() else INSTALL_HINT
        lines.append(f"  plots    not drawn: {reason}")
    return "\n".join([*lines, f"  metrics  {output.path / METRICS}"])


def _say_interrupted(result: "Result", arguments: argparse.Namespace) -> int:
    state = result.state
    print(f"\ninterrupted in epoch {state.epoch + 1}, after step {state.step}", file=sys.stderr)
    if arguments.output:
        words = ["thinc-core", "train", arguments.config, "--output", arguments.output, *arguments.overrides]
        print(f"everything is saved; go on with: {shlex.join([*words, '--resume'])}", file=sys.stderr)
    else:
        print("nothing was saved: no --output was given", file=sys.stderr)
    return 130
