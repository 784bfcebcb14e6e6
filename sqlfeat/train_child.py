"""What runs in the child process of a trainer hook: it is called, and what it returns is kept and judged.

``ops.hook_run`` starts the child at :func:`train` or :func:`report` and brings back what they return. What the user's
code raises is told with its place; whatever else goes wrong here (an exit, a signal, no memory) leaves no result, and
the parent says so. Nothing here writes into the registry.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlfeat.errors import HookError, SqlfeatError
from sqlfeat.hooks import collected
from sqlfeat.ops.evaluation import Evaluator, Wanted, curves_of, evaluate_fully
from sqlfeat.ops.metrics import merge
from sqlfeat.ops.surroundings import surroundings
from sqlfeat.store import codecs
from sqlfeat.store.artifacts import load_training_set
from sqlfeat.store.signature import Output, Signature
from sqlfeat.training_data import TrainingData
from sqlfeat.user_code import UsersError, call, import_file, shape, told


def train(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Call the trainer ``hook`` in ``file`` on ``training_set``; leave the model's bytes in ``folder``.

    Gives what is known of the model, or ``{"error": …}``.
    """
    root = Path(argument["root"])
    codecs.let_waiting_threads_sleep()
    try:
        import_file(Path(argument["file"]), root)
        hook = collected.trainers.get(argument["hook"])
        if hook is None:
            raise HookError(
                "hook-no-result", f"{argument['file']} was imported and defined no hook {argument['hook']!r}."
            )
        params = {**hook.params, **argument["params"]}
        data = TrainingData(load_training_set(Path(argument["training_set"])), params, argument["group"])
        started = time.monotonic()
        model = call(hook.function, data, dict(params))
        trained = time.monotonic()
        result = _describe(model, data, argument)
        return {
            **result,
            "params": plain(params),
            "around": surroundings(root),
            "train_seconds": trained - started,
            "evaluate_seconds": time.monotonic() - trained,
        }
    except UsersError as error:
        return {"error": told(error.__cause__ or error, root)}
    except SqlfeatError as error:
        return {"error": shape(error, None)}


def report(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Judge a model that :func:`train` has left in ``folder``, with all that was not asked of it then."""
    try:
        codecs.let_waiting_threads_sleep()
        codec = codecs.codec_named(argument["codec"])
        encoded = (Path(argument["folder"]) / argument["file"]).read_bytes()
        decoded = codecs.decode(codec, encoded, argument["sha256"])
        data = TrainingData(load_training_set(Path(argument["training_set"])), argument["params"], argument["group"])
        evaluator = Evaluator(codec, decoded, Signature.from_dict(argument["signature"]), data)
        reports, permutation = evaluate_fully(evaluator, data, _wanted(argument))
    except SqlfeatError as error:
        return {"error": shape(error, None)}
    return {"reports": reports, "importances": {"permutation": permutation} if permutation else {}}


def _describe(model: Any, data: TrainingData, argument: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the model's bytes, read them back, and judge what was read: that is what will predict."""
    codec = codecs.codec_for(model)
    encoded = codec.encode(model)
    sha256 = hashlib.sha256(encoded).hexdigest()
    (Path(argument["folder"]) / codec.file).write_bytes(encoded)
    decoded = codecs.decode(codec, encoded, sha256)
    inputs = codec.arrange(decoded, data.inputs)
    codecs.refuse_other_predictions(codec, model, decoded, inputs, next(iter(data.splits.values())).arrow())
    signature = Signature(inputs, _output(codec, model, decoded, data))
    importances = {
        kind: dict(zip((one.name for one in inputs), values, strict=True))
        for kind, values in codec.importances(decoded).items()
    }
    evaluator = Evaluator(codec, decoded, signature, data)
    metrics = merge(evaluator.metrics(), data.logged)
    curves = curves_of(model, data)
    reports: dict[str, Any] = {"curves": curves} if curves else {}
    if argument["full"]:
        found, permutation = evaluate_fully(evaluator, data, _wanted(argument))
        reports |= found
        importances |= {"permutation": permutation} if permutation else {}
    return {
        "codec": codec.name,
        "package": codec.package,
        "file": codec.file,
        "sha256": sha256,
        "signature": signature.as_dict(),
        "importances": importances,
        "metrics": metrics,
        "reports": reports,
        "task": evaluator.task,
    }


def _wanted(argument: Mapping[str, Any]) -> Wanted:
    return Wanted(argument["slices"], argument["permutation"])


def _output(codec: codecs.Codec, model: Any, decoded: Any, data: TrainingData) -> Output:
    kind, count = codec.output(decoded)
    if not count:
        return Output(kind)
    classes = codec.classes(model) or _label_classes(data) or tuple(range(count))
    if len(classes) != count:
        raise HookError("hook-bad-result", f"The model tells {count} classes apart; the labels have {len(classes)}.")
    return Output(kind, classes)


def _label_classes(data: TrainingData) -> tuple[Any, ...] | None:
    """The labels' own names for their classes, where they are text or truth; numbers are classes as they are."""
    named = data.classes and isinstance(data.classes[0], str)
    truth = data.classes and isinstance(data.classes[0], bool)
    return data.classes if named else (False, True) if truth else None


def plain(value: Any) -> Any:
    """A value as JSON keeps it; what JSON has no form for as its text."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)
