import numpy as np
from tests.fakes import DiskPredictor
from tests.volume.conftest import LEFT

from napari_sam_adapter import Polygon, Prompts, Scribble, __version__
from napari_sam_adapter.volume.document.edits import NewObject, Paint, SetPrompts
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.saving.methods import methods_sentence
from napari_sam_adapter.volume.session.session import Session


class Described(DiskPredictor):
    description = {
        "model": "tiny",
        "model_sha256": "0123456789abcdef",
        "adapter": "microscopy",
        "adapter_sha256": "fedcba9876543210",
        "device": "cpu",
        "dtype": "float32",
    }


def test_the_sentence_names_tools_prompts_and_other_work(volume, plane):
    session = Session(volume, Described())
    session.apply(NewObject(1), NewObject(2))
    session.add_point(1, plane, LEFT[1:])
    session.add_point(1, plane, (12, 12), positive=False)
    session.mask(1, plane)
    session.set_box(2, plane, (14, 22, 26, 34))
    session.mask(2, plane)
    session.apply(Paint(plane, np.array([(0, 0)]), np.array([1])))
    list(propagate(session, 2, 4, 5))
    sentence = methods_sentence(session)
    for part in (
        f"2 objects were segmented with napari-sam-adapter {__version__}",
        "the model tiny (SHA-256 0123456789ab)",
        "with the adapter microscopy (SHA-256 fedcba987654) on cpu, float32",
        "median 1.5 (range 1 to 2)",
        "1 positive point, 1 negative point and 1 box",
        "1 mask came by propagation",
        "1 mask was corrected by hand",
    ):
        assert part in sentence


def test_drawings_are_prompts_too(volume, plane):
    session = Session(volume, DiskPredictor())
    outline = Polygon([(14, 22), (14, 34), (26, 34)])
    line = Scribble([(12, 12), (14, 14)])
    session.apply(NewObject(1))
    drawn = Prompts(polygons=(outline,), scribbles=(line,))
    session.apply(SetPrompts(1, plane, drawn))
    assert "median 2; in all 1 scribble and 1 polygon" in methods_sentence(session)


def test_a_session_without_anything_has_a_sentence(volume):
    assert "0 objects were segmented" in methods_sentence(Session(volume))


def test_every_model_is_named_once(volume):
    session = Session(volume, DiskPredictor())
    session.predictor = DiskPredictor(model="other")
    session.predictor = DiskPredictor()
    assert methods_sentence(session).count("the model disk") == 1
    assert "the model other" in methods_sentence(session)
