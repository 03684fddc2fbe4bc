"""Training: the loop, stopping, best weights, equal runs, evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List

import numpy
import pytest
from small_jobs import digits_config, tagger_config

from thinc_core.api import Adam, CategoricalCrossentropy, Relu, Softmax, chain, fix_random_seed
from thinc_core.model import Model
from thinc_core.training.batching import Split
from thinc_core.training.errors import UserError
from thinc_core.training.evaluation import averaged, evaluate, predict_labels, score_baseline
from thinc_core.training.loop import Event, TrainState, fit, train_steps
from thinc_core.training.measures import LabelMeasure
from thinc_core.training.run import Run
from thinc_core.training.settings import TrainingSettings


def toy_split(n: int = 60, seed: int = 0) -> Split:
    """Points on a line, labelled by their sign."""
    X = numpy.random.default_rng(seed).normal(size=(n, 2)).astype("float32")
    return Split(X, (X[:, 0] > 0).astype("int32"))


def toy_model(seed: int = 0) -> Model:
    fix_random_seed(seed)
    return chain(Relu(8, dropout=0.1), Softmax(2)).initialize(X=numpy.zeros((2, 2), dtype="float32"))


def toy_fit(settings: TrainingSettings, **options: Any) -> tuple[Model, TrainState, List[Event]]:
    model, events = toy_model(), []
    callbacks = [events.append]
    state = fit(model, Adam(0.01), CategoricalCrossentropy(), toy_split(), toy_split(20, 1), settings,
                callbacks=callbacks, **options)  # fmt: skip
    return model, state, events


def test_fit_learns_and_tells_what_happens() -> None:
    _, state, events = toy_fit(TrainingSettings(epochs=20, batch_size=10))
    kinds = [event.kind for event in events]
    assert kinds[:7] == ["step"] * 6 + ["evaluation"]
    assert kinds[-1] == "end"
    assert kinds.count("evaluation") == 20
    assert events[-1].reason == "epochs"
    assert (state.epoch, state.batch, state.step, state.rows) == (20, 0, 120, 1200)
    evaluations = [event for event in events if event.kind == "evaluation"]
    assert evaluations[-1].loss < evaluations[0].loss / 2
    assert state.best_score > 0.85
    assert evaluations[0].is_best


def test_evaluations_between_epochs() -> None:
    _, _, events = toy_fit(TrainingSettings(epochs=2, batch_size=10, eval_every=4))
    kinds = "".join(event.kind[0] for event in events[:-1])
    assert kinds == "ssss" + "e" + "ssss" + "e" + "ssss" + "e"
    _, _, events = toy_fit(TrainingSettings(epochs=1, batch_size=10, eval_every=4))
    assert "".join(event.kind[0] for event in events[:-1]) == "ssss" + "e" + "ss" + "e"


def test_patience_counts_evaluations_without_a_better_score() -> None:
    _, state, events = toy_fit(TrainingSettings(epochs=500, batch_size=10, patience=2))
    assert events[-1].reason == "patience"
    assert state.evaluations_since_best == 2
    assert state.epoch == state.best_epoch + 2
    before = state.step
    model = toy_model()
    settings = TrainingSettings(epochs=500, patience=2)
    fit(model, Adam(0.01), CategoricalCrossentropy(), toy_split(), toy_split(), settings, state=state)
    assert state.step == before


def test_limits_end_a_run_with_an_evaluation() -> None:
    settings = TrainingSettings(epochs=5, batch_size=10, max_steps=8)
    _, state, events = toy_fit(settings)
    assert [event.kind for event in events[-3:]] == ["step", "evaluation", "end"]
    assert (state.step, events[-1].reason) == (8, "max_steps")
    _, state, events = toy_fit(settings, state=state)
    assert [event.kind for event in events] == ["end"]
    begun = TrainState(seconds=100.0)
    _, state, events = toy_fit(TrainingSettings(max_seconds=100), state=begun)
    assert (state.step, events[-1].reason) == (0, "max_seconds")


def test_stopping_between_two_updates() -> None:
    answers = iter([False, False, True])
    _, state, events = toy_fit(TrainingSettings(epochs=5, batch_size=10), should_stop=lambda: next(answers))
    assert (state.epoch, state.batch, state.step) == (0, 3, 3)
    assert events[-1].reason == "interrupted"


def test_a_loss_that_is_not_a_number_ends_the_run() -> None:
    model, split = toy_model(), toy_split()
    model.layers[-1].get_param("W")[:] = numpy.nan
    settings = TrainingSettings()
    steps = train_steps(model, Adam(0.01), CategoricalCrossentropy(), split, settings, TrainState())
    with pytest.raises(UserError, match=r"became nan at step 1 .*learn_rate"):
        next(steps)


def test_equal_seeds_give_equal_bits(conllu: Path) -> None:
    configs = [digits_config(), tagger_config(conllu)]
    for config in configs:
        first, second = (Run.from_config(config) for _ in range(2))
        first.train()
        second.train()
        assert first.model.to_bytes() == second.model.to_bytes()


def test_other_seeds_give_other_weights() -> None:
    runs = [Run.from_config(digits_config(training__seed=seed, training__epochs=1)) for seed in (0, 1)]
    assert runs[0].model.to_bytes() != runs[1].model.to_bytes()


def test_the_result_has_the_best_averaged_weights() -> None:
    run = Run.from_config(digits_config(training__epochs=4))
    best: List[bytes] = []

    def keep(event: Event) -> None:
        if event.kind == "evaluation" and event.is_best:
            with averaged(run.model, run.optimizer):
                best.append(run.model.to_bytes())

    result = run.train(callbacks=[keep])
    assert run.model.to_bytes() == best[-1]
    assert dict(result.scores())["dev"].accuracy == result.state.best_score


def test_averages_are_taken_back() -> None:
    run = Run.from_config(digits_config(training__epochs=1))
    run.train()
    before = run.model.to_bytes()
    with pytest.raises(RuntimeError), averaged(run.model, run.optimizer):
        raise RuntimeError
    assert run.model.to_bytes() == before


def test_models_without_averages_are_evaluated_as_they_are() -> None:
    run = Run.from_config(digits_config(optimizer__use_averages=False, training__epochs=8))
    assert run.train().state.best_score > 0.3


def test_evaluation_counts_unknown_labels_as_wrong() -> None:
    model = toy_model()
    split = toy_split()
    labels = predict_labels(model, split)
    perfect = Split(split.X, labels.astype("int32"))
    assert evaluate(model, perfect).accuracy == 1.0
    spoiled = Split(split.X, numpy.where(numpy.arange(60) < 15, -1, labels).astype("int32"))
    scores = evaluate(model, spoiled)
    assert scores.accuracy == 0.75
    assert numpy.isfinite(scores.loss)


def test_loss_is_the_mean_cross_entropy() -> None:
    model, split = toy_model(), toy_split()
    probabilities = model.predict(split.X)
    expected = -numpy.log(probabilities[numpy.arange(60), split.Y]).mean()
    assert evaluate(model, split).loss == pytest.approx(expected, rel=1e-5)


def test_majority_baseline() -> None:
    train = Split(numpy.zeros((5, 1)), numpy.array([1, 1, 1, 0, -1]))
    other = Split(numpy.zeros((4, 1)), numpy.array([1, 0, 0, 0]))
    name, scores = score_baseline(LabelMeasure(["no", "yes"]), train, other)
    assert (name, scores.accuracy) == ('always "yes"', 0.25)


def test_predictions_do_not_depend_on_the_batch(conllu: Path) -> None:
    run = Run.from_config(tagger_config(conllu))
    run.train()
    sentences = [["the", "small", "dog"], ["dogs"], ["it", "saw", "the", "dog", "!"]]
    together = run.task.predict(run.model, sentences)
    alone = [run.task.predict(run.model, [words])[0] for words in sentences]
    assert [record["tags"] for record in together] == [record["tags"] for record in alone]
    for a, b in zip(together, alone):
        assert a["probabilities"] == pytest.approx(b["probabilities"], abs=1e-4)
    assert together[0]["tags"] == ["DET", "ADJ", "NOUN"]


def test_batches_by_words(conllu: Path) -> None:
    config = tagger_config(conllu, training__batch_unit="words", training__batch_size=12, training__epochs=1)
    run = Run.from_config(config)
    sizes: List[int] = []
    run.train(callbacks=[lambda event: sizes.append(event.step_rows)])
    assert 10 <= max(sizes) <= 12
