#!/usr/bin/env python3
"""Checks a pack of the access log without the log:  check_pack.py PACK.zip KEY [FORMER-KEY ...]

KEY is the log's public key, NAME+ID+BASE64. Get it from someone you trust (`primetrade audit key`), never from the pack. Needs
Python 3.11, `cryptography`, and check_proof.py in the same folder. Don't unpack the ZIP. Exit code 0 means that the events are
proved. The format is docs/audit-format.md in the project.
"""
import base64
import csv
import hashlib
import io
import re
import sys
import zipfile

from check_proof import InvalidSignature, number, open_note, parse_json, sha256


ALWAYS = {"verify.md", "check_pack.py", "check_proof.py", "pack.json", "checkpoint.txt", "checkpoints.jsonl", "events.jsonl",
          "tree.txt", "bols.csv", "SHA256SUMS"}
# Names that stay inside the folder that the pack is unpacked into.
PDF = re.compile(r"pdfs(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+", re.ASCII)


def opened(note, keys):
    """Returns size, root and statement of a checkpoint that one of the keys has signed. Tries all keys, because a wrong signature
    with any of them rejects the checkpoint."""
    lines = None
    for key in keys:
        try:
            lines = open_note(note, key)
        except ValueError:  # Another key has signed it. A wrong signature is not a ValueError.
            continue
    if not lines:
        raise ValueError("a checkpoint isn't signed with any of these keys")
    return number(lines[1]), base64.b64decode(lines[2], validate=True), parse_json(lines[3])


def check_sums(pack):
    """Checks that the pack has all its files and no other, and that they match SHA256SUMS, which it returns."""
    names = pack.namelist()
    others = set(names) - ALWAYS
    if not ALWAYS <= set(names) or not all(PDF.fullmatch(name) for name in others):
        raise ValueError("the ZIP doesn't have the files of a pack")
    unpacked = {name.casefold() for name in names}
    folders = {name[:end.start()] for name in unpacked for end in re.finditer("/", name)}
    if len(unpacked) != len(names) or folders & unpacked:
        raise ValueError("two file names would collide when unpacked")
    # Python cuts a name at its first NUL; other programs don't.
    if any(entry.external_attr >> 28 == 0xA or entry.filename != entry.orig_filename for entry in pack.infolist()):
        raise ValueError("a file is a link, or has another name than it seems")
    lines = [line.split("  ", 1) for line in pack.read("SHA256SUMS").decode().splitlines()]
    sums = {name: expected for expected, name in lines}
    if sorted(names) != sorted(["SHA256SUMS", *(name for _, name in lines)]):
        raise ValueError("the files aren't those in SHA256SUMS")
    for name, expected in sums.items():
        with pack.open(name) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                raise ValueError(f"{name} doesn't match SHA256SUMS")
    return sums


def whole_line(line):
    if not line.endswith(b"\n"):
        raise ValueError("events.jsonl ends within a line, or has fewer events than tree.txt has leaves")
    return line[:-1]


def check_tree(pack, size, root):
    """Checks that the events and the hashes of tree.txt form the tree with this root (RFC 6962). Returns the number of events."""
    parts, at, count = [], 0, 0
    with pack.open("tree.txt") as tree, pack.open("events.jsonl") as events:
        for line in tree:
            if line == b"leaf\n":
                level, part = 0, sha256(b"\x00", whole_line(events.readline()))
                count += 1
            else:
                if not re.fullmatch(rb"[0-9]{1,2} [0-9a-f]{64}\n", line):
                    raise ValueError("tree.txt isn't a tree")
                level, part = line.split()
                level, part = number(level.decode()), bytes.fromhex(part.decode())
            if not 0 <= level < 64 or len(part) != 32 or at % (1 << level):
                raise ValueError("tree.txt isn't a tree")
            at += 1 << level
            while parts and parts[-1][0] == level:
                level, part = level + 1, sha256(b"\x01", parts.pop()[1], part)
            parts.append((level, part))
        if events.readline():
            raise ValueError("there are more events than tree.txt has leaves")
    whole = parts.pop()[1]
    while parts:
        whole = sha256(b"\x01", parts.pop()[1], whole)
    if (at, whole) != (size, root) or not count:
        raise ValueError("the events aren't in the tree of the checkpoint")
    return count


def check_checkpoints(pack, keys, end, end_root):
    """Checks that the checkpoints of checkpoints.jsonl are signed, in order of size, and don't contradict checkpoint.txt, which has
    these size and root. Nothing shows that smaller ones are of the same tree. Returns their number."""
    last, count = 0, 0
    with pack.open("checkpoints.jsonl") as lines:
        for line in lines:
            entry = parse_json(line)
            size, root, _ = opened(entry["note"], keys)
            if entry != {"note": entry["note"], "size": size}:
                raise ValueError("a line of checkpoints.jsonl isn't what its note says")
            if not last < size <= end:
                raise ValueError("checkpoints.jsonl isn't in order, or goes beyond checkpoint.txt")
            if size == end and root != end_root:
                raise ValueError("two checkpoints of the same size have different roots: the log was rewritten")
            last, count = size, count + 1
    return count


def check_pdfs(pack, sums):
    """Checks each PDF against the SHA-256 in the events about it, which are proved by now. Returns the number of PDFs, and how
    many of them no event in the pack proves: with its document, its SHA-256, and the object key in its name. An event can have
    another key, because a document is moved when it is filed."""
    pdfs = {name for name in sums if name.startswith("pdfs/") and name != "pdfs/index.csv"}
    if not pdfs and "pdfs/index.csv" not in sums:
        return 0, 0
    listed = [(int(line["document_id"]), line["file"]) for line in rows(pack, "pdfs/index.csv") if line["file"]]
    files = dict(listed)
    if len(files) != len(listed) or sorted(files.values()) != sorted(pdfs):
        raise ValueError("the PDFs aren't those in pdfs/index.csv")
    proved = set()
    with pack.open("events.jsonl") as events:
        for event in map(parse_json, events):
            name, recorded, key = files.get(event["document_id"]), event["sha256"], event["object_key"]
            if name and recorded is not None:
                if recorded != sums[name]:
                    raise ValueError(f"{name} isn't what event {event['id']} is about")
                if name == f"pdfs/{key}":
                    proved.add(name)
    return len(pdfs), len(pdfs - proved)


def rows(pack, name):
    with pack.open(name) as file:
        yield from csv.DictReader(io.TextIOWrapper(file, "utf-8", newline=""))


def main(path, *keys):
    with zipfile.ZipFile(path) as pack:
        sums = check_sums(pack)
        size, root, stated = opened(pack.read("checkpoint.txt").decode(), keys)
        events = check_tree(pack, size, root)
        others = check_checkpoints(pack, keys, size, root)
        pdfs, unproved = check_pdfs(pack, sums)
    print(f"{events} events are in the tree of {size} that was sealed at {stated['sealed_at']}")
    print(f"{others} checkpoints in checkpoints.jsonl are signed; the pack doesn't prove that smaller ones contain its events")
    if pdfs:
        print(f"{pdfs - unproved} PDFs are what these events are about; of {unproved} others no event here says what they are")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except Exception as error:  # Any failure means that nothing is proved.
        sys.exit(f"NOT PROVED: {error or 'a signature is wrong'}")
