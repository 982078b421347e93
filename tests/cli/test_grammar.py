"""One grammar: a word that several commands have is spelt and described alike, and the table in the docs is that."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from rftools.cli import COMMANDS, group

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
VERBS = tuple(name for name in COMMANDS if name not in ("help", "completion"))
ANALYSES = ("trf", "erf", "sparsity", "orientation", "tuning", "report", "check")
#: Words whose help is a command's own, since what they name differs; their first words say what all share.
OWN = {"-o", "--output", "--kind", "--group-by", "--json", "--count", "--method", "--size", "--surviving"}
#: Other spellings of a shared word: no command may have one.
FORBIDDEN = {
    "--gpu",
    "--batch",
    "--batchsize",
    "--out",
    "--overwrite",
    "--random-seed",
    "--names",
    "--silent",
    "--style",
}


def options(verb: str) -> dict[str, click.Option]:
    """A command's options by every name that they have."""
    command = group.get_command(click.Context(group), verb)
    assert command is not None
    found = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    return {name: option for option in found for name in (*option.opts, *option.secondary_opts)}


BY_VERB = {verb: options(verb) for verb in VERBS}


def carriers(word: str) -> tuple[str, ...]:
    """The commands that have a word."""
    return tuple(verb for verb in VERBS if word in BY_VERB[verb])


def rows() -> dict[str, tuple[str, str, str]]:
    """The table of the page: first word of a row to its words, what it means, and the commands that have it."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Words that commands share\n")[2].partition("\n## ")[0]
    found = {}
    for line in section.splitlines():
        if line.startswith("| `"):
            words, means, verbs, _ = (part.strip() for part in line.strip("|").split(" | "))
            found[re.findall(r"`(-[-\w]+)", words)[0]] = (words, means, verbs)
    return found


MUST = {
    "--layers": (*ANALYSES, "prune"),
    "--objects": ("trf", "report"),
    "--images": ("erf", "orientation", "report", "check", "prune"),
    "--device": ("erf", "orientation", "tuning", "report", "check", "train", "prune"),
    "--batch-size": ("erf", "orientation", "tuning", "report", "check", "train", "prune"),
    "--seed": (*ANALYSES, "train", "prune", "demo"),
    "--csv": ("trf", "erf", "sparsity", "orientation", "tuning", "prune", "models", "info"),
    "--json": (*ANALYSES, "prune", "models", "info"),
    "--theme": ("trf", "erf", "sparsity", "orientation", "tuning"),
    "--kind": ("trf", "erf", "sparsity", "orientation", "tuning"),
    "--wide": ("trf", "erf", "sparsity", "orientation", "tuning", "prune", "models", "info"),
    "--force": (*ANALYSES, "prune", "models"),
    "--quiet": VERBS,
    "--no-progress": VERBS,
}


@pytest.mark.parametrize("word", MUST)
def test_a_shared_word_is_where_it_makes_sense(word: str) -> None:
    assert set(carriers(word)) >= set(MUST[word])


def test_a_word_says_the_same_everywhere() -> None:
    names = {name for own in BY_VERB.values() for name in own}
    for word in sorted(names - OWN):
        says = [BY_VERB[verb][word].help or "" for verb in carriers(word)]
        shortest = min(says, key=len)
        if word == "--keep":  # of prune and of the schedule of train: both the share to keep
            shortest = "The share to keep"
        assert all(text.startswith(shortest.rstrip(".")) for text in says), (word, says)


def test_words_have_their_aliases_and_no_other_spelling() -> None:
    for verb, own in BY_VERB.items():
        assert not FORBIDDEN & set(own), verb
        for word, alias in (("--layers", "--layer"), ("--objects", "--object"), ("-o", "--output")):
            assert (word in own) == (alias in own), verb
            if word in own:
                assert own[word] is own[alias]
        assert not any(name.replace("-", "_").strip("_") == "layer" for name in own if name != "--layer")


def test_what_may_be_named_often_is_repeatable() -> None:
    for verb in VERBS:
        for word in ("--layers", "--objects"):
            if word in BY_VERB[verb]:
                assert BY_VERB[verb][word].multiple, (verb, word)
        if "-o" in BY_VERB[verb] and verb not in ("train", "demo", "study"):  # their -o is a folder
            assert BY_VERB[verb]["-o"].multiple, verb


def test_the_table_in_the_docs_is_the_programs() -> None:
    table = rows()
    names = {name for own in BY_VERB.values() for name in own}
    shared = {
        name
        for name in names
        if len(carriers(name)) >= 3 and name in {o.opts[0] for v in VERBS for o in BY_VERB[v].values()}
    }
    assert shared <= set(table)
    for word, (words, means, verbs) in table.items():
        own = carriers(word)
        assert verbs == ("all" if own == VERBS else ", ".join(own)), word
        assert set(re.findall(r"`(-[-\w]+)", words)) == set(BY_VERB[own[0]][word].opts), word
        if word not in OWN:
            assert means == BY_VERB[own[0]][word].help, word
