"""The Dockerfile and .dockerignore, as far as they can be judged without a Docker engine."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch

from hephaestus_tickets import __version__
from hephaestus_tickets.cli.serving import PORT
from tests.contract.sources import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    rest: str


def steps() -> list[Step]:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if line and not line.startswith("#"))
    joined = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    return [Step(*line.split(maxsplit=1)) for line in joined]


def stages() -> list[list[Step]]:
    found: list[list[Step]] = []
    for step in steps():
        if step.name == "FROM":
            found.append([])
        found[-1].append(step)
    return found


def rests(stage: list[Step], name: str) -> list[str]:
    return [step.rest for step in stage if step.name == name]


def is_let_through(path: str) -> bool:
    """The last line of .dockerignore that matches a path decides."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    through = True
    for line in lines:
        if line and not line.startswith("#") and is_matched(path, line.removeprefix("!")):
            through = line.startswith("!")
    return through


def is_matched(path: str, pattern: str) -> bool:
    """A directory's pattern matches what is in it; `**/` any number of directories, or none."""
    parts = path.split("/")
    if pattern.startswith("**/"):
        return any(fnmatch(part, pattern[3:]) for part in parts)
    return fnmatch(parts[0], pattern)


def test_both_stages_begin_with_one_pinned_python_that_we_support() -> None:
    images = [stage[0].rest.split()[0] for stage in stages()]
    assert len(images) == 2
    assert len(set(images)) == 1
    match = re.fullmatch(r"python:(\d+)\.(\d+)\.\d+-slim-[a-z]+", images[0])
    assert match
    oldest = re.fullmatch(r">=(\d+)\.(\d+)", PROJECT["requires-python"])
    assert oldest
    assert (int(match[1]), int(match[2])) >= (int(oldest[1]), int(oldest[2]))


def test_the_container_is_not_root() -> None:
    users = rests(stages()[-1], "USER")
    assert len(users) == 1
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[0])
    assert f"--uid {users[0].partition(':')[0]} " in rests(stages()[-1], "RUN")[-1]


def test_what_builds_it_is_not_in_it() -> None:
    build, final = stages()
    assert build[0].rest.endswith(" AS build")
    assert rests(final, "COPY") == ["--from=build /opt/hephaestus /opt/hephaestus"]
    runs = rests(final, "RUN")
    assert not any(re.search(r"\b(pip|uv|apk)\b", run) for run in runs)
    # What it runs with beside Python: git, and no more of it than that.
    [installs] = [run for run in runs if "apt-get" in run]
    assert "install --yes --no-install-recommends git && " in installs
    assert installs.endswith("&& rm -rf /var/lib/apt/lists/*")


def test_what_is_copied_is_let_through_and_what_is_let_through_is_copied() -> None:
    copied = {source for rest in rests(stages()[0], "COPY") for source in rest.split()[:-1]}
    assert copied == {path.name for path in ROOT.iterdir() if is_let_through(path.name)}
    assert is_let_through("hephaestus_tickets/app/http.py")
    for path in (".env", ".git", "tests/conftest.py", "hephaestus_tickets/app/__pycache__/a.pyc"):
        assert not is_let_through(path)


def test_the_build_has_what_the_package_is_built_of() -> None:
    copied = " ".join(rests(stages()[0], "COPY"))
    for name in ("pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]):
        assert name in copied.split()


def test_nothing_names_where_packages_come_from() -> None:
    runs = " ".join(step.rest for step in steps() if step.name in {"RUN", "ENV", "ARG"})
    assert not re.search(r"https?://|index-url|uv\.lock|--frozen", runs)


def test_the_labels_are_those_of_the_package() -> None:
    (label,) = rests(stages()[-1], "LABEL")
    found = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', label))
    assert found == {
        "title": "Hephaestus Tickets",
        "description": PROJECT["description"],
        "version": __version__,
        "licenses": PROJECT["license"],
    }
    assert PROJECT["version"] == __version__


def test_nothing_is_told_of_its_use() -> None:
    (variables,) = rests(stages()[-1], "ENV")
    assert "ORT_DISABLE_TELEMETRY=1" in variables.split()


def test_it_serves_unless_it_is_told_otherwise() -> None:
    final = stages()[-1]
    assert rests(final, "ENTRYPOINT") == ['["hephaestus-tickets"]']
    assert rests(final, "CMD") == ['["serve"]']
    assert rests(final, "EXPOSE") == [str(PORT)]
