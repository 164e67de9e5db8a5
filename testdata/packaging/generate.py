"""Write what pypa/packaging answers, for the tests of the requirements room.

Run by hand, from the repository's root, in an environment of its own:

    python3 -m venv /tmp/golden
    /tmp/golden/bin/pip install packaging==26.3 pytest hypothesis pretend tomli_w
    /tmp/golden/bin/pip download --no-binary :all: --no-deps -d /tmp/golden packaging==26.3
    tar -C /tmp/golden -xf /tmp/golden/packaging-26.3.tar.gz
    /tmp/golden/bin/python testdata/packaging/generate.py /tmp/golden/packaging-26.3

packaging's own tests are run under a recorder: every string that they hand to
Version, SpecifierSet, Requirement, Marker or canonicalize_name is kept. Then each
is asked again, with the strings below and mutations of both (of a fixed seed),
and the answers are written beside this file. No code of packaging is.
"""

import contextlib
import io
import json
import pathlib
import random
import sys

import packaging
import packaging.utils
import pytest
from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

HERE = pathlib.Path(__file__).parent
SUITES = [
    "test_version.py", "test_specifiers.py", "test_markers.py", "test_requirements.py",
    "test_utils.py", "test_ranges.py", "test_metadata.py", "test_dependency_groups.py",
    "test_pylock.py", "test_pylock_select.py", "test_direct_url.py",
]
ENVIRONMENT = {
    "implementation_name": "cpython",
    "implementation_version": "3.12.3",
    "os_name": "posix",
    "platform_machine": "aarch64",
    "platform_python_implementation": "CPython",
    "platform_release": "6.11.0-1016-nvidia",
    "platform_system": "Linux",
    "platform_version": "#16-Ubuntu SMP PREEMPT_DYNAMIC",
    "python_full_version": "3.12.3",
    "python_version": "3.12",
    "sys_platform": "linux",
}
SETS = ("extras", "dependency_groups")

recording = True
versions, sets, requirements, names = {}, {}, {}, {}
contains, filters, markers, evaluations = {}, {}, {}, {}


class Suites:
    """Counts packaging's tests, by file."""

    def __init__(self):
        self.passed, self.other = {}, {}

    def pytest_runtest_logreport(self, report):
        file = report.nodeid.split("::")[0].rsplit("/", 1)[-1]
        if report.when == "call" and report.passed:
            self.passed[file] = self.passed.get(file, 0) + 1
        elif report.when == "call" or report.failed or report.skipped:
            self.other[file] = self.other.get(file, 0) + 1


def small(s):
    """Whether s can stand in a golden file: text, short, no lone surrogates."""
    if not isinstance(s, str) or len(s) > 300:
        return False
    try:
        s.encode()
    except UnicodeEncodeError:
        return False
    return True


def record():
    """Wraps packaging's entry points so that they note what they are given."""

    def wrap(owner, attribute, note):
        original = getattr(owner, attribute)

        def wrapped(*args, **kwargs):
            if recording:
                with contextlib.suppress(Exception):
                    note(*args, **kwargs)
            return original(*args, **kwargs)

        setattr(owner, attribute, wrapped)

    def keep(table):
        return lambda self, s="", *_, **__: small(s) and table.setdefault(s)

    wrap(Version, "__init__", keep(versions))
    wrap(SpecifierSet, "__init__", keep(sets))
    wrap(Specifier, "__init__", keep(sets))
    wrap(Requirement, "__init__", keep(requirements))
    wrap(Marker, "__init__", keep(markers))

    def note_contains(self, item, *_, **__):
        item, spec = str(item), str(self)
        if small(item) and small(spec):
            contains.setdefault((spec, item))

    def note_filter(self, iterable, prereleases=None, key=None):
        if prereleases is None and key is None and self._prereleases is None and isinstance(iterable, (list, tuple)):
            items = tuple(str(i) for i in iterable)
            if all(map(small, items)) and len(items) < 20:
                filters.setdefault((str(self), items))

    for owner in (Specifier, SpecifierSet):
        wrap(owner, "contains", note_contains)
        wrap(owner, "filter", note_filter)

    def note_evaluate(self, environment=None, context="metadata"):
        note_evaluation(str(self), environment or {})

    wrap(Marker, "evaluate", note_evaluate)

    def note_name(name, **_):
        if small(name) and name.isascii():
            names.setdefault(name)

    original = packaging.utils.canonicalize_name
    for module in list(sys.modules.values()):
        if getattr(module, "canonicalize_name", None) is original:
            wrap(module, "canonicalize_name", note_name)


