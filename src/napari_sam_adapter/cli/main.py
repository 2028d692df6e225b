"""The command ``napari-sam-adapter``. Heavy imports wait until a command needs them."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Annotated, cast

import typer

from napari_sam_adapter import __version__
from napari_sam_adapter.cli.commands.annotate import annotate
from napari_sam_adapter.cli.commands.demo import demo
from napari_sam_adapter.cli.commands.embed import embed
from napari_sam_adapter.cli.commands.evaluate import evaluate
from napari_sam_adapter.cli.commands.export import export
from napari_sam_adapter.cli.commands.find import find
from napari_sam_adapter.cli.commands.measure import measure
from napari_sam_adapter.cli.commands.models import models
from napari_sam_adapter.cli.commands.pretrain import pretrain
from napari_sam_adapter.cli.commands.replay import replay
from napari_sam_adapter.cli.commands.sample import sample
from napari_sam_adapter.cli.commands.segment import segment
from napari_sam_adapter.cli.commands.train import train
from napari_sam_adapter.cli.inputs.loading import Loader, load_from_disk
from napari_sam_adapter.cli.options.examples import PROGRAM, examples_of
from napari_sam_adapter.errors import SamAdapterError

if TYPE_CHECKING:
    from collections.abc import Sequence

BAD_INPUT, INTERRUPTED = 2, 130
"""Exit codes."""
OPENS_NAPARI = "annotate", "demo"
UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__base__)
"""Root of the errors about options, which typer does not export by name."""

app = typer.Typer(
    name=PROGRAM,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=examples_of("sample"))(sample)
app.command(epilog=examples_of("segment"))(segment)
app.command(epilog=examples_of("find"))(find)
app.command(epilog=examples_of("embed"))(embed)
app.command(epilog=examples_of("demo"))(demo)
app.command(epilog=examples_of("annotate"))(annotate)
app.command(epilog=examples_of("evaluate"))(evaluate)
app.command(epilog=examples_of("measure"))(measure)
app.command(epilog=examples_of("export"))(export)
app.add_typer(models, name="models", epilog=examples_of("models"))
app.command(epilog=examples_of("pretrain"))(pretrain)
app.command(epilog=examples_of("replay"))(replay)
app.command(epilog=examples_of("train"))(train)


def main(argv: Sequence[str] | None = None, load: Loader = load_from_disk) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; default those of the process.
    load : callable
        Makes the predictor; for scripts and tests that bring their own.

    Returns
    -------
    int
        Exit code: 0, 2 for bad input (one line on stderr says why), 130 if
        interrupted by Ctrl+C or SIGTERM.

    Raises
    ------
    OSError
        If the system refuses what no command expected it to: a bug.
    """
    # Without a handler, what tifffile logs about a broken file would go to stderr.
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    arguments = None if argv is None else list(argv)
    try:
        command = typer.main.get_command(app)
        result = command.main(
            arguments, prog_name=PROGRAM, standalone_mode=False, obj=load
        )
    except SamAdapterError as error:
        return _refuse(str(error))
    except UsageError as error:
        return _refuse(_about_usage(error))
    except typer.Abort:  # a question was answered with no
        return INTERRUPTED
    except OSError as error:
        if not _was_telling(error):
            raise
        # nothing more is sent there, at the end of the process neither
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _refuse(
            f"Expected a standard output that takes what is told, got: "
            f"{error.strerror}. Files that were written are whole. Free some space, "
            "or send it elsewhere."
        )
    except KeyboardInterrupt:
        result = INTERRUPTED
    if result == INTERRUPTED:  # typer returns it, too
        if argv is None and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            # a second Ctrl+C ends the process, whatever it is at
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        typer.echo(f"{PROGRAM}: stopped", err=True)
    return result if isinstance(result, int) else 0


def _was_telling(error: OSError) -> bool:
    """Return whether an error came up where something was told, not in the work."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_code is typer.echo.__code__


def _about_usage(error: typer.BadParameter) -> str:
    message = error.format_message().rstrip(".")
    end = "" if message.endswith("?") else "."
    options = [] if error.ctx is None else error.ctx.command.params
    has_points = any("--point" in option.opts for option in options)
    if has_points and message.startswith("Got unexpected extra argument"):
        end = ". Coordinates have no spaces: --point 48,52,37."
    asked = PROGRAM if error.ctx is None else error.ctx.command_path
    return f"{message}{end} Try: {asked} --help"


def _refuse(message: str) -> int:
    typer.echo(f"{PROGRAM}: {' '.join(message.split())}", err=True)
    return BAD_INPUT


@app.callback(invoke_without_command=True)
def _program(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.")
    ] = False,
) -> None:
    """Click, and Segment Anything segments 2-D to 5-D images."""
    if version:
        typer.echo(f"{PROGRAM} {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())
    elif context.invoked_subcommand not in OPENS_NAPARI:
        _stop_in_order(context)


def _stop_in_order(context: typer.Context) -> None:
    """Let SIGTERM, by which job queues end a process, do what Ctrl+C does."""
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        context.call_on_close(lambda: signal.signal(signal.SIGTERM, before))
