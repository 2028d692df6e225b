"""``evaluate``: how good a model or an adapter is on images with labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from napari_sam_adapter.cli.inputs.downloading import check_before_download
from napari_sam_adapter.cli.inputs.loading import Loader, loader_of
from napari_sam_adapter.cli.jobs.evaluation_files import EvaluationFiles
from napari_sam_adapter.cli.messages.bars import shell_bar
from napari_sam_adapter.cli.options import options  # noqa: TC001 - typer evaluates them
from napari_sam_adapter.errors import DatasetError, EvaluationError
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_adapter.datasets import BrokenPair, Dataset
    from napari_sam_adapter.evaluation.evaluating import EvaluationProgress
    from napari_sam_adapter.evaluation.protocols import EvaluationProtocol
    from napari_sam_adapter.evaluation.results import Evaluation
    from napari_sam_adapter.predictions import Predictor

PLAIN = "none"
"""What --compare calls the model without adapter."""
ALL = "all"
"""What --split calls all parts of a set."""
NAMED = 3
"""Images that a message lists."""


def evaluate(
    context: typer.Context,
    data: options.DatasetArgument,
    protocol: options.ProtocolOption = "interactive",
    labels: options.DatasetLabelsOption = None,
    split: options.SplitOption = "val",
    start: options.StartPromptOption = "point",
    corrections: options.CorrectionsOption = 7,
    objects: options.ObjectsOption = None,
    smallest: options.SmallestOption = 30,
    plane_step: options.PlaneStepOption = 8,
    instances: options.InstancesOption = None,
    seed: options.SeedOption = 0,
    model: options.ModelOption = "tiny",
    adapter: options.AdapterOption = None,
    compare: options.CompareOption = None,
    device: options.DeviceOption = "auto",
    preprocessing: options.PreprocessingOption = None,
    intensity: options.CommonWindowOption = None,
    output: options.EvaluationOption = None,
    report: options.EvaluationJsonOption = None,
    table: options.CsvOption = None,
    sheet: options.SheetOption = None,
    strict: options.StrictOption = False,
    overwrite: options.OverwriteOption = False,
) -> None:
    """Measure a model or an adapter on labelled images.

    Prints a table of a page; --output keeps all measures, a line for every object, and
    pictures of the worst answers.
    """
    from napari_sam_adapter.datasets import open_dataset
    from napari_sam_adapter.intensity import intensity_by_name

    asked = _protocol(
        protocol, start, corrections, objects, smallest, plane_step, instances, seed
    )
    if intensity is not None:
        asked = replace(asked, intensity=intensity_by_name(intensity))
    files = EvaluationFiles.of(output, report, table, sheet)
    files.check(overwrite)
    dataset = open_dataset(data, labels, None if split == ALL else split)
    if strict:
        _refuse_broken(dataset.find_broken())
    load = loader_of(context)
    predictors = _load(load, model, adapter, compare, device, preprocessing)
    found = [
        _run(dataset, predictor, asked, tells=number == 0)
        for number, predictor in enumerate(predictors)
    ]
    files.write(found, overwrite)
    _tell(found, files)


def _protocol(
    name: str,
    start: str,
    corrections: int,
    objects: int | None,
    smallest: int,
    plane_step: int,
    instances: bool | None,
    seed: int,
) -> EvaluationProtocol:
    from napari_sam_adapter.evaluation import protocols

    first: protocols.Start = "box" if start == "box" else "point"
    if start not in ("point", "box"):
        raise EvaluationError(f"Expected --start point or box, got {start!r}.")
    if name == "interactive":
        return protocols.Interactive(
            first, corrections, objects, smallest, plane_step, instances, seed
        )
    if name == "prompt-free":
        return protocols.PromptFree(plane_step, seed=seed)
    if name == "propagation":
        return protocols.Propagation(first, objects, smallest, seed)
    raise EvaluationError(
        f"Expected --protocol interactive, prompt-free or propagation, got {name!r}."
    )


def _refuse_broken(broken: Sequence[BrokenPair]) -> None:
    if broken:
        names = "; ".join(f"{b.name}: {b.reason}" for b in broken)
        raise DatasetError(
            f"Expected only usable pairs with --strict, got {len(broken)} broken: "
            f"{names}"
        )


def _load(
    load: Loader,
    model: str,
    adapter: str | None,
    compare: tuple[str, str] | None,
    device: str,
    preprocessing: str | None,
) -> list[Predictor]:
    if compare is None:
        return [load(model, adapter, device, preprocessing=preprocessing)]
    if adapter is not None:
        raise EvaluationError("Expected --adapter or --compare, got both.")
    adapters = [name for name in compare if name != PLAIN and not _is_model(name)]
    check_before_download(model, adapters)
    return [_load_one(load, model, name, device, preprocessing) for name in compare]


def _load_one(
    load: Loader, model: str, name: str, device: str, preprocessing: str | None
) -> Predictor:
    """Load a model by its name, or put an adapter on the given model."""
    if _is_model(name):
        same = preprocessing if name == model else None
        return load(name, None, device, preprocessing=same)
    adapter = None if name == PLAIN else name
    return load(model, adapter, device, preprocessing=preprocessing)


def _is_model(name: str) -> bool:
    from napari_sam_adapter.weight_store.entries import Kind, find_entry

    return find_entry(name, Kind.MODEL) is not None


def _run(
    dataset: Dataset, predictor: Predictor, protocol: EvaluationProtocol, tells: bool
) -> Evaluation:
    from napari_sam_adapter.evaluation.evaluating import evaluation_steps
    from napari_sam_adapter.evaluation.reports import name_of_predictor

    name = name_of_predictor(predictor.description)
    with shell_bar(name=name, unit="image", total=len(dataset), delay=0) as bar:
        for progress in evaluation_steps(dataset, predictor, protocol):
            if progress.planes and tells:
                tells = False
                typer.echo(_about_volume(progress, protocol), err=True)
            bar.set_postfix_str(_place(progress), refresh=False)
            bar.update(progress.done - bar.n)
            result = progress.result
    assert result is not None  # the last progress has it
    return result


def _place(progress: EvaluationProgress) -> str:
    answers = counted(progress.judged, "answer")
    if not progress.planes:
        return answers
    return f"plane {progress.plane} of {progress.planes}, {answers}"


def _about_volume(progress: EvaluationProgress, protocol: EvaluationProtocol) -> str:
    """Say what is looked at in a volume, and how to look at less."""
    from napari_sam_adapter.evaluation.protocols import Interactive, Propagation

    assert not isinstance(protocol, Propagation)  # it cuts no planes
    which = counted(progress.planes, "plane")
    if progress.is_sliced:
        which += ", all that is labelled"
    else:
        which += f", one in {protocol.plane_step} along each axis (--plane-step)"
    asks = isinstance(protocol, Interactive) and protocol.objects is None
    less = "; --objects N asks for fewer objects on each" * asks
    return f"{progress.source} is a volume: looking at {which}{less}"


def _tell(found: Sequence[Evaluation], files: EvaluationFiles) -> None:
    from napari_sam_adapter.evaluation.page import as_text, comparison_as_text

    typer.echo(as_text(found[0]) if len(found) == 1 else comparison_as_text(*found))
    for broken in found[0].broken:
        typer.echo(f"left out {broken.name}: {broken.reason}", err=True)
    for evaluation in found:
        if evaluation.learned:
            typer.echo(_about_learned(evaluation), err=True)
    if files.paths:
        typer.echo(f"written: {', '.join(map(str, files.paths))}")
    else:
        typer.echo(
            "\nAll measures, a line per object and the worst answers: --output FOLDER",
            err=True,
        )


def _about_learned(evaluation: Evaluation) -> str:
    from napari_sam_adapter.evaluation.reports import name_of

    known = evaluation.learned
    named = ", ".join(known[:NAMED]) + ", ..." * (len(known) > NAMED)
    return (
        f"{name_of(evaluation)} learned from {counted(len(known), 'image')} of this "
        f"set ({named}): expect less of it on others"
    )
