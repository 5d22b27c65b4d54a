"""Secrets and signatures of Standard Webhooks 1.0.0 (symmetric, ``v1``). Pure.

A secret is derived and never stored: whoever reads the database can sign nothing.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

PREFIX: Final = "whsec_"
# So long the secret before the present one signs, too.
OLD_SIGNS_FOR: Final = timedelta(hours=24)


def derive_secret(key: bytes, *, endpoint: UUID, generation: int) -> str:
    """Return the endpoint's secret of one generation: ``whsec_`` and 32 bytes in base64.

    ``key`` is the installation's; HMAC-SHA256 as a pseudo-random function of endpoint and generation.
    """
    said = f"ripen webhook secret\0{endpoint}\0{generation}".encode()
    return PREFIX + base64.b64encode(hmac.digest(key, said, hashlib.sha256)).decode()


def secrets_in_force(
    key: bytes, *, endpoint: UUID, generation: int, rotated_at: datetime | None, now: datetime
) -> list[str]:
    """Return the secrets to sign with: the present one, and for a day after a rotation the one before."""
    secrets = [derive_secret(key, endpoint=endpoint, generation=generation)]
    if generation > 1 and rotated_at is not None and now < rotated_at + OLD_SIGNS_FOR:
        secrets.append(derive_secret(key, endpoint=endpoint, generation=generation - 1))
    return secrets


def sign(secrets: Sequence[str], *, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers that tell a receiver which message this is, when it was sent, and that it is ours."""
    timestamp = str(int(now.timestamp()))
    signed = b".".join([message_id.encode(), timestamp.encode(), body])
    signatures = []
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix(PREFIX))
        signatures.append("v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }
