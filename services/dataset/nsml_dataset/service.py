"""The dataset service, wired."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from nsml_core.blobs import store as blob_store
from nsml_core.serve import Face, Floor
from nsml_core.storage import Storage
from nsml_core.store import Store
from nsml_dataset.blobs_servicer import Blobs
from nsml_dataset.board import BOARD
from nsml_dataset.boards_servicer import Boards
from nsml_dataset.competitions import Competitions
from nsml_dataset.contestant import CONTESTANT
from nsml_dataset.failures import Failures
from nsml_dataset.hidden import Hidden
from nsml_dataset.judging import Judging
from nsml_dataset.servicer import Datasets
from nsml_dataset.settling import Settling
from nsml_dataset.state import DATASET
from nsml_dataset.views import BOARDS, CONTESTANTS, DATASETS
from nsml_protos import blobs_pb2, board_pb2, dataset_pb2
from nsml_protos.blobs_pb2_grpc import add_BlobsServicer_to_server
from nsml_protos.board_pb2_grpc import add_BoardsServicer_to_server
from nsml_protos.dataset_pb2_grpc import add_DatasetsServicer_to_server
from nsml_protos.session_pb2_grpc import SessionsStub


@asynccontextmanager
async def lifespan(floor: Floor) -> AsyncIterator[Sequence[Face]]:
    """Serve datasets, blobs and boards."""
    datasets = Store(floor.log, DATASET, floor.view.snapshots(DATASETS))
    config = floor.settings
    state = config.home / ("replica" if config.scales_out else "blobs")
    blobs = blob_store.Store(config.blobs_url, state, is_shared=config.scales_out)
    competitions = Competitions(
        datasets,
        Store(floor.log, BOARD, floor.view.snapshots(BOARDS)),
        Store(floor.log, CONTESTANT, floor.view.snapshots(CONTESTANTS)),
        floor.view,
        blobs,
        floor.directory,
    )
    sessions = SessionsStub(floor.clients.channel("session"))
    hidden = Hidden(floor.view, datasets, competitions.states, floor.directory, sessions)
    await hidden.open()
    failures = Failures(floor.pool)
    await failures.open()
    judging = Judging(competitions, sessions, failures)
    floor.lead.beside(Settling(judging, sessions, floor.view).run)
    yield [
        Face(
            dataset_pb2.DESCRIPTOR.services_by_name["Datasets"],
            add_DatasetsServicer_to_server,
            Datasets(datasets, floor.view, blobs, floor.directory, Storage(floor.clients), hidden),
        ),
        Face(
            blobs_pb2.DESCRIPTOR.services_by_name["Blobs"],
            add_BlobsServicer_to_server,
            Blobs(blobs, hidden),
        ),
        Face(
            board_pb2.DESCRIPTOR.services_by_name["Boards"],
            add_BoardsServicer_to_server,
            Boards(competitions, judging, failures),
        ),
    ]
    blobs.close()
