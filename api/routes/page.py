"""The page: static files, and the HTML that loads them."""

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.routing import BaseRoute

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
async def page(request: Request) -> HTMLResponse:
    template = (FILES / "index.html").read_text(encoding="utf-8")
    html = filled(template, os.environ.get("PREFECT_UI_URL", ""), has_schedules(request.app.routes))
    return HTMLResponse(html, headers=REVALIDATED)


def filled(template: str, prefect_ui: str, schedules: bool) -> str:
    """What the page cannot ask for: a request that answers 404 would be an error in the browser's console."""
    facts = {"prefect-ui": prefect_ui, "schedules": "yes" if schedules else ""}
    for name, value in facts.items():
        empty = f'<meta name="{name}" content="">'
        if empty not in template:
            raise ValueError(f"index.html has no {empty}")
        template = template.replace(empty, f'<meta name="{name}" content="{escape(value)}">')
    return template


def has_schedules(routes: Sequence[BaseRoute]) -> bool:
    return any(getattr(each, "path", "") == "/schedules" for each in routes)
