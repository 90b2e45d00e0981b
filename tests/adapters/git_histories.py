"""Histories of everything that can happen to a file, made at random from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tests.adapters.git_repositories import Repo

TEXT, PROGRAM, LINK, SUBMODULE = b"100644", b"100755", b"120000", b"160000"

WORDS = [
    b"alpha", b"beta", b"gamma", b"", b"", b"  indented", b"def f():", b"class A:", b"\ttab",
    b"-minus", b"+plus", b"@@ -1 +1 @@", b"diff --git a/x b/x", b"\\ No newline", b"--- a",
    b"+++ b", "naïve 🐍".encode(), b"caf\xe9", b"\xf0\x9f", b"return", b"}",
]  # fmt: skip
NAMES = [
    b"plain.txt", b"d/e/f.py", b"two words", b" leading", b"trailing ", b"tab\there", b"new\nline",
    b'quo"te', b"back\\slash", b"a b", b"b/a", b"a/x b/x", b"x b/x b/x", "naïve".encode(),
    b"latin\xe9", b"\xff\xfe/\x01\x7f", b"-dash", b":colon", b"d/e/g", b"#hash", b"a.tmp", b"*",
    b'"both" \xe9', b"\a\b\v\f\r",
]  # fmt: skip

Tree = dict[bytes, tuple[bytes, bytes]]


class History:
    """Commits whose trees the dice have changed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self.tree: Tree = {}
        self.stream = bytearray()
        self.marks = 0

    def commits(self, number: int) -> None:
        """Every seventh merges one branch or two, the last of all changes nothing."""
        head = self.commit(self.changed(), [])
        for at in range(1, number):
            parents = [head]
            if at % 7 == 6:
                parents += [self.side(head) for _ in range(self.dice.randint(1, 2))]
            head = self.commit(self.changed(), parents)
        self.commit(self.tree, [head])

    def side(self, head: int) -> int:
        return self.commit({b"side": (TEXT, self.text())}, [head])

    def commit(self, tree: Mapping[bytes, tuple[bytes, bytes]], parents: Iterable[int]) -> int:
        self.marks += 1
        self.stream += b"commit refs/heads/made\nmark :%d\n" % self.marks
        self.stream += b"committer A <a@example.org> 1700000000 +0000\ndata 2\nA\n"
        for word, parent in zip((b"from", *[b"merge"] * 9), parents, strict=False):
            self.stream += b"%s :%d\n" % (word, parent)
        self.stream += b"deleteall\n"
        for name, (mode, content) in tree.items():
            self._file(name, mode, content)
        return self.marks

    def _file(self, name: bytes, mode: bytes, content: bytes) -> None:
        shown = b"".join(b"\\%03o" % byte for byte in name)
        if mode == SUBMODULE:
            self.stream += b'M %s %s "%s"\n' % (mode, content, shown)
            return
        self.stream += b'M %s inline "%s"\ndata %d\n%s\n' % (mode, shown, len(content), content)

    def changed(self) -> Tree:
        for _ in range(self.dice.randint(1, 7)):
            self._change()
        return self.tree

    def _change(self) -> None:
        if len(self.tree) < 4:
            self.tree[self.name()] = (TEXT, self.text())
            return
        changes: list[Callable[[bytes], None]] = [
            self._edit, self._edit, self._edit, self._rename, self._rename, self._copy,
            self._delete, self._mode, self._type, self._binary, self._empty, self._new,
        ]  # fmt: skip
        self.dice.choice(changes)(self.dice.choice(sorted(self.tree)))

    def name(self) -> bytes:
        """A free one, not below a file nor the directory of one."""
        while True:
            name = self.dice.choice(NAMES) + self.dice.choice([b"", b"", b"2", b"~"])
            taken = {*self.tree, *(p for t in self.tree for p in _above(t))}
            if name not in taken and not _above(name) & set(self.tree):
                return name

    def text(self, lines: int = 60) -> bytes:
        end = self.dice.choice([b"\n", b"\n", b"\r\n"])
        words = [self.dice.choice(WORDS) for _ in range(self.dice.randint(1, lines))]
        last = self.dice.choice([b"", end])
        return end.join(words) + last

    def _edit(self, name: bytes) -> None:
        mode, content = self.tree[name]
        if mode == SUBMODULE:
            self.tree[name] = (mode, self._sha())
            return
        lines = content.splitlines(keepends=True)
        for _ in range(self.dice.randint(1, 4)):
            at = self.dice.randint(0, len(lines))
            lines[at : at + self.dice.choice([0, 0, 1, 1, 3])] = [
                self.dice.choice(WORDS) + b"\n" for _ in range(self.dice.randint(0, 4))
            ]
        edited = b"".join(lines)
        if self.dice.random() < 0.3:
            edited = edited.removesuffix(b"\n")
        self.tree[name] = (mode, edited or b"link" if mode == LINK else edited)

    def _rename(self, name: bytes) -> None:
        entry = self.tree.pop(name)
        new = self.name()
        self.tree[new] = entry
        if self.dice.random() < 0.5:
            self._edit(new)

    def _copy(self, name: bytes) -> None:
        new = self.name()
        self.tree[new] = self.tree[name]
        self._edit(name)
        if self.dice.random() < 0.5:
            self._edit(new)

    def _delete(self, name: bytes) -> None:
        del self.tree[name]

    def _mode(self, name: bytes) -> None:
        mode, content = self.tree[name]
        self.tree[name] = ({TEXT: PROGRAM, PROGRAM: TEXT}.get(mode, mode), content)

    def _type(self, name: bytes) -> None:
        """The content may stay what it was."""
        mode, content = self.tree[name]
        other = self.dice.choice([one for one in (TEXT, LINK, SUBMODULE) if one != mode])
        if other == SUBMODULE:
            content = self._sha()
        elif self.dice.random() < 0.5 or b"\0" in content or not content:
            content = b"target" if other == LINK else self.text()
        self.tree[name] = (other, content)

    def _binary(self, name: bytes) -> None:
        self.tree[name] = (TEXT, b"\0" + self.dice.randbytes(50))

    def _empty(self, name: bytes) -> None:
        self.tree[name] = (TEXT, b"")

    def _new(self, _: bytes) -> None:
        self.tree[self.name()] = (TEXT, self.text())

    def _sha(self) -> bytes:
        return self.dice.randbytes(20).hex().encode()


def made(repo: Repo, history: History) -> list[str]:
    """The shas of its commits, in the order of their making."""
    marks = Path(repo.path) / "marks"
    command = ("fast-import", "--quiet", f"--export-marks={marks}")
    repo.git(*command, stdin=bytes(history.stream))
    by_mark = dict(line.split(" ") for line in marks.read_text().splitlines())
    return [by_mark[f":{mark}"] for mark in range(1, history.marks + 1)]


def _above(name: bytes) -> set[bytes]:
    parts = name.split(b"/")
    return {b"/".join(parts[:end]) for end in range(1, len(parts))}
