#!/usr/bin/env python3
"""Compares the examination of uploads with independent readers of PDF, over folders of files.

    python3 -m pip install --target target/survey pypdfium2
    PYTHONPATH=target/survey python3 tools/survey_pdfs.py target/release/primetrade FOLDER...

Each file is opened with PDFium and poppler (pdftoppm), and its objects are listed with qpdf. A file is hostile here if
qpdf finds something in it that the portal calls a concern. The result is the table of docs/intake-survey.md, and, with
--list, a line for each file that is not in the expected column.
"""

import argparse
import collections
import concurrent.futures
import json
import pathlib
import resource
import subprocess
import sys
import threading

TIMEOUT = 60  # seconds for each program
ACTIONS = {"/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/GoToR", "/GoToE", "/Rendition", "/Movie", "/Sound",
           "/GoTo3DView", "/RichMediaExecute", "/Hide", "/ResetForm", "/SetOCGState"}
KEYS = {"/JS", "/XFA", "/EF", "/RichMediaContent", "/3DD"}
SUBTYPES = {"/FileAttachment", "/Sound", "/Movie", "/Screen", "/3D", "/RichMedia"}
PDFIUM = """
import sys, pypdfium2
pdf = pypdfium2.PdfDocument(sys.argv[1])
assert len(pdf) > 0
pdf[0].render(scale=0.2)
"""


def run(arguments, **options):
    try:
        return subprocess.run(arguments, capture_output=True, timeout=TIMEOUT, **options)
    except subprocess.TimeoutExpired:
        return None


def opens(path):
    poppler = run(["pdftoppm", "-r", "20", "-f", "1", "-l", "1", "-singlefile", "-png", str(path)])
    if poppler is not None and poppler.stdout.startswith(b"\x89PNG"):
        return True
    pdfium = run([sys.executable, "-c", PDFIUM, str(path)])
    return pdfium is not None and pdfium.returncode == 0


def is_hostile(path):
    """Whether qpdf finds an action, annotation or file that is not harmless. None: qpdf can't read the file."""
    listed = run(["qpdf", "--warning-exit-0", "--json=2", "--json-stream-data=none", str(path)])
    if listed is None:
        return None
    try:
        left = [json.loads(listed.stdout.decode(errors="replace"))["qpdf"][1]]
    except (ValueError, LookupError):
        return None
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if str(value.get("/S")) in ACTIONS or str(value.get("/Subtype")) in SUBTYPES or KEYS & value.keys():
                return True
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return False


def reports(program, path, quick):
    """The reports of the examination. A quick one ends when the file is open, before the pages are searched."""
    with path.open("rb") as file:
        with subprocess.Popen([program, "examine"], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            timer = threading.Timer(TIMEOUT, process.kill)
            timer.start()
            for line in process.stdout:
                report = json.loads(line)
                yield report
                if quick and ("fault" in report or report["found"]["pages"] > 0):
                    process.kill()
            timer.cancel()


def examined(program, path, quick):
    last = collections.deque(reports(program, path, quick), maxlen=1)
    if not last:
        return "rejected", "no report"
    report = last[0]
    if "fault" in report:
        return "rejected", report["fault"]
    concerns = report["found"]["concerns"]
    slow = report["found"]["slow_page"]
    return ("review" if concerns else "taken"), ", ".join(concerns) or (f"page {slow} is slow" if slow else "")


def classified(program, path, quick):
    outcome, why = examined(program, path, quick)
    return path, ("opens" if opens(path) else "opens nowhere"), is_hostile(path), outcome, why


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="the program primetrade")
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--list", action="store_true", help="print the files outside of the expected columns")
    parser.add_argument("--quick", action="store_true", help="don't search the pages for BOL numbers")
    arguments = parser.parse_args()
    files = [(folder, path) for folder in arguments.folders for path in sorted(folder.rglob("*.pdf"))]
    counts = collections.defaultdict(collections.Counter)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda file: (file[0], classified(arguments.program, file[1], arguments.quick)), files)
        for folder, (path, opening, hostile, outcome, why) in results:
            kind = "hostile" if hostile else "honest"
            column = f"{kind} {outcome}" if opening == "opens" else f"{opening} {outcome}"
            counts[folder.name][column] += 1
            if arguments.list and column not in ("honest taken", "hostile review", "opens nowhere rejected"):
                print(f"{column}: {path.name}: {why}", file=sys.stderr)
    columns = ["honest taken", "honest review", "honest rejected", "hostile review", "hostile rejected", "hostile taken",
               "opens nowhere rejected", "opens nowhere review", "opens nowhere taken"]
    print("| folder | files | " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * (len(columns) + 1))
    counts["all"] = sum(counts.values(), collections.Counter())
    for folder, found in counts.items():
        cells = [str(found[column]) for column in columns]
        print(f"| {folder} | {found.total()} | " + " | ".join(cells) + " |")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{used.ru_utime + used.ru_stime:.0f} s of processor time for all programs", file=sys.stderr)


if __name__ == "__main__":
    main()
