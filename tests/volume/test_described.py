import pytest
from tests.fakes import DiskPredictor

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.volume.saving.described import DescribedPredictors

DESCRIPTION = {"model": "m", "device": "gpu", "dtype": "half", "version": "1"}


class Described(DiskPredictor):
    description = {}


def predictor(**description):
    made = Described()
    made.description = description
    return made


def test_each_predictor_is_loaded_once_as_it_was():
    asked = []

    def load(*parts):
        asked.append(parts)
        return predictor(**DESCRIPTION)

    predictors = DescribedPredictors(load)
    first = predictors(DESCRIPTION)
    assert predictors(DESCRIPTION | {"version": "2"}) is first
    assert asked == [("m", None, "gpu", "half", None)]


def test_another_device_takes_its_own_number_format():
    asked = []

    def load(*parts):
        asked.append(parts)
        return predictor()

    DescribedPredictors(load, device="cpu")(DESCRIPTION)
    assert asked == [("m", None, "cpu", "auto", None)]


def test_what_is_loaded_already_is_used():
    known = predictor(**DESCRIPTION, note="loaded before")
    assert DescribedPredictors(None, [known])(DESCRIPTION) is known


def test_preprocessing_is_asked_for_where_files_do_not_tell():
    def load(model, adapter, device, dtype, preprocessing):
        if preprocessing is None:
            raise CheckpointError("say which it is")
        return predictor(preprocessing=preprocessing)

    found = DescribedPredictors(load)(DESCRIPTION | {"preprocessing": "medsam"})
    assert found.description["preprocessing"] == "medsam"
    with pytest.raises(CheckpointError):
        DescribedPredictors(load)(DESCRIPTION)
