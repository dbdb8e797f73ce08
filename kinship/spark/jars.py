"""Fetches the jars of `jars.txt` once, into the environment: nothing is downloaded when a run begins.

python -m kinship.spark.jars
"""

import hashlib
import os
import sys
from pathlib import Path

import httpx

from kinship.errors import KinshipError

MAVEN = "https://repo1.maven.org/maven2"
FOLDER = Path(sys.prefix) / "share" / "kinship" / "jars"


def wanted() -> dict[str, tuple[str, str]]:
    """File name -> (path in a Maven repository, SHA-256)."""
    jars = {}
    for line in Path(__file__).with_name("jars.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            coordinates, digest = line.split()
            group, artifact, version = coordinates.split(":")
            name = f"{artifact}-{version}.jar"
            jars[name] = (f"{group.replace('.', '/')}/{artifact}/{version}/{name}", digest)
    return jars


def paths() -> list[Path]:
    """The jars, in place. Raises `KinshipError` when one is missing."""
    jars = [FOLDER / name for name in wanted()]
    if missing := [jar.name for jar in jars if not jar.exists()]:
        raise KinshipError(f"{', '.join(missing)} not found in {FOLDER}: `make spark` fetches what Spark needs")
    return jars


def fetch() -> None:
    """Download what is missing, and keep only what has the right digest."""
    repository = os.environ.get("KINSHIP_MAVEN", MAVEN).rstrip("/")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (path, digest) in wanted().items():
        target = FOLDER / name
        if target.exists():
            continue
        response = httpx.get(f"{repository}/{path}", follow_redirects=True, timeout=120)
        response.raise_for_status()
        found = hashlib.sha256(response.content).hexdigest()
        if found != digest:
            raise KinshipError(f"{name} has the SHA-256 {found}, expected {digest}: it is not the file we tested")
        partial = target.with_suffix(".part")
        partial.write_bytes(response.content)
        partial.replace(target)
        print(f"{name}: {len(response.content) / 1e6:.1f} MB")


if __name__ == "__main__":
    fetch()
