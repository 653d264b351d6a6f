"""`nsml down` while sessions run and wait: they end, are charged, and nothing is left."""

import psutil

from tests.platform.platforms import lives, platform


def test_down_stops_sessions_and_leaves_no_process() -> None:
    with platform() as found:
        running = found.run("-g", "2").begun()
        waiting = found.run("-g", "1")
        processes = [running.process("user"), running.process("runner")]
        processes += [psutil.Process(found.pid(part)) for part in ("session", "nats", "supervisor")]

        found.nsml("down")

        assert not any(map(lives, processes))
        assert found.nsml("ps", check=False).returncode != 0

        found.nsml("up")
        assert (running.status, waiting.status) == ("Stopped", "Stopped")
        running.assert_charged_once()
        assert waiting.charges() == []
        found.run("-g", "2").begun().finish()
