"""Share botocore's models of S3 among all clients of a process and of its child processes.

By default, each session parses the models again, which takes 45 ms of CPU time and 12 MB of memory. Models in
the folders of AWS_DATA_PATH are found, too. Such folders cannot be set in the configuration file of AWS.
"""

import os

from aiobotocore.session import AioSession
from botocore.loaders import create_loader

_loader = create_loader(os.environ.get("AWS_DATA_PATH"))


def open_session() -> AioSession:
    session = AioSession()
    session.register_component("data_loader", _loader)
    return session


def preload() -> None:
    """Parse the models that a client needs, for example before a process is forked."""
    for kind in ("service-2", "endpoint-rule-set-1"):
        _loader.load_service_model("s3", kind)
    for name in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
        _loader.load_data(name)
