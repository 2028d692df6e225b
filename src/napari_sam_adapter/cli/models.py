"""``models``: what can be given to ``--model`` and ``--adapter``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam_adapter.model.variants import ModelVariant


def models() -> None:
    """List the models and adapters that have a name; files are given by path."""
    from napari_sam_adapter.model.variants import ADAPTERS, MODELS

    rows = [
        ("KIND", "NAME", "WEIGHTS", "LICENCE", "SOURCE", "DESCRIPTION"),
        *(_row("model", variant) for variant in MODELS.values()),
        *(_row("adapter", variant) for variant in ADAPTERS.values()),
    ]
    for line in _table(rows):
        typer.echo(line)


def _row(kind: str, variant: ModelVariant) -> tuple[str, ...]:
    weights = "shipped" if variant.is_shipped else "download"
    return (
        kind,
        variant.name,
        weights,
        variant.licence,
        variant.source,
        variant.description,
    )


def _table(rows: list[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip()
