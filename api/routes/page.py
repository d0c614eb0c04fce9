"""The page: static files, and the HTML that loads them."""

import os
from html import escape
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

FILES = Path(__file__).parents[1] / "page"
# A newer version is seen at the next load: the modules of two versions never meet.
REVALIDATED = {"Cache-Control": "no-cache"}

router = APIRouter(include_in_schema=False)


class PageFiles(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers.update(REVALIDATED)
        return answer


@router.api_route("/", methods=["GET", "HEAD"])
async def page() -> HTMLResponse:
    template = (FILES / "index.html").read_text(encoding="utf-8")
    return HTMLResponse(filled(template, os.environ.get("PREFECT_UI_URL", "")), headers=REVALIDATED)


def filled(template: str, prefect_ui: str) -> str:
    """With what the page cannot ask for."""
    empty = '<meta name="prefect-ui" content="">'
    if empty not in template:
        raise ValueError(f"index.html has no {empty}")
    return template.replace(empty, f'<meta name="prefect-ui" content="{escape(prefect_ui)}">')