def note_evaluation(marker, environment):
    if not small(marker):
        return
    given = {}
    for key, value in environment.items():
        if key in SETS:
            given[key] = sorted(value)
        elif isinstance(value, str) and (key in ENVIRONMENT or key == "extra"):
            given[key] = value
    evaluations.setdefault((marker, json.dumps(given, sort_keys=True)))


# Ours: what vLLM, FlashInfer and their images hold, and traps of facts/names-versions.md.
VERSIONS = """
2.11.0+cu130 2.11.0+cpu 0.22.1rc1.dev124+gace95c9cf.d20260603.cu132 0.6.12+01234567 0.6.12+1d54c5c6 0.6.11.post2
0.22.1.dev5 0.9.1.dev2+cpu.g123456789 1.0b3.dev1 2022.01.01 20260603120000.1 1!2!3 1..0 1.0+ 1.0+a..b 1.0+a_b-c.d V1.0
v 1.0.dev. 1.0-r 1.0-rev4 1.0-post_4 1.0.post.dev 1_0 1.0\u212a 1.0+\u212a 1.0po\u017ft1 \u00a01.0\u2003 1.0\x1c ٣.1 1.0.a.post.dev
0.0 0 00.00 1e5 1.0c.1 1.0preview 1.0pre9 1.0-preview_3 1.0a- 1.0.post- 340282366920938463463374607431768211456.1
1.0.dev340282366920938463463374607431768211456 1.0+340282366920938463463374607431768211457 1.0-0 1.0.post0 1.0-01 1.0alpha-1
""".split() + ["", " ", "1 .0", "1.0\n", "\t1.0", "1.0 dev", "v1", " v1.0a1 "]
SPECIFIERS = """
==2.10.0 ==2.11.0 ==2.11.0+cu130 >=2.0 ~=2.2 ~=2.2.post3 ~=1.4.5a4 ~=2022.01.01 ==2.* !=2.0.* ==2.0.0.* >1.0 >1.0.post1 >1.0.dev1
<1.0 <1.0a1 <1.0.post1 <=1.0 <=1.0+x >=1.0+x ===1.0 ===foo === ==1.0a1.* ~=1 >=1.* ==1.0.*+x ==v1.0 !=v1.* >=v1.0RC1 == ~=1!2.0 ==1!2.*
>=0.6.12 ==0.6.12+1234567 ==0.6.12+01234567 >2.11.0 <2.11.0rc1 <0 <0.dev0 >=0.dev0
""".split() + ["== 2.10.0", ">=1,<2", ">=1,", ",", ",,>=1", ">=1;", "=== a b", "===a)", ">= 1.0 , != 1.5", "===1.0,>=0", "~= 1.0\t", "==1.0.post1.*"]
REQUIREMENTS = [
    "torch == 2.11.0", "torch==2.11.0+cu130", "flashinfer-python==0.6.11.post2", "ray[cgraph]>=2.48.0",
    "six>=1.16.0; python_version > '3.11'", "vllm_xpu_kernels @ https://h/v0.1.3/vllm_xpu_kernels-0.1.3-cp38-abi3-linux_x86_64.whl",
    "fastsafetensors @ git+https://github.com/o/fastsafetensors.git@65d80088", "name>=1,", "name>=1,,", "name===weird!", "_name", "名前",
    "name]", "name;", "name; python_version", "name (>=1,<2)", "name(>=1", "name()", "name ( )", "name>=1.*", "name>1.0+local", "name_", "name-",
    "name.", "n", "1", "name[", "name[a", "name[a,]", "name[,a]", "name[]", "name[ ]", "name[a b]", "name[a],b", "name @", "name@", "name @ ", "name@u",
    "name @ u;x", "name @ u ;x", "name @ u ; os_name=='a'", "name @ u; os_name=='a'", "name===a,b", "name===a,==1", "name=== ; os_name=='a'", "name===",
    "name=1", "name 1", "name <1 >2", "name~=1", "name~=1.0", "name\n", "name ==1.0\n", "name; os_name == 'a' # c", "name # c", "é", "naé", "name[é]",
    "name==1.0;os_name=='a'and'b'in os_name", "name;(os_name=='a')", "name;((os_name=='a')", "name; 'a' == 'b'", "name; os_name == sys_platform",
    "name==1.0 ; extra == 'A_b.c'", "NAME[ A , b_C ]==1.0", "a.b--c__d>1", "name>=1 , <2 ; os_name>='a'", "name ==\n1.0", "name== \x0c1.0", "name\u00a0==1",
    "name[a]@https://u", "name@https://u;v", "name @ https://u\t; os_name=='a'", "name @ https://u # c", "name===(a)", "name (===a)", "name (==1) ; os_name=='x'",
]
MARKERS = [
    "python_version > '3.11' and platform_machine == 'aarch64'", "platform_machine in 'x86_64,aarch64'", "'aarch64' in platform_machine",
    "python_version >= '3.9,<4'", "python_version in '3.11 3.12'", "python_version not in '3.9'", "'3.8' < python_version", "python_full_version < '3.12.4'",
    "platform_release >= '5'", "implementation_version ~= '3.12'", "python_version === '3.12'", "os_name ~= 'posix'", "os_name === 'posix'", "os_name < 'z'",
    "os_name <= 'posix'", "extra == 'Foo_Bar'", "'Foo.Bar' == extra", "extra != 'x'", "extra in 'x y'", "'X_y' in extras", "'x' not in dependency_groups",
    "extras == 'x'", "'x' == extras", "os.name == 'posix'", "sys.platform == 'linux'", "platform.machine == 'aarch64'", "platform.version in 'a'",
    "platform.python_implementation == 'CPython'", "python_implementation == 'CPython'", "platform_python_implementation == 'CPython'",
    "os_name == 'a' or os_name == 'posix' and sys_platform == 'win32'", "(os_name == 'a' or os_name == 'posix') and sys_platform == 'linux'",
    "((os_name == 'posix'))", "(((os_name=='posix')and(os_name=='posix')))", "os_name == 'posix'and os_name == 'posix'", "os_name=='posix'", "not os_name == 'a'",
    "os_name not  in 'a'", "os_name notin 'a'", "os_name in", "== 'a'", "", " ", "os_name", "'a'", "os_name == a", "os_name == 'a' and", "or os_name == 'a'",
    "os_name == 'a' os_name == 'b'", "os_name == \"a'b\"", "os_name == 'a\"b'", "os_name == 'a\\'", "os_name == 'a\\n'", "os_name == '\\x70osix'", "os_name == '\\160osix'",
    "os_name == '\\u0070osix'", "os_name == '\\qx'", "os_name == '\\x7'", "os_name == '\\uD800'", "os_name == 'a\nb'", "os_name == 'po\\\nsix'", "os_names == 'a'", "xos_name == 'a'",
    "os_name == 'é'", "'é'in os_name", "python_version == '3.12.*'", "python_version != '3.*'", "python_version > 'x'", "python_version == ''", "python_full_version == '3.12.3'",
    "platform_version == '#16-Ubuntu SMP PREEMPT_DYNAMIC'", "(os_name == 'posix'", "os_name == 'posix')", "os_name\t==\t'posix'", "os_name\n== 'posix'", "python_version<'3.13'",
]


