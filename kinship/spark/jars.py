"""Fetches the jars of `jars.txt` once, into the environment: nothing is downloaded when a run begins.

python -m kinship.spark.jars        what every lake needs, 10 MB
python -m kinship.spark.jars s3     and what one on S3 needs (`jars-s3.txt`), 690 MB
"""

import hashlib
import os
import sys
from pathlib import Path

import httpx

from kinship.errors import KinshipError

MAVEN = "https://repo1.maven.org/maven2"
FOLDER = Path(sys.prefix) / "share" / "kinship" / "jars"


def wanted(*, s3: bool) -> dict[str, tuple[str, str]]:
    """File name -> (path in a Maven repository, SHA-256)."""
    jars = {}
    lists = ["jars.txt", "jars-s3.txt"] if s3 else ["jars.txt"]
    for line in "".join(Path(__file__).with_name(name).read_text() for name in lists).splitlines():
        if line and not line.startswith("#"):
            coordinates, digest = line.split()
            group, artifact, version = coordinates.split(":")
            name = f"{artifact}-{version}.jar"
            jars[name] = (f"{group.replace('.', '/')}/{artifact}/{version}/{name}", digest)
    return jars


def paths(*, s3: bool) -> list[Path]:
    """The jars, in place. Raises `KinshipError` when one is missing."""
    jars = [FOLDER / name for name in wanted(s3=s3)]
    if missing := [jar.name for jar in jars if not jar.exists()]:
        how = "make spark-s3" if s3 else "make spark"
        raise KinshipError(f"{', '.join(missing)} not found in {FOLDER}: `{how}` fetches what Spark needs")
    return jars


def fetch(*, s3: bool) -> None:
    """Download what is missing, and keep only what has the right digest."""
    repository = os.environ.get("KINSHIP_MAVEN", MAVEN).rstrip("/")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (path, digest) in wanted(s3=s3).items():
        target = FOLDER / name
        if target.exists():
            continue
        partial, found, size = target.with_suffix(".part"), hashlib.sha256(), 0
        with (
            httpx.stream("GET", f"{repository}/{path}", follow_redirects=True, timeout=120) as response,
            partial.open("wb") as file,
        ):
            response.raise_for_status()
            for part in response.iter_bytes():
                found.update(part)
                size += file.write(part)
        if found.hexdigest() != digest:
            partial.unlink()
            raise KinshipError(f"{name} has the SHA-256 {found.hexdigest()}, expected {digest}: not the file we tested")
        partial.replace(target)
        print(f"{name}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    fetch(s3="s3" in sys.argv[1:])
