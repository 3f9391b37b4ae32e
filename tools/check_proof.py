#!/usr/bin/env python3
"""Checks without the log that an event is in it:  check_proof.py FILE.tlog-proof KEY

FILE is what `primetrade audit prove ID` writes (https://c2sp.org/tlog-proof). KEY is the log's public key, NAME+ID+BASE64,
from someone you trust. Needs Python 3.8 and `cryptography`. Exit code 0 means that the event is proved."""
import base64, hashlib, json, re, sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def number(text):
    """Returns a count or a position: ASCII digits without leading zeros, below 2^63."""
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", text, re.ASCII) or int(text) >= 1 << 63:
        raise ValueError(f"{text!r} isn't a number as the log writes it")
    return int(text)


def parse_json(text):
    """Returns the value of a JSON object whose keys are all different."""
    def once(pairs):
        keys = dict(pairs)
        if len(keys) != len(pairs):
            raise ValueError("a JSON object has a key twice")
        return keys
    value = json.loads(text, object_pairs_hook=once)
    if not isinstance(value, dict):
        raise ValueError("a line isn't a JSON object")
    return value


def open_note(note, key):
    """Returns the four lines of a checkpoint that the key has signed (https://c2sp.org/signed-note)."""
    name, key_id, public = key.strip().split("+", 2)
    public = base64.b64decode(public, validate=True)
    if public[:1] != b"\x01" or sha256(name.encode(), b"\n", public)[:4].hex() != key_id:
        raise ValueError("the key doesn't match its own ID")
    text, signatures = note.rsplit("\n\n", 1)
    lines, is_signed = text.split("\n"), False
    if not signatures.endswith("\n"):
        raise ValueError("the note isn't complete")
    for line in signatures[:-1].split("\n"):
        dash, signed_by, signature = line.split(" ")
        signature = base64.b64decode(signature, validate=True)
        if dash == "\u2014" and signed_by == name and signature[:4].hex() == key_id:
            Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature[4:], f"{text}\n".encode())
            is_signed = True
    if not is_signed or lines[0] != name:
        raise ValueError("the checkpoint isn't signed with this key")
    if len(lines) != 4 or not number(lines[1]) or len(base64.b64decode(lines[2], validate=True)) != 32:
        raise ValueError("the note isn't a checkpoint")
    parse_json(lines[3])
    return lines


def root_of(root, index, size, proof):
    """Returns the root that a leaf and its proof lead to, or None (RFC 9162, 2.1.3.2)."""
    at, last = index, size - 1
    for beside in proof:
        is_right = at & 1 or at == last
        root = sha256(b"\x01", beside, root) if is_right else sha256(b"\x01", root, beside)
        while is_right and not at & 1 and at:
            at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    return root if last == 0 and 0 <= index < size else None


def main(file, key):
    head, checkpoint = open(file, encoding="utf-8", newline="").read().split("\n\n", 1)
    magic, extra, index, *proof = head.split("\n")
    if (magic, extra[:6], index[:6]) != ("c2sp.org/tlog-proof@v1", "extra ", "index "):
        raise ValueError("this is not a proof of an event")
    event, index = base64.b64decode(extra[6:], validate=True), number(index[6:])
    lines = open_note(checkpoint, key)
    if root_of(sha256(b"\x00", event), index, int(lines[1]), [base64.b64decode(beside, validate=True) for beside in proof]) != base64.b64decode(lines[2]):
        raise ValueError("the event isn't in the tree of the checkpoint")
    print(f"sealed at position {index} of {lines[1]} in {lines[0]}: {lines[3]}", event.decode(), sep="\n")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (InvalidSignature, ValueError, TypeError, OSError) as error:
        sys.exit(f"NOT PROVED: {error or 'the signature is wrong'}" if len(sys.argv) == 3 else __doc__)
