"""Where the processes of one session meet."""

import socket

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def meeting(gpus: int) -> dict[str, str]:
    """Return the hosts of a session, a port on each, and which of them this is: all run here.

    Scripts make one process for each GPU, and let them meet at the first host. One has nobody to
    meet, and scripts tell that by a list without hosts.
    """
    hosts = [HOST] if gpus > 1 else []
    return {
        "NSML_PARALLEL_WORLD": ",".join(hosts),
        "NSML_PARALLEL_PORTS": ",".join(str(free_port()) for _ in hosts),
        "NSML_RANK": "0",
    }
