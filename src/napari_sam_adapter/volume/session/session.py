"""The session: one image, its objects, and everything the user did to them."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.interrupts import uninterrupted
from napari_sam_adapter.predictions import named
from napari_sam_adapter.volume.asking.plane_predictor import PlanePredictor
from napari_sam_adapter.volume.asking.results import MaskRequest, PlaneResult
from napari_sam_adapter.volume.document.journal_entries import (
    FinishPropagation,
    StartPropagation,
    UseIntensity,
    UsePredictor,
)
from napari_sam_adapter.volume.document.overlap_rules import KEEP
from napari_sam_adapter.volume.embeddings.embedding_cache import EmbeddingCache
from napari_sam_adapter.volume.journal.journal_file import Journal
from napari_sam_adapter.volume.journal.journal_header import header_of
from napari_sam_adapter.volume.planes.as_volume import as_volume
from napari_sam_adapter.volume.planes.axes import check_spacing
from napari_sam_adapter.volume.planes.spoken import name_of
from napari_sam_adapter.volume.propagation.propagation import (
    request_propagation,
    resolve_range,
)
from napari_sam_adapter.volume.propagation.propagation_request import (
    PropagationRequest,
    PropagationSettings,
    objects_to_follow,
)
from napari_sam_adapter.volume.session.committing import commit_to
from napari_sam_adapter.volume.session.editable_labels import EditableLabels
from napari_sam_adapter.volume.session.taking_found import FoundMasks, taking_found
from napari_sam_adapter.wording import counted, sized

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.image_io.image.lazy_array import ArrayLike
    from napari_sam_adapter.image_io.image.opened_image import OpenedImage
    from napari_sam_adapter.intensity import IntensityMapping
    from napari_sam_adapter.predictions import Predictor
    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.asking.plane_predictor import Near
    from napari_sam_adapter.volume.asking.results import JointResult
    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.embeddings.embedding_store import EmbeddingStore
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.planes.planes import Volume

CACHE_BYTES = 512 * 1024**2
NEVER = -1
"""Revision of requests that are never committed."""


class Session(EditableLabels):
    """One image, its objects, and everything the user did to them.

    For the main thread, but `compute` and `encode_plane`, which may run anywhere.

    Parameters
    ----------
    image : array-like, OpenedImage or Volume
        2-D to 5-D image, colours included or not; read one plane at a time.
    predictor : Predictor or None
        Turns prompts into masks; may be set later.
    labels : int array of the spatial shape or None
        Written in place; values above 0 become objects. A new int32 array by default.
    axes : str
        Meaning of the axes of an array, see `Volume`.
    intensity : IntensityMapping or None
        Window to 8 bits of an array; by default the one that the adapter of `predictor`
        learned, else an estimate. A predictor that is set later does not change it.
    cache_bytes : int
        Memory for embeddings.
    journal : str, Path or None
        New file in which every edit is saved at once; reads a few planes.
    overlap_rule : str
        Who gets a pixel that two objects want: one of those of `SetOverlapRule`.
    spacing : sequence of float or None
        Distance between neighbours on every spatial axis, in the unit of an opened
        image, else in any; by default what that image tells, else 1 on all. On a time
        axis: how far objects may move in one step. Can be set anew.
    store : EmbeddingStore or None
        Keeps embeddings on disk, in half precision, beyond this session.

    Raises
    ------
    ImageError
        If the image cannot be segmented.
    SessionError
        If labels, spacing or rule do not fit, or axes or a window come beside a volume.
    OutputError
        If the journal exists or cannot be written.
    """

    def __init__(
        self,
        image: ArrayLike | Volume | OpenedImage,
        predictor: Predictor | None = None,
        labels: npt.NDArray[np.integer[Any]] | None = None,
        axes: str = "auto",
        *,
        intensity: IntensityMapping | None = None,
        cache_bytes: int = CACHE_BYTES,
        journal: str | Path | None = None,
        overlap_rule: str = KEEP,
        spacing: Sequence[float] | None = None,
        store: EmbeddingStore | None = None,
    ) -> None:
        image = as_volume(image, axes, intensity, predictor)
        super().__init__(image.shape, labels, overlap_rule)
        self.volume = image
        spacing = image.spacing if spacing is None else spacing
        self.spacing = check_spacing(spacing, image.ndim)
        self._cache = EmbeddingCache(cache_bytes)
        self.store = store
        self._device = threading.Lock()
        self._plane_predictor: PlanePredictor | None = None
        if journal is not None:
            how = self.overlap_rule, self.spacing, store is not None
            header = header_of(image, labels, *how)
            self.log.record_with(Journal.create(Path(journal), header))
        if predictor is not None:
            self.predictor = predictor

    def __repr__(self) -> str:
        count = counted(len(self.object_ids), "object")
        model = "no model" if self.predictor is None else named(self.predictor)
        return f"<Session {sized(self.volume.shape)}, {count}, {model}>"

    @property
    def predictor(self) -> Predictor | None:
        """What turns prompts into masks; a new one makes all requests stale."""
        return None if (own := self._plane_predictor) is None else own.predictor

    @predictor.setter
    def predictor(self, predictor: Predictor) -> None:
        entry = UsePredictor.of(predictor)
        self.under_way.finish()
        with uninterrupted(), self.log.noting(entry):
            self._look_with(predictor)

    @property
    def intensity(self) -> IntensityMapping:
        """Window to 8 bits; a new one makes all requests stale."""
        return self.volume.intensity

    @intensity.setter
    def intensity(self, intensity: IntensityMapping) -> None:
        self.under_way.finish()
        with uninterrupted(), self.log.noting(UseIntensity(intensity)):
            self.volume = self.volume.with_intensity(intensity)
            if self.predictor is not None:
                self._look_with(self.predictor)

    def request(
        self, object_id: int, plane: Plane, instead: Prompts | None = None
    ) -> MaskRequest:
        """Return everything a worker needs to compute a mask.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where; there must be prompts.
        instead : Prompts or None
            What to ask instead, only to look at; the object need not exist.

        Returns
        -------
        MaskRequest
            For `compute`, in any thread; edits and another question make it stale.

        Raises
        ------
        SessionError
            If there is no predictor, no such object, or no prompt.
        """
        record = self._document.record(object_id, plane)
        if instead is None:
            self._document.require(object_id)
            revision = self._document.revisions.of(object_id, plane)
        else:
            record, revision = replace(record, prompts=instead), NEVER
        if record.prompts.is_empty:
            raise SessionError(
                f"Expected prompts for object {object_id} on {name_of(plane)}, got "
                "none. Add a point, box, scribble or mask first."
            )
        predictor, shape = self._require_predictor(), plane.shape(self.volume.shape)
        asked = record.question(predictor.predictor.capabilities, shape)
        return MaskRequest(object_id, plane, *asked, revision, predictor)

    def is_current(self, request: MaskRequest | PlaneResult) -> bool:
        """Whether a request or its result is still wanted: nothing outdated it."""
        number = request.propagation if isinstance(request, PlaneResult) else 0
        asked = request.object_id, request.plane, request.revision
        return self._document.is_current(*asked, number)

    def compute(self, request: MaskRequest) -> PlaneResult:
        """Compute a mask for `commit`, in any thread; raises as `mask`."""
        asked = request.plane, request.prompts, request.previous
        return PlaneResult.of(request.predictor.predict(*asked), request)

    def commit(self, result: PlaneResult | JointResult) -> list[Change]:
        """Write a computed mask, or several, into the labels.

        Parameters
        ----------
        result : PlaneResult or JointResult
            From `compute`, `follow` or `compute_together`.

        Returns
        -------
        list of Change
            One each, empty if the mask was there already; none if the result is stale
            or has no mask and none of an earlier propagation is to be removed.

        Raises
        ------
        SessionError, OutputError
            If a mask is one of another plane, and then nothing is changed; if the
            journal cannot be written, and then the mask is written nevertheless.
        """
        self.under_way.finish()
        return commit_to(self._document, self.log, result)

    def taking_in(self, found: FoundMasks) -> Iterator[list[Change]]:
        """Make objects of found masks part by part, see `taking_found`."""
        return taking_found(self._document, self.log, found)

    def mask(self, object_id: int, plane: Plane) -> npt.NDArray[np.bool_]:
        """Return the mask of an object on a plane; compute it if prompts are newer.

        Parameters
        ----------
        object_id : int
            The object.
        plane : Plane
            Where.

        Returns
        -------
        (H, W) bool array
            Its pixels in the labels, after a new mask was committed.

        Raises
        ------
        SessionError
            If there is no such object, or a mask is to be computed without predictor.
        PlaneError
            If the plane lies outside the volume.
        ImageError
            If the plane cannot be read or segmented.
        """
        self._document.require(object_id)
        self.volume.check(plane)
        if self.needs_mask(object_id, plane):
            self.commit(self.compute(self.request(object_id, plane)))
        own: npt.NDArray[np.bool_] = plane.view(self.labels) == object_id
        return own

    def is_encoded(self, plane: Plane, near: Near | None = None) -> bool:
        """Whether a plane can be asked about near a point without encoding it first."""
        predictor = self._plane_predictor
        return predictor is not None and predictor.is_here(plane, near)

    def encode_plane(self, plane: Plane, near: Near | None = None) -> None:
        """Embed a plane, if large its part near a point, for any thread; see `mask`."""
        self._require_predictor().embed_ahead(plane, near)

    def propagation(
        self,
        object_ids: int | Iterable[int],
        start: int | None = None,
        stop: int | None = None,
        *,
        axis: int | str | None = None,
        seed: Plane | None = None,
        settings: PropagationSettings | None = None,
        again: bool = False,
        run: int = 0,
        spares_all: bool = False,
    ) -> PropagationRequest:
        """Return everything a worker needs to follow objects.

        Parameters
        ----------
        object_ids, start, stop, axis, seed, settings, again
            As in `propagate`.
        run, spares_all
            As of `FoundMasks`, the number to take; as of `StartPropagation`.

        Returns
        -------
        PropagationRequest
            For `follow`; commit each result, then call `finish_propagation`.

        Raises
        ------
        SessionError
            If an object, its mask, the predictor or a fitting spacing is missing.
        PlaneError
            If the range lies outside the volume.
        """
        self.under_way.finish()
        self.spacing = check_spacing(self.spacing, self.volume.ndim)
        several = objects_to_follow(object_ids)
        seed = seed or self.default_seed(several[0])
        where = resolve_range(self.volume, seed, axis, start, stop)
        settings = settings or PropagationSettings()
        predictor = self._require_predictor() if settings.needs_model else None
        number = run or self.log.number
        how = several, where, settings, again, self.spacing, spares_all
        request = request_propagation(self._document, predictor, number, *how)
        self.log.pass_over(number)
        self.log.write(StartPropagation(number, *how))
        self._document.revisions.open_propagations[number] = request.bystanders
        return request

    def finish_propagation(self, request: PropagationRequest) -> None:
        """Declare that nothing more comes of a propagation: late results are stale."""
        under_way = self._document.revisions.open_propagations
        if under_way.pop(request.number, None) is not None:
            self.log.write(FinishPropagation(request.number))

    def _look_with(self, predictor: Predictor) -> None:
        self.under_way.finish()
        self._cache.clear()
        self._document.revisions.outdate_all()
        self._plane_predictor = PlanePredictor(
            self.volume, predictor, self.log.next_number(), self._cache, self._device,
            self.store,
        )  # fmt: skip

    def _require_predictor(self) -> PlanePredictor:
        if self._plane_predictor is None:
            raise SessionError("Expected a model, got none. Load one first.")
        return self._plane_predictor
