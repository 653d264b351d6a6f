"""The dataset service, wired."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from nsml_core.blobs import store as blob_store
from nsml_core.serve import Face, Floor
from nsml_core.store import Store
from nsml_dataset.blobs_servicer import Blobs
from nsml_dataset.servicer import Datasets
from nsml_dataset.state import DATASET
from nsml_dataset.views import DATASETS
from nsml_protos import blobs_pb2, dataset_pb2
from nsml_protos.blobs_pb2_grpc import add_BlobsServicer_to_server
from nsml_protos.dataset_pb2_grpc import add_DatasetsServicer_to_server


@asynccontextmanager
async def lifespan(floor: Floor) -> AsyncIterator[Sequence[Face]]:
    """Serve datasets and blobs."""
    datasets = Store(floor.log, DATASET, floor.view.snapshots(DATASETS))
    blobs = blob_store.Store(floor.settings.blobs_url, floor.settings.home / "blobs")
    yield [
        Face(
            dataset_pb2.DESCRIPTOR.services_by_name["Datasets"],
            add_DatasetsServicer_to_server,
            Datasets(datasets, floor.view, blobs),
        ),
        Face(
            blobs_pb2.DESCRIPTOR.services_by_name["Blobs"],
            add_BlobsServicer_to_server,
            Blobs(blobs),
        ),
    ]
    blobs.close()
