"""Write how pip reads requirements files, for the tests of the requirements room.

Run by hand, from the repository's root, in an environment of its own:

    python3 -m venv /tmp/pip && /tmp/pip/bin/pip install pip==26.3
    PYTHONUTF8=1 /tmp/pip/bin/python testdata/pip/generate.py

With the path of a directory of source trees as argument, what pip and its
packaging find in their requirement files and pyproject.toml is written too.

Each file below, and files put together from their pieces (of a fixed seed), goes
through pip's own reader; what it makes of the lines is written beside this file.
"""

import base64
import contextlib
import io
import json
import logging
import pathlib
import random
import sys
import tomllib

import pip
from pip._internal.req import req_file
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

FILES = [
    "", "\n", "torch", "torch\n", "torch\r\nnumpy\r\n", "torch\rnumpy", "a\x0bb\x0cc\x1cd\x1de\x1ef\x85g\u2028h\u2029i",
    "# comment\ntorch # why\n  # indented\n\t# tab\n#x\n", "torch#x\ntorch #x\ntorch\t#x\ntorch\u00a0#x\nu @ https://h/x#sha256=1\nu @ https://h/x #y",
    "torch==1 \\\n  --hash=sha256:1 \\\n  --hash=sha256:2\nnumpy", "torch \\\n# comment\nnumpy", "torch \\\n  # comment \\\nnumpy", "torch # why \\\nnumpy\nx",
    "# comment \\\nnumpy", "torch\\\n", "torch\\", "\\\n\\\ntorch", "a\\\\\nb", "\\a\\\nb", "torch \\ \nnumpy", "torch \\\r\n  ==1\r\n", "\\\n",
    "-r a.txt\n-ra.txt\n-r=a.txt\n--requirement a.txt\n--requirement=a.txt\n--req a.txt\n-r 'a b.txt'\n-r \"a b.txt\"\n-r a\\ b.txt\n",
    "-c a.txt\n--constraint=a.txt\n-c a.txt -r b.txt\n-r b.txt -c a.txt\n-r a.txt -r b.txt\n--pre -r a.txt", "-e .\n-e ./x -r y\n--editable=git+https://h/x#egg=y\n-e",
    "-r", "--requirement", "-r ''", "-r 'x", "--unknown x", "-x", "-i https://h/simple --pre\n--extra-index-url https://h\n--find-links . --no-index\n--no-binary :all:\n",
    "torch --hash sha256:1\ntorch --hash=sha256:1\ntorch -e x\ntorch --config-settings a=b\ntorch --global-option x", "torch\t--hash=sha256:1", "torch ==1 --pre",
    "torch ; os_name == 'a -b'", "torch ; os_name == '-b'", "torch ; os_name == ' -b'", "torch==${VERSION}\n${NAME}==1\nx @ https://${TOKEN}@h/x.whl\n-r ${DIR}/a.txt\n$A ${a}",
    "torch -", "torch --", "- torch", "-- torch", "torch  --hash=sha256:1   ", " torch ", "torch # a # b", "./x\nx.whl\nhttps://h/x.whl\n../x[a]\n", "--pr\n--no-i\n--no",
    "--hash=sha256:1", "a\\\nb\\\n\nc", "a\\\n\nb", "a \\\n \nb", "a\\\n#b\nc", "a\\\n #b\\\nc\n", "-r\ta.txt", "-r  a.txt  ", "-c\\\na.txt", "--trusted-host h\n--use-feature x\n--prefer-binary",
]
ENCODED = [
    ("torch # \u00e9\nnumpy\n", e, bom) for e, bom in (
        ("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff"), ("utf-32-le", b"\xff\xfe\x00\x00"), ("utf-32-be", b"\x00\x00\xfe\xff"),
    )
] + [
    ("# -*- coding: latin-1 -*-\ntorch # \u00e9\n", "latin-1", b""), ("# x\n# vim: set fileencoding=cp1252 :\ntorch # \u20ac\n", "cp1252", b""),
    ("torch\n# coding: latin-1\nnumpy # \u00e9\n", "latin-1", b""), ("# coding=iso8859-15\ntorch # \u20ac\n", "iso8859-15", b""), ("# coding: utf8\ntorch # \u00e9", "utf-8", b""),
    ("# coding: koi8-r\ntorch # \u0434\n", "koi8-r", b""), ("\n\n# coding: latin-1\ntorch", "utf-8", b""), ("torch # coding: latin-1\nx", "utf-8", b""), ("# coding: nonsense\ntorch", "utf-8", b""),
]
BAD = [b"torch # \xe9\n", b"# coding: utf-8\ntorch # \xe9\n", b"\xff\xfetor", b"\xef\xbb\xbftorch \xff", b"# coding: ascii\ntorch\n"]
PIECES = [
    "torch", "numpy>=1", "==1.0", " ", "  ", "\t", "\\\n", "\\\r\n", "\n", "\n\n", "\r\n", "\r", "# c", " # c", "#c", "\\", "--hash=sha256:1", " --hash=sha256:2", "-r a.txt", "-c b.txt",
    "-e .", "--pre", "-i u", "; os_name=='x'", "[a,b]", "'", '"', "\x0c", "\u2028", "\u00a0", "${A}", "--requirement=c.txt", " -e x", "\u00e9",
]