def mutations(seeds, count, seed):
    """Strings made of the seeds by cutting, repeating, joining and swapping."""
    chance = random.Random(seed)
    pool = sorted(s for s in seeds if len(s) < 80)
    alphabet = sorted(set("".join(pool)))
    made = {}
    while len(made) < count:
        s = chance.choice(pool)
        for _ in range(chance.randint(1, 3)):
            i, j = sorted((chance.randint(0, len(s)), chance.randint(0, len(s))))
            operation = chance.randrange(4)
            if operation == 0:
                s = s[:i] + s[j:]
            elif operation == 1:
                s = s[:i] + chance.choice(alphabet) + s[i:]
            elif operation == 2:
                s = s[:i] + s[i:j] * 2 + s[j:]
            else:
                other = chance.choice(pool)
                s = s[:i] + other[chance.randint(0, len(other)):]
        if small(s) and len(s) < 120:
            made.setdefault(s)
    return list(made)


def ask(function, errors):
    try:
        return function()
    except errors:
        return None


def version_rows():
    rows = []
    for s in versions:
        v = ask(lambda: Version(s), InvalidVersion)
        rows.append([s] if v is None else [s, str(v), v.local or "", v.is_prerelease])
    return rows


def version_order():
    """All valid versions in order; those that are equal stand in one list."""
    groups = []
    for v in sorted((v for s in versions if (v := ask(lambda: Version(s), InvalidVersion))), key=lambda v: (v, str(v))):
        if groups and groups[-1][0] == v:
            if str(v) not in map(str, groups[-1]):
                groups[-1].append(v)
        else:
            groups.append([v])
    return [[str(v) for v in g] for g in groups]


def requirement_row(s):
    r = ask(lambda: Requirement(s), InvalidRequirement)
    if r is None:
        return [s]
    extras = sorted({packaging.utils.canonicalize_name(e) for e in r.extras})
    return [s, packaging.utils.canonicalize_name(r.name), extras, str(r.specifier), r.url or "", str(r.marker or "")]


