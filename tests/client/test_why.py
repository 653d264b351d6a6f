"""Why a session waits is said by the scheduler where the log cannot take it down."""

from nsml_client.why import Why
from nsml_protos.session_pb2 import QUEUED, Session

FULL = "There is no room on the disk for the log: free some space."


def test_a_reason_that_the_log_has_no_room_for_is_told() -> None:
    waits = Session(status=QUEUED, reason="needs 1 GPU, 0 free")
    found = [Why(waits, [], "", None, queued, []).reason for queued in (FULL, "")]

    assert found == [FULL, "needs 1 GPU, 0 free"]
