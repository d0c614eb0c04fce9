import secrets
from pathlib import Path


def secret(path: Path, prefix: str = "") -> str:
    """Return the secret in the file. If the file is missing, create it with a random secret and mode 600."""
    if not path.exists():
        new = path.with_name(path.name + ".new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        new.write_text(prefix + secrets.token_urlsafe(24))
        new.replace(path)
    return path.read_text()
