import asyncio
from typing import Any

import botocore.loaders
import pytest

from flows.storage import s3_models


def test_a_client_parses_no_models_after_they_were_preloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    parsed: list[str] = []
    load_file = botocore.loaders.JSONFileLoader.load_file

    def record(loader: Any, path: str) -> Any:
        content = load_file(loader, path)
        if content is not None:
            parsed.append(path)
        return content

    async def open_client() -> None:
        async with s3_models.open_session().create_client("s3", region_name="us-east-1") as client:
            assert client.meta.service_model.service_name == "s3"

    monkeypatch.setattr(s3_models, "_loader", botocore.loaders.create_loader())
    s3_models.preload()
    monkeypatch.setattr(botocore.loaders.JSONFileLoader, "load_file", record)
    asyncio.run(open_client())
    assert parsed == []
