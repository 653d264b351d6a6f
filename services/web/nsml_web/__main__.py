"""Start the web."""

import logging
import sys

import uvicorn

from nsml_core import settings, telemetry
from nsml_core.errors import Error
from nsml_web import settings as web
from nsml_web.app import build

_GRACE_SECONDS = 2


def main() -> int:
    """Serve until a signal says otherwise."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s web - %(message)s", force=True
    )
    try:
        platform = settings.read()
        at = web.read(platform)
        app = build(platform, at)
    except Error as error:
        logging.getLogger("nsml.web").critical("%s", error.sentence)
        return 1
    telemetry.setup("web", platform.otlp_endpoint)
    config = uvicorn.Config(
        app,
        host=at.host,
        port=at.port,
        loop="uvloop",
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,  # addresses carry one-time codes
        server_header=False,
        date_header=False,
        ssl_certfile=at.tls.cert if at.tls else None,
        ssl_keyfile=at.tls.key if at.tls else None,
        # Pages that follow a session never end by themselves.
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    uvicorn.Server(config).run()
    telemetry.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
