"""A bucket of S3, or of a store that speaks its protocol, with the keys that the environment holds."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from reverse_etl.environment import credentials, setting
from reverse_etl.errors import AuthenticationError, ConfigurationError, RateLimited, Retryable, SyncError

if TYPE_CHECKING:
    from obstore.store import S3Config

KEY, SECRET = "KINSHIP_S3_ACCESS_KEY_ID", "KINSHIP_S3_SECRET_ACCESS_KEY"
REGION, ENDPOINT, TOKEN = "KINSHIP_S3_REGION", "KINSHIP_S3_ENDPOINT", "KINSHIP_S3_SESSION_TOKEN"


def parts(url: str, variable: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://bucket/prefix`. Raises ConfigurationError naming the variable that held it."""
    address = urlsplit(url)
    if address.scheme != "s3" or not address.netloc:
        raise ConfigurationError(f"{variable} must be s3://bucket/prefix")
    return address.netloc, address.path.strip("/")


def open_store(url: str, variable: str, timeout: float) -> S3Store:
    """The bucket below the prefix; `timeout` is for one request, in seconds. Whoever calls repeats, and counts.

    Raises ConfigurationError naming the variable that is missing or wrong.
    """
    key, secret = credentials("s3", KEY, SECRET)
    bucket, prefix = parts(url, variable)
    endpoint, token = setting(ENDPOINT, ""), setting(TOKEN, "")
    config: S3Config = {
        "access_key_id": key,
        "secret_access_key": secret,
        "region": setting(REGION, "us-east-1"),
        "checksum_algorithm": "SHA256",
    }
    if endpoint:
        config["endpoint"] = endpoint
    if token:
        config["session_token"] = token
    try:
        return S3Store(
            bucket,
            prefix=prefix or None,
            config=config,
            client_options={"allow_http": endpoint.startswith("http://"), "timeout": timedelta(seconds=timeout)},
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=1)},
        )
    except (BaseError, ValueError):
        raise ConfigurationError(f"{variable} or {ENDPOINT} is no address of a store") from None


def failure(error: BaseError | FileNotFoundError, bucket: str, variable: str, right: str) -> SyncError:
    """What a failed request means; `right` is what we need to be allowed to, like `put objects`.

    The store's own message holds the address and what it said, which may be more than we want to tell.
    """
    told = str(error)
    if isinstance(error, FileNotFoundError) or "NoSuchBucket" in told:
        return ConfigurationError(f"s3 has no bucket {bucket!r} here: check {variable}, {REGION} and {ENDPOINT}")
    # a listing that is refused has a class of its own for nothing, and the status in its text
    status = re.search(r"status(?: code)?:? (\d{3})", told)
    code = status[1] if status else ""
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or code in ("401", "403"):
        return AuthenticationError(f"s3 refuses us: check {KEY} and {SECRET}, and their right to {right}")
    if code == "429" or "SlowDown" in told:
        return RateLimited(None)
    if code.startswith("3"):
        return ConfigurationError(f"s3 sends us elsewhere (HTTP {code}): check {REGION} and {ENDPOINT}")
    return Retryable(f"http_{code}" if code else "connection", "no answer from s3")
