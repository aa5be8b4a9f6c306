"""Addresses of SQLite files, read back as SQLAlchemy reads them."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from profl_ray.config.addresses import default_address, sqlite_address, sqlite_path
from profl_ray.errors import UserError

NAMES = ("plain", "a b", "a?b", "50%", "50%20x", "a#b", "für", "a&b=c", "a:b@c", "100%?#ö", "[1]*")


@pytest.mark.parametrize("name", NAMES)
def test_an_address_leads_to_its_file_whatever_the_folder_is_called(name):
    path = Path("/some where") / name / "mlflow.db"
    address = sqlite_address(path)
    assert sqlite_path(address) == path
    url = make_url(address)
    assert "uri" in url.query or Path(url.database) == path
    assert default_address(path.parent) == address


def test_a_plain_folder_has_a_plain_address():
    assert sqlite_address(Path("/runs/a b/mlflow.db")) == "sqlite:////runs/a b/mlflow.db"


def test_addresses_that_users_write():
    assert sqlite_path("sqlite:////x/a%3Fb/m.db?timeout=5") == Path("/x/a?b/m.db")
    assert sqlite_path("sqlite:///file:/x/a%20b.db?uri=true") == Path("/x/a b.db")
    assert sqlite_path("sqlite:///here.db") == Path.cwd() / "here.db"
    assert sqlite_path("sqlite+pysqlite:////x/m.db") == Path("/x/m.db")
    assert sqlite_path("http://host:5000") is None and sqlite_path("postgresql://u@h/db?x=%20") is None


@pytest.mark.parametrize("name", ["a\nb", "a\udcffb"])
def test_a_name_without_an_address_is_a_users_mistake_of_one_line(name):
    with pytest.raises(UserError, match=r"choose another storage\.root") as caught:
        sqlite_address(Path("/x") / name / "mlflow.db")
    assert "\n" not in str(caught.value) and str(caught.value).isprintable()
