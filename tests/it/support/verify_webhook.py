"""Verifies a message with the package standardwebhooks of PyPI, and its v1a signature with cryptography.

Reads {"secret", "public", "headers", "body"} from stdin. Prints "verified" if the message is right and altered ones are not.
"""

import base64
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

message = json.load(sys.stdin)
headers, body = message["headers"], message["body"]


def verifies_v1(headers, body):
    try:
        Webhook(message["secret"]).verify(body, headers)
        return True
    except WebhookVerificationError:
        return False


def verifies_v1a(headers, body):
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(message["public"].removeprefix("whpk_")))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    for signature in headers["webhook-signature"].split(" "):
        version, value = signature.split(",", 1)
        if version == "v1a":
            try:
                key.verify(base64.b64decode(value), content)
                return True
            except InvalidSignature:
                pass
    return False


for verifies in (verifies_v1, verifies_v1a):
    assert verifies(headers, body), verifies
    assert not verifies(headers, body + " "), verifies
    assert not verifies({**headers, "webhook-id": "evt_0"}, body), verifies
print("verified")
