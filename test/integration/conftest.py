"""Fixtures. A test gets a weir by calling `weir`, a real server by naming `opensearch` or `elasticsearch`, a fake one by `fake_es`,
and a `prefix` for the names of its indices, so that all tests can share the real servers."""
import os
import re
import sys
import uuid

import pytest

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..")]

from fake_es import FakeES  # noqa: E402
from harness import search  # noqa: E402
from harness.weir import Weir  # noqa: E402

ASK = "WEIR_TEST_SEARCH_SERVERS"


def pytest_configure(config):
    # Test processes that run side by side inherit the address from the one that started them.
    if not hasattr(config, "workerinput") and ASK not in os.environ:
        config.search_servers = search.SharedServers()
        os.environ[ASK] = config.search_servers.path


def pytest_collection_modifyitems(items):
    """The slow ones first, so that no long one runs alone at the end. Whatever needs a real server is slow: a build with sanitizers has met all of its
    answers from the fake one (test_fake_is_real)."""
    for item in items:
        if {"server", "opensearch", "elasticsearch", "own_server"} & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_unconfigure(config):
    if hasattr(config, "search_servers"):
        config.search_servers.stop()
        del os.environ[ASK]


@pytest.fixture
def prefix(request):
    """A name that no other test's indices begin with."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"t-{uuid.uuid4().hex[:8]}-{name}"[:100].strip("-")


@pytest.fixture(scope="session")
def opensearch():
    return search.shared("opensearch2", os.environ[ASK])


@pytest.fixture(scope="session")
def elasticsearch():
    return search.shared("elasticsearch8", os.environ[ASK])


@pytest.fixture(scope="session", params=["opensearch2", "elasticsearch8"])
def server(request):
    """Each of the real servers in turn."""
    return search.shared(request.param, os.environ[ASK])


@pytest.fixture
def own_server(tmp_path):
    """own_server(name, *settings, **options): a real server for this test alone, which it may stop and start."""
    made = []

    def make(name, *settings, **options):
        folder = tmp_path / f"search-{len(made)}"
        folder.mkdir()
        made.append(search.SearchServer(name, str(folder), settings, **options))
        return made[-1].start()

    yield make
    for s in made:
        s.kill()


@pytest.fixture
def weir(tmp_path):
    """weir(config, **values): a running weir; harness/weir.py says what config and values are. start=False leaves it to the test.
    At the end of the test each must stop in order and have logged no error that was not allowed."""
    made = []

    def make(config, start=True, **values):
        w = Weir(tmp_path / f"weir-{len(made)}", config, **values)
        made.append(w)
        return w.start() if start else w

    yield make
    try:
        for w in made:
            w.stop()
            w.check_log()
    finally:
        for w in made:
            if w.process:
                w.kill9()


@pytest.fixture
def fake_es():
    """A fake Elasticsearch in this process. What weir sends must be beyond reproach."""
    with FakeES() as es:
        yield es
        assert not es.violations, es.violations[:10]
