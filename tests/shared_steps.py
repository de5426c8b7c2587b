"""Trainings of the same model on the same examples compile their step once in a process, instead of once each.

Compiling is nearly all of what a training takes that has a hundred steps. What is shared is the program alone: each
run has a model and an optimizer of its own, whose variables are put into those that the program was compiled with
before each call, and taken out after it. So what a run knows still comes from its own variables, and from nowhere else.
Tests that ask for `steps_of_their_own` compile anew.
"""

from __future__ import annotations

import hashlib
import pickle
from typing import Any

from reco_core.training import loop
from reco_core.training.steps import CompiledSteps

# What decides over a run without being part of its steps.
OUTSIDE = {"patience", "checkpoint_seconds", "keep_checkpoints", "tensorboard", "validation_steps"}

_programs: dict[str, tuple[Any, list[Any]]] = {}
_original_examples = loop.training_examples
enabled = True


class SharedSteps(CompiledSteps):
    """`CompiledSteps` whose program may be that of an earlier run."""

    def __init__(self, config: Any, model: Any, updates: Any, data: Any, teachers: Any = None) -> None:
        super().__init__(config, model, updates, data, teachers)  # nothing is traced before the first call
        if not enabled or teachers is not None:  # what they have learned is part of the program
            return
        variables = [*model.trainable_variables, *updates.variables]
        key = _key(config, data.example_set, variables)
        program, theirs = _programs.setdefault(key, (self._run, variables))
        if program is not self._run:
            self._run = _with_variables(program, theirs, variables)


def _with_variables(program: Any, theirs: list[Any], ours: list[Any]) -> Any:
    def run(*arguments: Any) -> Any:
        before = [variable.numpy() for variable in theirs]
        _copy([variable.numpy() for variable in ours], theirs)
        try:
            losses = program(*arguments)
            _copy([variable.numpy() for variable in theirs], ours)
        finally:
            _copy(before, theirs)
        return losses

    return run


def _copy(values: list[Any], variables: list[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _key(config: Any, example_set: Any, variables: list[Any]) -> str:
    """All that a step is made of."""
    settings = config.model_dump(mode="json", exclude={"export": True, "evaluation": True, "training": OUTSIDE})
    shapes = [tuple(variable.shape) for variable in variables]
    return hashlib.sha256(pickle.dumps((settings, shapes, example_set))).hexdigest()


def _examples(config: Any, example_set: Any) -> Any:
    data = _original_examples(config, example_set)
    data.example_set = example_set
    return data


def install() -> None:
    """From now on, in this process."""
    loop.CompiledSteps = SharedSteps  # type: ignore[misc]
    loop.training_examples = _examples
