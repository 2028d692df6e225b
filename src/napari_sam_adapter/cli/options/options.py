"""The arguments and options of the commands, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ImageArgument = Annotated[
    Path, typer.Argument(help="TIFF, OME-Zarr, NIfTI, DICOM, PNG, JPEG or NPY.")
]
ImagesArgument = Annotated[
    Path,
    typer.Argument(
        help="TIFF, OME-Zarr, NIfTI, DICOM, PNG, JPEG or NPY; or a folder of such."
    ),
]
_LABELS = typer.Option(
    "--output",
    "-o",
    help="Labels to write: .tif, .zarr, .nii, .nii.gz, .png (2-D) or .npy.",
)
LabelsOption = Annotated[Path, _LABELS]
OptionalLabelsOption = Annotated[Path | None, _LABELS]
SessionArgument = Annotated[
    Path, typer.Argument(help="A saved session, NAME.session, or its journal.")
]
SessionImageOption = Annotated[
    Path, typer.Option("--image", help="The image that it was made with.")
]
MethodsOption = Annotated[
    bool, typer.Option("--methods", help="Print a sentence for a methods section.")
]
RecordedDeviceOption = Annotated[
    str | None,
    typer.Option(
        help="auto, cpu, cuda, ... By default that of the session, for the same bits."
    ),
]
LabelsArgument = Annotated[
    Path, typer.Argument(help="Labels, in one of the formats of images.")
]
ExportArgument = Annotated[
    Path,
    typer.Argument(
        help="File to write: .tif, .zarr, .nii, .nii.gz, .png (2-D), .npy or .json "
        "(COCO annotations)."
    ),
]
LikeOption = Annotated[
    Path | None,
    typer.Option(
        "--image", help="The segmented image, for axes, scale, units and position."
    ),
]
TableOption = Annotated[
    Path, typer.Option("--output", "-o", help="Table to write, NAME.csv.")
]
PointOption = Annotated[
    list[str] | None,
    typer.Option(
        "--point",
        "-p",
        metavar="Z,Y,X",
        help="A point on the object: one index per axis of the image, in array order, "
        "from 0 (Y,X in 2-D; T,Z,Y,X in 4-D; none for colour). Repeatable.",
    ),
]
NegativeOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="Z,Y,X", help="A point beside the object, same form. Repeatable."
    ),
]
BoxOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="Z,Y,X:Z,Y,X",
        help="A box on one slice: two opposite corners, each like a point. "
        "Repeatable, once per slice and object.",
    ),
]
PromptsOption = Annotated[
    Path | None,
    typer.Option(
        "--prompts",
        metavar="TABLE.csv",
        help="Instead of these, prompts of many objects: a column for each axis, and "
        "perhaps object, kind (point, negative or box), y2, x2 of boxes, and image, of "
        "which only the lines of this one are taken; or a "
        "Points or Shapes layer that napari saved.",
    ),
]
SeparateOption = Annotated[
    bool,
    typer.Option(
        "--separate",
        help="Every point and every box is an object of its own, numbered from 1 in "
        "the given order, points first. Without it, all belong to one object.",
    ),
]
AxisOption = Annotated[
    str | None,
    typer.Option(
        help="Axis from slice to slice: letter, or number from 0. By default the third "
        "from the end (z of z, y, x). Slices show the last two of the others."
    ),
]
PropagateOption = Annotated[
    bool,
    typer.Option(
        "--propagate",
        help="Follow the objects from slice to slice, beyond the prompted ones.",
    ),
]
TidyOption = Annotated[
    bool,
    typer.Option(
        "--tidy",
        help="At the end fill small holes of every object, and remove specks, slice by "
        "slice.",
    ),
]
StartOption = Annotated[
    int | None,
    typer.Option(help="First slice to follow to, from 0. [default: that of the image]"),
]
StopOption = Annotated[
    int | None,
    typer.Option(
        help="Last slice to follow to, included. [default: that of the image]"
    ),
]
ChannelOption = Annotated[
    str | None,
    typer.Option(
        metavar="N[,N[,N]]",
        help="Channel of a multi-channel image, or of a colour one, from 0; or two or "
        "three, which the network sees as colours, by default through the percentiles "
        "of each, whatever the adapter. Needed where channels are no colours.",
    ),
]
MeasuredChannelOption = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help="Channel whose brightness is measured, from 0. Needed where channels are "
        "no colours.",
    ),
]
SpacingOption = Annotated[
    str | None,
    typer.Option(
        metavar="[Z,]Y,X UNIT",
        help="Size of the pixels, with a unit of length: 2,0.65,0.65um for z, y and x "
        "of a volume, 0.65um for a picture. Of a pyramid at full resolution. [default: "
        "what the file says]",
    ),
]
LevelOption = Annotated[
    int,
    typer.Option(
        min=0,
        help="Level of a pyramid, 0 for its full resolution. Coordinates and labels "
        "are those of the level.",
    ),
]
ModelOption = Annotated[
    str,
    typer.Option(
        help="Name of a network (see: napari-sam-adapter models), or its file."
    ),
]
AdapterOption = Annotated[
    str | None,
    typer.Option(
        help="Name or file of an adapter that was trained for the model, such as "
        "microscopy or medical for tiny. [default: none]"
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        help="Where to compute: cpu, cuda, mps, or auto, the fastest by a short "
        "measurement."
    ),
]
PreprocessingOption = Annotated[
    str | None,
    typer.Option(
        help="How the network wants its images, for files that do not tell: sam, "
        "medsam or micro-sam."
    ),
]
IntensityOption = Annotated[
    str | None,
    typer.Option(
        metavar="LOW,HIGH|NAME",
        help="Which values the network sees as black and white: two numbers; lung, "
        "bone, soft-tissue or brain, for CT; file, the window that a DICOM file wants; "
        "plane, the extremes of each slice; as_is, 0 to 255. [default: the window of "
        "the adapter, or the 0.5 and 99.5 percentiles]",
    ),
]
CommonWindowOption = Annotated[
    str | None,
    typer.Option(
        metavar="LOW,HIGH|NAME",
        help="Window through which all images are seen: two numbers; lung, bone, "
        "soft-tissue or brain, for CT; plane; or as_is, for 0 to 255. [default: the "
        "window of the adapter, or each image's own]",
    ),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace existing output files.")
]
ReportOption = Annotated[
    Path | None,
    typer.Option("--json", help="Also write scores and counts to this file."),
]
EmbeddingsOption = Annotated[
    Path, typer.Option(help="Folder of embeddings, shared by all images and models.")
]
KnownEmbeddingsOption = Annotated[
    Path | None,
    typer.Option(
        "--embeddings",
        help="Take embeddings from this folder, and keep new ones there.",
    ),
]
BatchOption = Annotated[
    int, typer.Option(min=1, help="Slices at a time; up to 8 in one pass.")
]
BudgetOption = Annotated[
    float, typer.Option(min=0, help="GB that the folder may take; the oldest go.")
]
RecipeArgument = Annotated[str, typer.Argument(help="A TOML file, or a name: tiny.")]
DataOption = Annotated[
    Path, typer.Option(help="Folder with the data sets that the recipe names.")
]
WeightsOption = Annotated[
    Path, typer.Option("--output", "-o", help="Weight file, NAME.safetensors.")
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on from OUTPUT.state.")
]
TrainingDeviceOption = Annotated[
    str, typer.Option(help="Where to compute: cpu, cuda, ...")
]
WorkersOption = Annotated[
    int, typer.Option(min=0, help="Processes that prepare images.")
]
DatasetArgument = Annotated[
    Path,
    typer.Argument(
        help="Zip file with index.csv; folder with images and masks in it; CSV list of "
        "pairs; or, with --labels, a folder of images or one image."
    ),
]
DatasetLabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels", help="Labels of one image, or a folder of them for a folder."
    ),
]
ProtocolOption = Annotated[
    str,
    typer.Option(
        help="What to measure: interactive (one prompt, then corrections), "
        "prompt-free, or propagation (one prompt followed through a volume)."
    ),
]
SplitOption = Annotated[
    str,
    typer.Option(
        help="Part of the data set, where it has parts: val, train, ... or all."
    ),
]
StartPromptOption = Annotated[
    str, typer.Option(help="First prompt for an object: point or box.")
]
CorrectionsOption = Annotated[
    int, typer.Option(min=0, help="Simulated clicks after the first prompt.")
]
ObjectsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="At most so many of a picture or plane, drawn by --seed. [default: all]",
    ),
]
SmallestOption = Annotated[
    int, typer.Option(min=1, help="Leave out smaller objects; in pixels or voxels.")
]
PlaneStepOption = Annotated[
    int,
    typer.Option(
        min=1,
        help="Of volumes, look at one in so many planes along each axis; where only "
        "single slices are labelled, at all of these.",
    ),
]
InstancesOption = Annotated[
    bool | None,
    typer.Option(
        "--instances/--classes",
        help="Whether labels number objects or classes. Default: read off the labels.",
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Same seed, same numbers.")]
CompareOption = Annotated[
    tuple[str, str] | None,
    typer.Option(
        metavar="A B",
        help="Instead of --adapter, two side by side: names or files of adapters, none "
        "for the model alone, or the name of another model.",
    ),
]
EvaluationOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        help="Folder for all of the next three: evaluation.json, rows.csv, worst.png.",
    ),
]
EvaluationJsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write settings, means and all rows.")
]
CsvOption = Annotated[
    Path | None, typer.Option("--csv", help="Write one line per object and image.")
]
SheetOption = Annotated[
    Path | None,
    typer.Option(help="Write a PNG of the worst cases: truth green, answer magenta."),
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Refuse a set with broken pairs.")
]
