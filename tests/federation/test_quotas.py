import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profl_ray.config import QuotaConfig
from profl_ray.errors import UserError
from profl_ray.federation import MIB_PER_MB, draw_quotas, draw_uniform_mb


def test_the_papers_pools():
    quotas_mb = draw_uniform_mb(100, 100, 900, seed=42)
    quotas_mib = draw_quotas(QuotaConfig(), 100, seed=7, full_need_mib=1.0)
    needs_mb = (840, 506, 220, 112, 100)
    assert [sum(quota >= need for quota in quotas_mb) for need in needs_mb] == [8, 43, 81, 99, 100]
    shares = [int((quotas_mib >= need * MIB_PER_MB).sum()) for need in needs_mb]
    assert shares == [8, 43, 81, 99, 100]


def test_mb_are_converted_to_mib():
    quotas = draw_quotas(QuotaConfig(low_mb=100, high_mb=100), 3, 0, 1.0)
    np.testing.assert_allclose(quotas, 95.367431640625)


def test_without_a_seed_of_its_own_the_root_seed_counts():
    config = QuotaConfig(seed=None)
    first, again, other = (draw_quotas(config, 10, seed, 1.0).tolist() for seed in (1, 1, 2))
    assert first == again != other
    fixed = QuotaConfig()
    assert draw_quotas(fixed, 10, 1, 1.0).tolist() == draw_quotas(fixed, 10, 2, 1.0).tolist()


@given(st.integers(1, 60), st.floats(0.01, 1), st.floats(0, 2), st.floats(1, 1e4), st.integers(0, 9))
def test_uniform_fractions_stay_in_range(num_devices, low, width, need, seed):
    config = QuotaConfig(name="uniform_fraction", low_fraction=low, high_fraction=low + width)
    quotas = draw_quotas(config, num_devices, seed, need)
    assert quotas.shape == (num_devices,) and quotas.dtype == np.float64
    assert (quotas >= low * need * (1 - 1e-9)).all() and (quotas <= (low + width) * need * (1 + 1e-9)).all()


@given(st.integers(1, 60), st.integers(0, 9))
def test_levels_keep_their_shares(num_devices, seed):
    config = QuotaConfig(name="levels", fractions=(0.25, 0.5, 1.0), shares=(0.5, 0.25, 0.25), seed=None)
    quotas = draw_quotas(config, num_devices, seed, 80.0)
    for level, share in ((20, 0.5), (40, 0.25), (80, 0.25)):
        assert abs((quotas == level).sum() - share * num_devices) < 1
    assert np.isin(quotas, [20, 40, 80]).all()


def test_levels_are_mixed_over_the_ids():
    config = QuotaConfig(name="levels", fractions=(0.5, 1.0), shares=(0.5, 0.5))
    quotas = draw_quotas(config, 40, 0, 1.0)
    assert 0 < (quotas[:20] == 0.5).sum() < 20


def test_a_list_is_taken_as_it_is():
    config = QuotaConfig(name="list", values_mib=(3.0, 1.0, 2.0))
    assert draw_quotas(config, 3, 0, 1.0).tolist() == [3, 1, 2]
    with pytest.raises(UserError, match=r"values_mib has 3 quotas, but federation.num_devices=4"):
        draw_quotas(config, 4, 0, 1.0)


def test_an_infinite_quota_is_refused():
    config = QuotaConfig.model_construct(name="list", values_mib=(float("inf"),), seed=1)
    with pytest.raises(UserError, match="positive finite number of MiB"):
        draw_quotas(config, 1, 0, 1.0)


def test_a_file_with_blank_lines_and_comments(tmp_path):
    path = tmp_path / "quotas.txt"
    path.write_text("# MiB\n100\n\n 2.5e2  # a phone\n")
    config = QuotaConfig(name="file", path=path)
    assert draw_quotas(config, 2, 0, 1.0).tolist() == [100, 250]
    with pytest.raises(UserError, match=r"quotas.txt has 2 quotas, but federation.num_devices=3"):
        draw_quotas(config, 3, 0, 1.0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_file_from_windows(tmp_path, encoding):
    path = tmp_path / "quotas.txt"
    path.write_bytes("1.0\r\n2.0  # two\r\n".encode(encoding))
    assert draw_quotas(QuotaConfig(name="file", path=path), 2, 0, 1.0).tolist() == [1, 2]


@pytest.mark.parametrize(
    "word", ["much", "-1", "0", "inf", "nan", "1 2", "1,5", "1;2", "quota_mib", "100 MiB"]
)
def test_a_bad_line_is_named(tmp_path, word):
    path = tmp_path / "quotas.txt"
    path.write_text(f"100\n\n{word}\n")
    with pytest.raises(
        UserError, match=f"quotas.txt: line 3: '{word}' is not a positive finite number.*one number a"
    ):
        draw_quotas(QuotaConfig(name="file", path=path), 2, 0, 1.0)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"quotas.path=.*absent.txt: cannot read it: No such file"):
        draw_quotas(QuotaConfig(name="file", path=tmp_path / "absent.txt"), 2, 0, 1.0)


def test_an_unknown_kind_is_named():
    config = QuotaConfig.model_construct(name="level")
    with pytest.raises(UserError, match="unknown quotas 'level'; did you mean 'levels'"):
        draw_quotas(config, 2, 0, 1.0)
