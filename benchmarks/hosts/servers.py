"""Configure Redis, the load balancer and the Prefect servers of a cluster."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

API_PORT, PREFECT_PORT, REDIS_PORT = 8000, 4200, 6379
READY_TIMEOUT_SECONDS = 180

# nginx clears the environment of worker processes, so they could not be found and ended by their mark.
NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
    upstream api {{ {api} }}
    upstream prefect {{ {prefect} }}
    proxy_connect_timeout 2s;
    proxy_set_header Host $http_host;
    server {{
        listen {gateway}:{api_port};
        location / {{ proxy_pass http://api; proxy_read_timeout 75s; }}
    }}
    server {{
        listen {gateway}:{prefect_port};
        client_max_body_size 10m;
        location / {{
            proxy_pass http://prefect;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_read_timeout 300s;
        }}
    }}
}}
"""


def redis(gateway: str) -> tuple[str, ...]:
    options = ("--bind", gateway, "--port", str(REDIS_PORT), "--protected-mode", "no", "--save", "")
    return ("redis-server", *options)


def load_balancer(
    folder: Path, gateway: str, apis: Sequence[str], prefect_servers: Sequence[str]
) -> tuple[str, ...]:
    """Write nginx's configuration, and return the command that starts nginx."""
    file = folder / "nginx.conf"
    upstreams = {"api": _upstream(apis, API_PORT), "prefect": _upstream(prefect_servers, PREFECT_PORT)}
    ports = {"api_port": API_PORT, "prefect_port": PREFECT_PORT}
    file.write_text(NGINX.format(folder=folder, gateway=gateway, **upstreams, **ports))
    return ("nginx", "-c", str(file), "-e", str(folder / "nginx.log"))


def prefect_settings(database_url: str, gateway: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings for the Prefect servers. They match deployments/compose.yaml."""
    return {
        "PREFECT_API_URL": settings["PREFECT_API_URL"],
        "PREFECT_HOME": settings["PREFECT_HOME"],
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url,
        "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
        "PREFECT_MESSAGING_CACHE": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
        "PREFECT_SERVER_DOCKET_URL": f"redis://{gateway}:{REDIS_PORT}/1",
        "PREFECT_REDIS_MESSAGING_HOST": gateway,
        "PREFECT_REDIS_MESSAGING_PORT": str(REDIS_PORT),
        "PREFECT_REDIS_MESSAGING_DB": "0",
        "PREFECT_SERVER_SERVICES_SCHEDULER_MIN_RUNS": "5",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "300",
        "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "60",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "PREFECT_SERVER_DATABASE_SQLALCHEMY_POOL_SIZE": "15",
        "PREFECT_SERVER_DATABASE_SQLALCHEMY_MAX_OVERFLOW": "0",
    }


def wait_until_healthy(url: str) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while not _is_healthy(url):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{url} did not respond within {READY_TIMEOUT_SECONDS} s")
        time.sleep(0.2)


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _upstream(addresses: Sequence[str], port: int) -> str:
    return " ".join(f"server {address}:{port} max_fails=1 fail_timeout=2s;" for address in addresses)
