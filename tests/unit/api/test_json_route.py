"""Test that a POST request without a body is rejected if a page on another site could have sent it."""

import asyncio

import pytest
from fastapi import APIRouter, FastAPI
from httpx import ASGITransport, AsyncClient, Response

from api.routes.json_route import JsonRoute
from api.settings import ApiSettings
from api.web import problems

router = APIRouter(route_class=JsonRoute)


@router.post("/cancel")
async def cancel() -> str:
    return "cancelled"


@router.get("/state")
async def state() -> str:
    return "running"


async def send(method: str, path: str, headers: dict[str, str]) -> Response:
    app = FastAPI()
    app.state.settings = ApiSettings(
        database_url="sqlite://", storage_url="file:///exports", cors_origins="https://shop.example.com"
    )
    problems.install(app)
    app.include_router(router)
    async with AsyncClient(transport=ASGITransport(app), base_url="https://reports.example.com") as client:
        return await client.request(method, path, headers=headers)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Content-Type": "application/json"}, 200),
        ({"Content-Type": "Application/JSON; charset=utf-8", "Origin": "https://other.example.com"}, 200),
        ({"Origin": "https://reports.example.com"}, 200),
        ({"Origin": "https://Reports.example.com"}, 200),
        ({"Origin": "https://shop.example.com"}, 200),
        ({"Origin": "https://other.example.com"}, 415),
        ({"Origin": "http://shop.example.com"}, 415),
        ({"Origin": "https://reports.example.com:8443"}, 415),
        ({"Origin": "null"}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://reports.example.com"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ],
)
def test_a_post_without_a_body_checks_its_origin_and_content_type(
    headers: dict[str, str], status: int
) -> None:
    response = asyncio.run(send("POST", "/cancel", headers))
    assert response.status_code == status
    if status == 415:
        assert response.json()["detail"] == "Send the request with Content-Type: application/json."


def test_a_get_has_no_content_type() -> None:
    headers = {"Content-Type": "text/plain", "Origin": "https://other.example.com"}
    assert asyncio.run(send("GET", "/state", headers)).status_code == 200