def marker_row(s):
    """The canonical text, or null where packaging would not read that again."""
    m = ask(lambda: Marker(s), InvalidMarker)
    if m is None:
        return [s]
    if not small(str(m)):
        return None
    again = ask(lambda: str(Marker(str(m))), InvalidMarker)
    return [s, str(m) if again == str(m) else None]


def evaluation_row(marker, given, environments):
    environment = ENVIRONMENT | {"extra": "", "extras": [], "dependency_groups": []} | json.loads(given)
    for key in SETS:
        environment[key] = frozenset(environment[key])
    try:
        answer = Marker(marker).evaluate(environment, context="lock_file")
    except (UndefinedComparison, UndefinedEnvironmentName):
        answer = None
    except InvalidMarker:
        return None
    index = environments.setdefault(given, len(environments))
    return [marker, index, answer]


def add_ours():
    for table, seeds, count in (
        (versions, VERSIONS, 1500), (sets, SPECIFIERS, 1500), (requirements, REQUIREMENTS, 2500), (markers, MARKERS, 2000),
    ):
        recorded = [s for s in table if small(s)]
        for s in seeds + mutations(seeds + recorded, count, seed=len(seeds)):
            table.setdefault(s)
    for name in ("Foo.Bar", "a--b__c..d", "-a-", "A", "", "._-", "flashinfer_python", "opencv-python-headless"):
        names.setdefault(name)
    chance = random.Random(5)
    valid_versions = sorted({str(v) for s in versions if (v := ask(lambda: Version(s), InvalidVersion)) and len(s) < 40})
    valid_sets = sorted(s for s in sets if len(s) < 40 and ask(lambda: SpecifierSet(s), InvalidSpecifier) is not None)
    for _ in range(12000):
        spec = chance.choice(valid_sets)
        contains.setdefault((spec, chance.choice(valid_versions)))
    for spec in SPECIFIERS:
        if ask(lambda: SpecifierSet(spec), InvalidSpecifier) is None:
            continue
        for v in VERSIONS + ["2.10.0", "2.11.0", "2.11.0rc1", "1.0", "1.0.post1", "1.0.dev1", "1.0+x", "2", "2.0", "2.2.post4", "1.4.5"]:
            if small(v):
                contains.setdefault((spec, v))
    for _ in range(800):
        filters.setdefault((chance.choice(valid_sets), tuple(chance.sample(valid_versions, 5))))
    for marker in markers:
        m = ask(lambda: Marker(marker), InvalidMarker)
        if m is not None and small(str(m)):
            for given in ({}, {"extra": "foo-bar", "extras": ["x-y"], "dependency_groups": ["x"]}, {"python_version": "3.9", "python_full_version": "3.9.1+", "os_name": "nt"}):
                note_evaluation(marker, given)


def write(name, document):
    def lines(value):
        return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in value) + "\n]"

    body = ",\n".join(f"{json.dumps(key)}: " + (lines(value) if isinstance(value, list) else json.dumps(value)) for key, value in document.items())
    (HERE / name).write_text("{\n" + body + "\n}\n", encoding="utf-8")


def main(sdist):
    suites = Suites()
    record()
    tests = pathlib.Path(sdist) / "tests"
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", sdist, *(str(tests / s) for s in SUITES)], plugins=[suites])
    global recording
    recording = False
    recorded = {
        "versions": len(versions), "specifiers": len(sets), "contains": len(contains), "filter": len(filters),
        "requirements": len(requirements), "markers": len(markers), "evaluations": len(evaluations), "names": len(names),
    }
    add_ours()
    write("counts.json", {
        "packaging": packaging.__version__, "passed": dict(sorted(suites.passed.items())),
        "not_passed": dict(sorted(suites.other.items())), "recorded": recorded,
    })
    write("versions.json", {"versions": version_rows(), "order": version_order()})
    write("specifiers.json", {
        "sets": [[s] + ([str(r)] if (r := ask(lambda: SpecifierSet(s), InvalidSpecifier)) is not None else []) for s in sets],
        "contains": [[s, i, SpecifierSet(s).contains(i)] for s, i in contains],
        "filter": [[s, list(i), list(SpecifierSet(s).filter(i))] for s, i in filters],
    })
    write("requirements.json", {
        "requirements": [requirement_row(s) for s in requirements],
        "names": [[n, packaging.utils.canonicalize_name(n)] for n in names],
    })
    environments = {}
    evaluated = [row for m, g in evaluations if small(m) and (row := evaluation_row(m, g, environments))]
    write("markers.json", {
        "environment": ENVIRONMENT,
        "given": [json.loads(g) for g in environments],
        "markers": [row for s in markers if (row := marker_row(s))],
        "evaluations": evaluated,
    })


if __name__ == "__main__":
    main(sys.argv[1])
