# SPDX-License-Identifier: MIT
"""What README, man pages and examples say is what the program does: every configuration is one
that `check` accepts, and commands, options and keys are those that there are."""

import json
import re
import shlex
import shutil
from xml.etree import ElementTree

import pytest

from lib.daemon import REPOSITORY, RULES_SCRIPT, check_alone, command
from lib.documents import PAGES as TEXT_PAGES
from lib.documents import README, TEXTS, blocks, command_lines, inline
from lib.namespaces import run

KEYS_PAGE = REPOSITORY / "docs/configuration.md"
FINDINGS_PAGE = REPOSITORY / "docs/troubleshooting.md"
MAN = REPOSITORY / "docs/man"
PROGRAM_PAGE = MAN / "trafficduplicator.8"
CONFIG_PAGE = MAN / "trafficduplicator.config.5"
SCRIPT_PAGE = MAN / "trafficduplicator-rules.8"
PAGES = [PROGRAM_PAGE, CONFIG_PAGE, SCRIPT_PAGE]
EXAMPLES = sorted((REPOSITORY / "config/examples").glob("*.config"))
SOURCES = REPOSITORY / "src/core"

if not README.exists():
    pytest.skip("the repository is not here: only the tests are", allow_module_level=True)


# What the program says of itself.

def _options(text):
    """The options that stand at the beginning of a line of --help, short and long."""
    found = set()
    for line in re.findall(r"^  (-.*)$", text, re.MULTILINE):
        found |= set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", line.split("  ")[0]))
    return found


def _help(*verb):
    done = command(*verb, "--help")
    assert done.returncode == 0, done.stderr
    own, _, common = done.stdout.partition("\nCommon options:\n")
    return own, common


def _verbs():
    """Per verb: its own options, and how many arguments it has."""
    listed = _help()[0].partition("Verbs:\n")[2]
    verbs = {}
    for verb in re.findall(r"^  (\w+) ", listed, re.MULTILINE):
        own = _help(verb)[0]
        arguments = re.match(rf"Usage: trafficduplicator {verb} (.*)\[OPTION", own).group(1)
        verbs[verb] = (_options(own), len(arguments.split()))
    assert len(verbs) > 5
    return verbs


@pytest.fixture(scope="module", name="verbs")
def _verbs_fixture():
    return _verbs()


# What man pages say, by their macros.

def _section(page, name):
    text = page.read_text(encoding="utf-8")
    assert f"\n.Sh {name}\n" in text, f"{page.name} has no {name}"
    return re.split(r"^\.Sh .*\n", text.partition(f"\n.Sh {name}\n")[2], maxsplit=1,
                    flags=re.MULTILINE)[0]


def _items(text):
    """The lists of a text: (depth, words behind .It, what follows up to the next of that depth)."""
    items, depth = [], 0
    for line in text.splitlines():
        if line.startswith(".Bl"):
            depth += 1
        elif line.startswith(".El"):
            depth -= 1
        elif line.startswith(".It"):
            items.append((depth, line[4:].split(), []))
            continue
        for item in items:
            item[2].append(line)
    return items


def _flags(words):
    return {f"-{after}" for before, after in zip(words, words[1:]) if before == "Fl"}


def _commands(words):
    return [word for word in words if word not in {"Cm", ","}]


def _page_verbs():
    """Per verb of the program's page, its own options."""
    verbs = {}
    for depth, words, _ in _items(_section(PROGRAM_PAGE, "VERBS")):
        if depth == 1:
            verb = words[1]
            verbs[verb] = set()
        else:
            verbs[verb] |= _flags(words)
    return verbs


def _keys(*sections):
    """The keys that sections of the configuration's page describe, at the outer level."""
    return {words[1] for section in sections for depth, words, _ in
            _items(_section(CONFIG_PAGE, section)) if depth == 1 and words[0] == "Cm"}


def _table_keys(source):
    """The keys that a table of the program takes."""
    found = set(re.findall(r'\{"([A-Z]+)", (?:NULL|")', (SOURCES / source).read_text()))
    assert len(found) > 5, source
    return found


# Configurations.

RULE = {"SOURCEPORT": "514", "DESTINATION": ["192.0.2.10/514"]}


def _whole(fragment):
    """A configuration around a fragment: members of a rule, or a SETTINGS without rules."""
    members = json.loads(fragment if fragment.lstrip().startswith("{") else "{" + fragment + "}")
    if set(members) <= _table_keys("config_destination.c"):
        return {"Rule": {**RULE, "DESTINATION": [members]}}
    if set(members) <= _table_keys("config_rule.c"):
        return {"Rule": {**RULE, **members}}
    return {"Rule": RULE, **members} if set(members) == {"SETTINGS"} else members


def _literals(page):
    return re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page.read_text(encoding="utf-8"),
                      re.MULTILINE | re.DOTALL)


