"""The diagnosis as a callback of Keras, Lightning and the Trainer of Hugging Face: one object in a list.

Each has `record` and `diagnosis` after the run, and prints the verdict when it ends unless `quiet`. Lightning and
Hugging Face run in PyTorch, so `trivium.watch` sees all that it sees elsewhere. Keras, whatever its backend, shows a
callback everything but the gradients: findings that need them are not made.
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any


def keras_watch(train: Any = None, validation: Any = None, *, quiet: bool = False) -> Any:
    """A `keras.callbacks.Callback`: `model.fit(X, y, callbacks=[keras_watch((X, y), (X_valid, y_valid))])`.

    train, validation  pairs (X, y) of arrays; without them nothing is known of the data and of the activations
    """
    from keras.callbacks import Callback

    @_harmless
    class Watch(_Verdict, Callback):
        def __init__(self) -> None:
            super().__init__()
            self.quiet = quiet
            self._run: Any = None

        def on_train_begin(self, logs: Any = None) -> None:
            from trivium.diagnosis.keras_run import KerasRun

            self._run = KerasRun(self.model, train, validation)
            self._run.begin(dict(self.params or {}))

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._run.begin_epoch()

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self._run.before_step()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self._run.after_step(dict(logs or {}))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self._run.end_epoch(epoch, dict(logs or {}))

        def on_train_end(self, logs: Any = None) -> None:
            self._end()

        @property
        def record(self) -> Any:
            return self._run.record

    return Watch()


def lightning_watch(
    train: Any = None, validation: Any = None, *, network: Callable | None = None, quiet: bool = False, **options: Any
) -> Any:
    """A Lightning `Callback`: `Trainer(callbacks=[lightning_watch((X, y))])`.

    network  (lightning_module) -> the module whose outputs go to the loss; left out: its only child with parameters,
             or itself
    options  of `trivium.watch`: loss_fn, budget, sharpness
    Lightning runs a step's backward pass inside the optimizer's step, so steps are told by its own hooks; what clipping
    takes away is not measured. With several optimizers the first one is watched.
    """
    try:
        from lightning.pytorch.callbacks import Callback  # pyright: ignore[reportMissingImports]
    except ImportError:
        from pytorch_lightning.callbacks import Callback  # pyright: ignore[reportMissingImports]

    @_harmless
    class Watch(_Verdict, Callback):
        def __init__(self) -> None:
            super().__init__()
            self.quiet = quiet
            self._watch: Any = None
            self._stepped = False

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            from trivium.diagnosis.watching import watch

            inner = network(pl_module) if network is not None else _network_of(pl_module)
            self._steps = _announced(trainer.optimizers[0])
            self._watch = watch(inner, self._steps, train=train, validation=validation, **options)

        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            if not self._stepped:
                self._stepped = True
                self._steps.tell(self._steps.before)

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            if self._stepped:
                self._stepped = False
                self._steps.tell(self._steps.after)

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            self._watch.close()
            self._end()

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            if self._watch is not None:
                self._watch.close()

        @property
        def record(self) -> Any:
            return self._watch.record

    return Watch()


def hugging_face_watch(train: Any = None, validation: Any = None, *, quiet: bool = False, **options: Any) -> Any:
    """A `TrainerCallback`: `Trainer(..., callbacks=[hugging_face_watch()])`; `options` are those of `trivium.watch`."""
    from transformers import TrainerCallback  # pyright: ignore[reportMissingImports]

    @_harmless
    class Watch(_Verdict, TrainerCallback):
        def __init__(self) -> None:
            self.quiet = quiet
            self._watch: Any = None

        def on_train_begin(
            self, args: Any, state: Any, control: Any, model: Any = None, optimizer: Any = None, **_: Any
        ) -> None:
            from trivium.diagnosis.watching import watch

            inner = getattr(optimizer, "optimizer", optimizer)  # what accelerate wraps
            self._watch = watch(model, inner, train=train, validation=validation, **options)

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._watch.close()
            self._end()

        @property
        def record(self) -> Any:
            return self._watch.record

    return Watch()


class _Verdict:
    """What the three share: the verdict on `record`, said at the end."""

    quiet = failed = False
    record: Any

    @property
    def diagnosis(self) -> Any:
        """What is wrong, root first."""
        from trivium.diagnosis.ranking import diagnose

        return diagnose(self.record)

    def _end(self) -> None:
        if not self.quiet:
            print(self.diagnosis)


def _harmless(callback: type) -> type:
    """A failure in one of its hooks is a warning and ends the watching, never the run."""

    def guarded(hook: Callable) -> Callable:
        @functools.wraps(hook)
        def call(self: Any, *arguments: Any, **options: Any) -> None:
            if self.failed:
                return
            try:
                hook(self, *arguments, **options)
            except Exception as error:
                self.failed = True
                warnings.warn(f"the run is no longer watched: {type(error).__name__}: {error}", stacklevel=2)

        return call

    for name, hook in list(vars(callback).items()):
        if name.startswith("on_"):
            setattr(callback, name, guarded(hook))
    return callback


def _network_of(module: Any) -> Any:
    """The only child with parameters, where it holds all of them: many training steps call it and not the module."""
    children = [child for child in module.children() if any(True for _ in child.parameters())]
    whole = sum(1 for _ in module.parameters())
    if len(children) == 1 and sum(1 for _ in children[0].parameters()) == whole:
        return children[0]
    return module


def _announced(optimizer: Any) -> Any:
    """The optimizer as a watch sees it, with steps that a framework tells of; its name is that of the optimizer."""

    class Announced:
        def __init__(self) -> None:
            self.before: list[Callable] = []
            self.after: list[Callable] = []

        @property
        def param_groups(self) -> Any:
            return optimizer.param_groups

        def register_step_pre_hook(self, hook: Callable) -> Any:
            return _Handle(self.before, hook)

        def register_step_post_hook(self, hook: Callable) -> Any:
            return _Handle(self.after, hook)

        def tell(self, hooks: list[Callable]) -> None:
            for hook in tuple(hooks):
                hook(optimizer, (), {})

    Announced.__name__ = type(optimizer).__name__
    return Announced()


class _Handle:
    """A hook that can be taken away."""

    def __init__(self, hooks: list[Callable], hook: Callable) -> None:
        self._hooks, self._hook = hooks, hook
        hooks.append(hook)

    def remove(self) -> None:
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)