def read(source):
    """The lines of a file: number, requirement, kind and path or location, hashes."""
    logging.disable()
    try:
        content = req_file._decode_req_file(source, "file")
    except (UnicodeDecodeError, LookupError):
        return None
    rows = []
    parse = req_file.get_line_parser(None)
    for number, line in req_file.preprocess(content):
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                args, opts = parse(line)
        except req_file.OptionParsingError:
            rows.append([number, line])
            continue
        if args:
            rows.append([number, line, "requirement", args, bool(opts.hashes)])
        elif opts.editables:
            rows.append([number, line, "editable", opts.editables[0], False])
        elif opts.requirements:
            rows.append([number, line, "include", opts.requirements[0], False])
        elif opts.constraints:
            rows.append([number, line, "constraint", opts.constraints[0], False])
        else:
            rows.append([number, line, "option", "", False])
    return rows


def name(requirement):
    return canonicalize_name(Requirement(requirement).name)


def find(tree):
    """Each requirement of a tree: [file, line, name]; in pyproject.toml the line is 0."""
    rows = []
    for path in sorted(tree.rglob("*.txt")):
        for row in read(path.read_bytes()):
            if row[2:3] == ["requirement"]:
                rows.append([path.relative_to(tree).as_posix(), row[0], name(row[3])])
    document = tomllib.loads((tree / "pyproject.toml").read_text())
    project = document.get("project", {})
    arrays = [document["build-system"]["requires"], project.get("dependencies", [])]
    arrays += project.get("optional-dependencies", {}).values()
    arrays += document.get("dependency-groups", {}).values()
    for array in arrays:
        rows += [["pyproject.toml", 0, name(r)] for r in array if isinstance(r, str)]
    return rows


def write_trees(directory):
    trees = {tree.name: find(tree) for tree in sorted(directory.iterdir())}
    body = ",\n".join(
        json.dumps(tree) + ": [\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]" for tree, rows in trees.items()
    )
    (pathlib.Path(__file__).parent / "trees.json").write_text("{\n" + body + "\n}\n")


def main():
    if len(sys.argv) > 1:
        write_trees(pathlib.Path(sys.argv[1]))
    sources = [s.encode() for s in FILES] + [bom + s.encode(e) for s, e, bom in ENCODED] + BAD
    chance = random.Random(7)
    while len(sources) < 1500:
        sources.append("".join(chance.choice(PIECES) for _ in range(chance.randint(2, 12))).encode())
    rows = [json.dumps([base64.b64encode(s).decode(), read(s)], ensure_ascii=False, separators=(",", ":")) for s in sources]
    text = '{\n"pip": ' + json.dumps(pip.__version__) + ',\n"files": [\n' + ",\n".join(rows) + "\n]\n}\n"
    (pathlib.Path(__file__).parent / "files.json").write_text(text, encoding="utf-8")


main()