def _all_json():
    from_pages = [text for page in PAGES for text in _literals(page) if text[0] in '{"']
    from_texts = [text for path in TEXTS for text in blocks(path, "json")]
    assert blocks(README, "json") and from_pages
    return from_texts + from_pages


@pytest.mark.parametrize("text", _all_json())
def test_every_configuration_in_the_documents(tmp_path, text):
    file = tmp_path / "config"
    file.write_text(json.dumps(_whole(text), indent=8))
    done = check_alone(file)
    warned = [line for line in done.stderr.splitlines()
              if '"HTTP": "0.0.0.0:9514"' not in text or "SETTINGS: HTTP:" not in line]
    assert done.returncode == 0 and not warned, f"{text}\n{done.stderr}"


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_every_example(tmp_path, path):
    file = tmp_path / path.name
    shutil.copy(path, file)
    file.chmod(0o644)
    done = check_alone(file)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_the_readme_names_examples_and_shows_what_is_in_them():
    """What follows the link to an example is that file."""
    shown = dict(re.findall(r"\(config/examples/(\S+)\)\n\n```json\n(.*?)^```",
                            README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    assert len(shown) >= 5
    for name, text in shown.items():
        assert text == (REPOSITORY / "config/examples" / name).read_text(), name
    for path in EXAMPLES:
        assert any(path.name in text.read_text(encoding="utf-8") for text in TEXTS), path.name


def test_every_link_leads_somewhere():
    """Links and pictures within the repository, headings included."""
    for path in TEXTS + [REPOSITORY / "SECURITY.md"]:
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
            if re.match(r"https?://", target):
                continue
            file, _, anchor = target.partition("#")
            found = (path.parent / file).resolve() if file else path
            assert found.exists(), f"{path.name}: {target}"
            headings = [re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in
                        re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
                        ] if anchor else []
            assert not anchor or anchor in headings, f"{path.name}: {target}"


def test_every_page_is_linked_from_the_readme():
    text = README.read_text(encoding="utf-8")
    for path in TEXT_PAGES:
        assert f"(docs/{path.name}" in text, f"README does not name {path.name}"


def test_pictures_are_well_formed():
    pictures = sorted((REPOSITORY / "docs").rglob("*.svg"))
    assert pictures
    for path in pictures:
        root = ElementTree.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.get("viewBox"), path.name


# Command lines.

def _command_lines():
    """Every call of the program in README, docs and man pages."""
    typed = [line for path in TEXTS for line in command_lines(path) + inline(path)]
    pages = [text for page in PAGES for text in _literals(page)]
    quoted = [text for page in PAGES for text in
              re.findall(r"^\.Ql (.*?)(?: [.,;:])?$", page.read_text(), re.MULTILINE)]
    lines = [line for block in pages for line in block.splitlines()] + typed + quoted
    calls = [re.match(r"(?:sudo )?trafficduplicator (\S.*)", line) for line in lines]
    found = sorted({call.group(1) for call in calls if call})
    assert len(found) > 10
    return found


@pytest.mark.parametrize("line", _command_lines())
def test_every_command_line_in_the_documents(verbs, line):
    words = shlex.split(re.split(r"[|>]", line)[0], comments=True)
    common = _options("\n" + _help()[1])
    options = {word for word in words if word.startswith("-")}
    valued = {"-c", "--config", "--socket", "--rules-script", "--way", "--defragmentation",
              "--format", "--port", "--interface", "--send-test", "--log-format"}
    arguments = [word for before, word in zip([""] + words, words)
                 if not word.startswith("-") and before not in valued]
    if not arguments:
        assert options <= {"--help", "--version"}, line
        return
    verb = arguments[0]
    assert verb in verbs, f"there is no verb {verb}: {line}"
    own, count = verbs[verb]
    assert options <= own | common, f"{line}: {options - own - common}"
    assert len(arguments) - 1 in {0, count}, line


# Man pages and --help say the same.

def test_verbs_and_options_of_the_page(verbs):
    assert _page_verbs() == {verb: own for verb, (own, _) in verbs.items()}
    common = set().union(*(_flags(words) for _, words, _ in
                           _items(_section(PROGRAM_PAGE, "OPTIONS"))))
    assert common == _options("\n" + _help()[1])


def test_synopsis_of_the_page(verbs):
    synopsis = _section(PROGRAM_PAGE, "SYNOPSIS")
    found = {}
    for call in synopsis.split(".Nm\n")[1:]:
        verb = re.match(r"\.Cm (\w+)\n", call).group(1)
        arguments = re.search(r"^\.Ar (.*)$", call, re.MULTILINE)
        found[verb] = (_flags(call.replace("\n", " ").split()),
                       arguments.group(1).count("Ar ") + 1 if arguments else 0)
    assert found == verbs


def test_the_readme_names_every_verb(verbs):
    text = README.read_text(encoding="utf-8")
    for verb in verbs:
        assert re.search(rf"trafficduplicator {verb}\b", text), f"README has no {verb}"


def test_verbs_and_options_of_the_script_page():
    done = run(RULES_SCRIPT, "--help", check=False)
    assert done.returncode == 0
    verbs = re.search(r"usage: \S+ (\S+)", done.stdout).group(1).split("|")
    items = _items(_section(SCRIPT_PAGE, "DESCRIPTION"))
    named = [words[1] for _, words, _ in items if words[0] == "Cm"]
    assert named[:len(verbs)] == verbs
    flags = set().union(*(_flags(words) for _, words, _ in items))
    assert flags == _options(done.stdout) | {"-h", "--help"}
    assert " | ".join(verbs) in _section(SCRIPT_PAGE, "SYNOPSIS")


# Keys.

TABLES = [("config_rule.c", ["KEYS OF A RULE"], "key of a rule"),
          ("config_destination.c", ["DESTINATIONS"], "key of a destination"),
          ("config_settings.c", ["SETTINGS"], "key of `SETTINGS`")]


@pytest.mark.parametrize("source, sections, heading", TABLES)
def test_keys(source, sections, heading):
    """The program's tables, the man page's lists and the tables of docs have the same keys."""
    keys = _table_keys(source)
    assert _keys(*sections) == keys
    text = KEYS_PAGE.read_text(encoding="utf-8")
    table = text.partition(f"| {heading} |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([A-Z]+)` \|", table, re.MULTILINE)) == keys


def test_every_choice_stands_in_the_page():
    names = (SOURCES / "config_names.c").read_text()
    choices = set(re.findall(r'"([a-z-]+)"', re.sub(r"#include.*", "", names))) - {"fixed", "tcp"}
    assert len(choices) > 10
    for choice in choices:
        assert f'\\(dq{choice}\\(dq' in CONFIG_PAGE.read_text(), choice


def test_reasons_of_the_page():
    reasons = re.findall(r'= "([a-z_]+)"', (SOURCES / "reason.c").read_text())
    assert len(reasons) > 8
    listed = _section(PROGRAM_PAGE, "STATES AND COUNTERS").partition(".Ss Reasons")[2]
    found = [word for _, words, _ in _items(listed) for word in _commands(words)]
    assert sorted(found) == sorted(reasons)


def _table_names(path):
    """What stands in backticks in the first column of a page's tables."""
    rows = re.findall(r"^\| (`[^|]*) \|", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([a-z0-9_]+)`", row)]


def test_reasons_of_the_readme():
    reasons = re.findall(r'= "([a-z_]+)"', (SOURCES / "reason.c").read_text())
    named = set(_table_names(README)) | {"queue_full"}  # which README calls kernel drops
    assert set(reasons) <= named, set(reasons) - named


def _findings():
    """The names of what doctor may find amiss: they stand behind the level, or in a table."""
    text = "".join(path.read_text(encoding="utf-8") for path in
                   sorted((REPOSITORY / "src/control").glob("doctor*.c")))
    names = set()
    for call in re.findall(r"doctor_report_add\((.*?)\);", text, re.DOTALL):
        if "DOCTOR_OK," not in call or "?" in call.partition("DOCTOR_OK,")[0]:
            names |= set(re.findall(r'"([a-z0-9]+(?:_[a-z0-9]+)+)"', call))
    return names - {"due_pkts"}  # a counter that a title is made of


def test_findings_of_doctor():
    """The page has every finding, and only what the sources have; README names such as exist."""
    page = _table_names(FINDINGS_PAGE)
    assert len(page) == len(set(page))
    assert _findings() <= set(page), _findings() - set(page)
    sources = "".join(path.read_text(encoding="utf-8") for path in
                      sorted((REPOSITORY / "src/control").glob("*.c")))
    unknown = [name for name in page if f'"{name}"' not in sources]
    assert not unknown, unknown
    table = README.read_text(encoding="utf-8").partition("| what one sees |")[2]
    named = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)`", table.partition("\n\n")[0]))
    assert len(named) > 10 and named <= set(page), named - set(page)


def test_states_of_the_page():
    source = (REPOSITORY / "src/control/status.c").read_text()
    function = source.partition("state_name(")[2].partition("\n}")[0]
    states = set(re.findall(r'"([a-z]+)"', function))
    assert len(states) == 4
    listed = _section(PROGRAM_PAGE, "STATES AND COUNTERS").partition(".Ss Equations")[0]
    assert {words[1] for _, words, _ in _items(listed)} == states


# Form.

@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
@pytest.mark.parametrize("renderer", [
    ["mandoc", "-T", "lint"], ["groff", "-ww", "-mandoc", "-T", "utf8", "-z"]])
def test_pages_are_well_formed(page, renderer):
    """Silent but for cross references, which mandoc looks up in the machine's own index."""
    assert shutil.which(renderer[0]), f"{renderer[0]} is not installed"
    done = run(*renderer, page, check=False)
    faults = [line for line in (done.stdout + done.stderr).splitlines()
              if "mandoc.db lacks" not in line and "referenced manual not found" not in line]
    assert not faults, "\n".join(faults)
