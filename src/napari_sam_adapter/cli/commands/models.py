"""``models``: list, show, download, import, export and remove weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_sam_adapter.cli.options import options  # noqa: TC001 - typer evaluates them
from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.wording import counted, did_you_mean, readable_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_sam_adapter.weight_store.entries import Entry

models = typer.Typer(
    help="List, show, download, import, export and remove weights.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

NameArgument = Annotated[str, typer.Argument(help="A name that `models list` shows.")]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Agree to the licence without a question.")
]
FileArgument = Annotated[Path, typer.Argument(help="A model or one of our adapters.")]
NewNameOption = Annotated[
    str, typer.Option("--name", help="What to call it from now on.")
]
BaseOption = Annotated[
    str | None,
    typer.Option(
        "--base",
        help="Keep only the adapter of a published SAM-Adapter checkpoint, which was "
        "trained on this model.",
    ),
]
NameOrFileArgument = Annotated[str, typer.Argument(help="Name or file.")]
ExportOption = Annotated[
    Path, typer.Option("--output", "-o", help="FILE.pth or FILE.safetensors.")
]
LayoutOption = Annotated[
    str,
    typer.Option(
        help="sam: segment-anything's, with LoRA merged. "
        "sam-adapter: that of the published SAM-Adapter."
    ),
]
AllOption = Annotated[
    bool, typer.Option("--all", help="All downloads; imported files stay.")
]


@models.callback(invoke_without_command=True)
def _models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_models()


@models.command("list")
def list_models() -> None:
    """List the models and adapters that have a name, and the cache folder."""
    from napari_sam_adapter.weight_store.entries import entries
    from napari_sam_adapter.weight_store.folder import cache_folder, used_bytes

    rows = [("KIND", "NAME", "STATE", "SIZE", "LICENCE", "DESCRIPTION")]
    for line in _table([*rows, *map(_row, entries())]):
        typer.echo(line)
    typer.echo(f"\ncache folder: {cache_folder()} ({readable_size(used_bytes())})")


@models.command("show")
def show(name: NameArgument) -> None:
    """Show all that is known of a model or adapter."""
    for entry in _named(name):
        variant = entry.variant
        facts = {
            entry.kind.value: entry.name,
            "description": variant.description,
            "state": entry.state.value,
            "size": entry.size_text,
            "licence": variant.licence,
            "source": variant.source,
            "download": variant.url,
            "page": variant.page,
            "images": variant.preprocessing,
            "sha256": variant.sha256 or _pinned(entry),
            "file": entry.path,
        }
        told = [(f"{key}:", str(value)) for key, value in facts.items() if value]
        for line in _table(told):
            typer.echo(line)


@models.command("download")
def download_model(name: NameArgument, yes: YesOption = False) -> None:
    """Download a model or adapter, after its size and licence were shown."""
    from napari_sam_adapter.cli.inputs.downloading import fetch

    for entry in _named(name):
        fetch(entry, yes)
        typer.echo(f"{entry.path}: ready")


@models.command("import")
def import_file(
    file: FileArgument,
    name: NewNameOption,
    base: BaseOption = None,
    preprocessing: options.PreprocessingOption = None,
) -> None:
    """Copy a weight file into the cache folder and give it a name."""
    from napari_sam_adapter.cli.inputs.downloading import fetch_missing
    from napari_sam_adapter.inference.predictor.weights import import_weights

    if base is not None:
        fetch_missing(base, None)
    entry = import_weights(file, name, base, preprocessing)
    typer.echo(f"{entry.path}: use it with --{entry.kind.value} {entry.name}")


@models.command("export")
def export(
    model: NameOrFileArgument,
    output: ExportOption,
    layout: LayoutOption,
    adapter: options.AdapterOption = None,
    preprocessing: options.PreprocessingOption = None,
    overwrite: options.OverwriteOption = False,
) -> None:
    """Write a model, with an adapter or without, in a layout that others read."""
    from napari_sam_adapter.cli.inputs.downloading import fetch_missing
    from napari_sam_adapter.inference.predictor.weights import export_weights

    fetch_missing(model, adapter)
    export_weights(model, adapter, output, layout, overwrite, preprocessing)
    typer.echo(f"{output}: written")


@models.command("remove")
def remove_files(
    name: Annotated[
        str | None, typer.Argument(help="A downloaded or imported name.")
    ] = None,
    all_downloads: AllOption = False,
) -> None:
    """Delete a downloaded or imported file, or all downloads."""
    from napari_sam_adapter.weight_store.importing import remove, remove_downloads

    if (name is None) is not all_downloads:
        raise CheckpointError("Expected one name, or --all for all downloads.")
    if name is None:
        gone = remove_downloads()
    else:
        gone = [entry for entry in _named(name) if entry.can_be_removed]
        for entry in gone or _named(name):
            remove(entry)
    freed = readable_size(sum(entry.size for entry in gone))
    typer.echo(f"removed {counted(len(gone), 'file')}: {freed}")


def _named(name: str) -> list[Entry]:
    """Return the model, the adapter, or both, of a name."""
    from napari_sam_adapter.weight_store.entries import entries

    known = entries()
    found = [entry for entry in known if entry.name == name]
    if not found:
        meant = did_you_mean(name, [entry.name for entry in known])
        advice = meant or " Files are given a name with `models import`."
        raise CheckpointError(
            f"Expected a name that `models list` shows, got {name!r}.{advice}"
        )
    return found


def _pinned(entry: Entry) -> str | None:
    from napari_sam_adapter.weight_store.folder import pinned_sum

    found = pinned_sum(entry.path)
    return found and f"{found} (pinned at first use)"


def _row(entry: Entry) -> tuple[str, ...]:
    return (
        entry.kind.value,
        entry.name,
        entry.state.value,
        entry.size_text,
        entry.variant.licence,
        entry.variant.description,
    )


def _table(rows: Sequence[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip()
