import numpy as np
import pytest

from dehaze_jax.data import open_prepared, prepare, survey
from dehaze_jax.errors import InputError


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    to = tmp_path_factory.mktemp("data") / "p"
    return prepare("rendered_haze/landscapes", to, size=(24, 40), scenes=5, hazes=3)


def test_everything_that_is_told_is_so(prepared):
    examples = {
        (split, example.id): example
        for split in ("train", "validation", "test")
        for example in open_prepared(prepared, split)
    }
    looks = survey(prepared, shown=4)
    assert {(look.split, look.id) for look in looks} == set(examples)
    for look in looks:
        example = examples[look.split, look.id]
        error = (example.hazy / 255.0 - example.clear / 255.0) ** 2
        assert look.psnr == pytest.approx(-10 * np.log10(error.mean()), abs=1e-4)
        assert look.size == (24, 40)
        assert look.known["beta"] == pytest.approx(float(example.extras["beta"]))
        assert look.known["airlight"] == pytest.approx(example.extras["airlight"].mean())
    assert [bool(look.pictures) for look in looks] == [True] * 4 + [False] * 11
    first, example = looks[0], examples[looks[0].split, looks[0].id]
    np.testing.assert_array_equal(first.pictures["hazy"], example.hazy)
    np.testing.assert_allclose(
        first.pictures["transmission"],
        np.repeat(example.extras["transmission"] * 255, 3, 2),
        atol=1,
    )


def test_thumbnails_keep_their_shape_and_colours(prepared):
    look = survey(prepared, shown=1, sample=1, thumbnail=10)[0]
    assert {pixels.shape for pixels in look.pictures.values()} == {(6, 10, 3)}
    (example,) = (e for e in open_prepared(prepared, look.split) if e.id == look.id)
    means = example.clear.mean(axis=(0, 1))
    np.testing.assert_allclose(look.pictures["clear"].mean(axis=(0, 1)), means, atol=1)


def test_the_sample_is_random_bounded_and_of_the_splits_asked_for(prepared):
    def ids(**options):
        return [(look.split, look.id) for look in survey(prepared, shown=2, **options)]

    assert len(ids(sample=6)) == 6
    assert len(ids(sample=1)) == 2
    assert ids(sample=6) == ids(sample=6) != ids(sample=6, seed=1)
    assert {split for split, _ in ids(splits=("test", "validation"))} == {"test", "validation"}


def test_pictures_without_partner_have_no_psnr(tmp_path, picture):
    for number in range(3):
        picture(tmp_path / f"hazy/{number}.jpg", height=20 + number)
    path = prepare("unpaired_folder/hazy", tmp_path / "p", source=tmp_path / "hazy")
    looks = survey(path)
    assert [look.psnr for look in looks] == [None] * 3
    assert {look.size[0] for look in looks} == {20, 21, 22}
    assert set(looks[0].pictures) == {"hazy"}


def test_bad_requests_are_told(prepared):
    with pytest.raises(InputError, match="pairs: 0 is below 1"):
        survey(prepared, shown=0)
    with pytest.raises(InputError, match="sample: -1 is below 1"):
        survey(prepared, sample=-1)
    with pytest.raises(InputError, match="has no split 'val'; it has: test, train, validation"):
        survey(prepared, splits=("val",))
