"""What ``rftools train`` asks of the training loop."""

import pytest

import rftools.training
from rftools.cli import main
from rftools.errors import RequestError


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """The options that a command line comes to."""

    def of(*words: str):
        found = []

        def prepare(spec, data, run, options, *, resume):
            found.append(options)
            raise RequestError("that is all")

        monkeypatch.setattr(rftools.training, "prepare", prepare)
        with pytest.raises(SystemExit):
            main(["train", "rftools:gap-plain", "--data", "marks", "-o", str(tmp_path / "run"), *words])
        return found[0]

    return of


def test_the_articles_recipe_is_one_word(asked):
    own = asked("--recipe", "article")
    assert (own.epochs, own.steps_per_epoch, own.batch_size, own.lr, own.decay) == (80, 1000, 32, 1e-3, 1e-5)
    assert asked().steps_per_epoch is None


def test_what_is_given_wins_over_the_recipe(asked):
    own = asked("--recipe", "article", "--steps-per-epoch", "5", "--lr", "0.01")
    assert (own.epochs, own.steps_per_epoch, own.lr) == (80, 5, 0.01)
