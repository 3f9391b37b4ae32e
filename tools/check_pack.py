#!/usr/bin/env python3
"""Checks a pack of the access log without the log:  check_pack.py PACK.zip KEY [FORMER-KEY ...]

KEY is the log's public key, NAME+ID+BASE64, from somebody you trust (`primetrade audit key`), and never out of the pack. Needs
check_proof.py beside it, Python 3.11 and `cryptography`; reads the ZIP as it is; exit code 0 if all is well.
"""
import base64
import csv
import hashlib
import io
import json
import re
import sys
import zipfile

from check_proof import InvalidSignature, open_note, sha256


ALWAYS = {"verify.md", "check_pack.py", "check_proof.py", "pack.json", "checkpoint.txt", "checkpoints.jsonl", "events.jsonl",
          "tree.txt", "bols.csv", "SHA256SUMS"}
# Of names that lead nowhere else, wherever they are unpacked.
PDF = re.compile(r"pdfs(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+", re.ASCII)


def opened(note, keys):
    """Size, root and statement of a checkpoint that one of the keys has signed."""
    for key in keys:
        if note.startswith(key.split("+")[0] + "\n"):
            try:
                _, size, root, stated, *_ = open_note(note, key)
                return int(size), base64.b64decode(root, validate=True), json.loads(stated)
            except ValueError:
                continue
    raise ValueError("a checkpoint isn't signed with these keys")


def check_sums(pack):
    """That there is every file of a pack and no other, and that each is what SHA256SUMS says."""
    names = pack.namelist()
    others = set(names) - ALWAYS
    if not ALWAYS <= set(names) or not all(PDF.fullmatch(name) for name in others):
        raise ValueError("it hasn't the files of a pack")
    if len({name.casefold() for name in names}) != len(names) or any(entry.external_attr >> 28 == 0xA for entry in pack.infolist()):
        raise ValueError("two of its files would be one when they are unpacked, or one is a link")
    sums = dict(reversed(line.split("  ", 1)) for line in pack.read("SHA256SUMS").decode().splitlines())
    if sorted(pack.namelist()) != sorted([*sums, "SHA256SUMS"]):
        raise ValueError("its files aren't those of SHA256SUMS")
    for name, expected in sums.items():
        with pack.open(name) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                raise ValueError(f"{name} isn't what SHA256SUMS says")
    return sums


def check_tree(pack, size, root):
    """That the events and what tree.txt tells beside them are one tree with this root (RFC 6962). Gives how many there are."""
    parts, at, count = [], 0, 0
    with pack.open("tree.txt") as tree, pack.open("events.jsonl") as events:
        for line in tree:
            if line == b"leaf\n":
                level, part = 0, sha256(b"\x00", events.readline().removesuffix(b"\n"))
                count += 1
            else:
                level, part = line.split()
                level, part = int(level), bytes.fromhex(part.decode())
            if not 0 <= level < 64 or len(part) != 32 or at % (1 << level):
                raise ValueError("tree.txt isn't a tree")
            at += 1 << level
            while parts and parts[-1][0] == level:
                level, part = level + 1, sha256(b"\x01", parts.pop()[1], part)
            parts.append((level, part))
        if events.readline():
            raise ValueError("there are events that tree.txt doesn't know")
    whole = parts.pop()[1]
    while parts:
        whole = sha256(b"\x01", parts.pop()[1], whole)
    if (at, whole) != (size, root) or not count:
        raise ValueError("the events aren't in the tree of the checkpoint")
    return count


def check_checkpoints(pack, keys):
    """That all others are signed too, and in order. Gives how many there are."""
    last, count = 0, 0
    with pack.open("checkpoints.jsonl") as lines:
        for line in lines:
            size, _, _ = opened(json.loads(line)["note"], keys)
            if size <= last:
                raise ValueError("checkpoints.jsonl isn't in order")
            last, count = size, count + 1
    return count


def check_pdfs(pack, sums):
    """That each PDF has the SHA-256 that events about it have, which have been proved by now. Gives how many there are, and how
    many of them no event here names."""
    pdfs = {name for name in sums if name.startswith("pdfs/") and name != "pdfs/index.csv"}
    if not pdfs and "pdfs/index.csv" not in sums:
        return 0, 0
    files = {int(line["document_id"]): line["file"] for line in rows(pack, "pdfs/index.csv") if line["file"]}
    if sorted(files.values()) != sorted(pdfs):
        raise ValueError("the PDFs aren't those of pdfs/index.csv")
    named = set()
    with pack.open("events.jsonl") as events:
        for event in map(json.loads, events):
            name = files.get(event["document_id"])
            if name and event["sha256"]:
                named.add(name)
                if event["sha256"] != sums[name]:
                    raise ValueError(f"{name} isn't what event {event['id']} is about")
    return len(pdfs), len(pdfs - named)


def rows(pack, name):
    with pack.open(name) as file:
        yield from csv.DictReader(io.TextIOWrapper(file, "utf-8", newline=""))


def main(path, *keys):
    with zipfile.ZipFile(path) as pack:
        sums = check_sums(pack)
        size, root, stated = opened(pack.read("checkpoint.txt").decode(), keys)
        events = check_tree(pack, size, root)
        others = check_checkpoints(pack, keys)
        pdfs, unnamed = check_pdfs(pack, sums)
    print(f"{events} events are in the tree of {size} that was sealed at {stated['sealed_at']}")
    print(f"{others} other checkpoints are signed")
    if pdfs:
        print(f"{pdfs - unnamed} PDFs are what these events are about; of {unnamed} no event here says what they are")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except Exception as error:  # Whatever is wrong with it, it isn't proved.
        sys.exit(f"NOT PROVED: {error or 'a signature is wrong'}")
