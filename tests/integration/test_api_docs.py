"""Test that the API docs work offline."""

import re

import httpx


def test_the_page_links_to_the_docs(api: httpx.Client) -> None:
    assert 'href="docs"' in api.get("/").raise_for_status().text


def test_the_docs_load_everything_from_the_api_itself(api: httpx.Client) -> None:
    page = api.get("/docs").raise_for_status().text
    urls = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(urls) >= 3
    for url in urls:
        assert url.startswith("/"), url
        api.get(url).raise_for_status()
    assert not re.search(r"https?://", page)


def test_the_docs_show_the_request_of_the_article(api: httpx.Client) -> None:
    spec = api.get("/openapi.json").raise_for_status().json()
    start = spec["paths"]["/reports/csv"]["post"]["requestBody"]["content"]["application/json"]
    assert start["examples"]["survey"]["value"]["surveyId"] == "668b6fa3b8d693cd865b44bb"
