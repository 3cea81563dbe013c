"""One file from the network: whole and checked, or not at all."""
import hashlib
import http.client

import pytest

from tinycnn.download import download, home, mirrored

CONTENT = b"0123456789" * 20_000


def sums(content=CONTENT):
    return {kind: f"{kind}:{hashlib.new(kind, content).hexdigest()}" for kind in ("md5", "sha256")}


@pytest.fixture
def url(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "file.bin").write_bytes(CONTENT)
    return (tmp_path / "site" / "file.bin").as_uri()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "new" / "kept.bin"


@pytest.mark.parametrize("checksum", [*sums().values(), sums()["sha256"][:15]])
def test_fetches_and_checks(url, target, checksum):
    assert download(url, target, checksum) == target
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(("checksum", "message"), [
    ("md5:0000", "MD5 checksum .* published is 0000"), ("sha256:ffff", "SHA-256 checksum"),
    ("sha256:", "checksum must be"), ("crc:00", "checksum must be md5: or sha256:")])
def test_refuses(url, target, checksum, message):
    with pytest.raises(ValueError, match=message):
        download(url, target, checksum)
    assert not target.parent.exists() or list(target.parent.iterdir()) == []


@pytest.mark.parametrize("wrong", ["ftp://publisher/file", "/etc/passwd", "data:,text"])
def test_other_kinds_of_url_are_refused(wrong, target):
    with pytest.raises(ValueError, match="expected a URL that begins with https, http, file"):
        download(wrong, target, sums()["md5"])


def test_a_file_that_is_there_stays_where_the_download_fails(url, target):
    target.parent.mkdir()
    target.write_bytes(b"old")
    with pytest.raises(ConnectionError, match="nothing"):
        download(url.replace("file.bin", "nothing"), target, sums()["md5"])
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]


class Answer:
    """What opening a URL gives: blocks without end, or an error while it is read."""

    def __init__(self, error=None):
        self.error = error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read(self, size):
        if self.error:
            raise self.error
        return bytes(size)


def test_an_endless_download_is_given_up(tmp_path):
    with pytest.raises(ValueError, match="more than the 1,000,000 bytes"):
        download("http://publisher/file", tmp_path / "file", "md5:0", 10**6, opener=lambda url, timeout: Answer())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [TimeoutError("timed out"), ConnectionResetError(), http.client.IncompleteRead(b"")])
def test_a_connection_that_breaks(tmp_path, error):
    with pytest.raises(ConnectionError, match="http://publisher/file: cannot be downloaded"):
        download("http://publisher/file", tmp_path / "file", "md5:0", opener=lambda url, timeout: Answer(error))
    assert list(tmp_path.iterdir()) == []


def test_mirrors_and_home(monkeypatch, tmp_path):
    monkeypatch.delenv("TINYCNN_MIRROR", raising=False)
    assert mirrored("https://a/b/c.pth") == "https://a/b/c.pth"
    assert mirrored("https://a/b/c.pth", "http://m/") == "http://m/c.pth"
    monkeypatch.setenv("TINYCNN_MIRROR", "file:///m")
    assert mirrored("https://a/b/c.pth") == "file:///m/c.pth"
    monkeypatch.setenv("TINYCNN_HOME", str(tmp_path))
    assert home() == tmp_path
