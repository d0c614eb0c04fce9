"""Examples for the API docs; the article's own request comes first."""

ARTICLE_REQUEST = {
    "surveyId": "668b6fa3b8d693cd865b44bb",
    "from": "2024-7-19",
    "to": "2024-7-26",
    "filters": {"isAttended": True, "utm": "wa"},
}
ORDERS = {
    "report": "orders",
    "from": "2024-07-01",
    "to": "2024-07-31",
    "filters": {"status": ["paid", "shipped"]},
}
