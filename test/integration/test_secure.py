"""HTTPS, users and API keys on the real servers."""
import subprocess

import pytest

from harness.forward import send_events
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH

pytestmark = pytest.mark.slow
USER = "weir:a-Pass:word%1"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with node.crt and node.key for 127.0.0.1, and other.crt of somebody else."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("node", "other"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={name}",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / f"{name}.key",
                        "-out", folder / f"{name}.crt"], check=True, capture_output=True)
    return folder


def arrives(server, w, prefix, n):
    wait_until(lambda: server.count(f"{prefix}-*") >= n, 60,
               lambda: f"{n} documents, there are {server.count(f'{prefix}-*')}:\n{w.log_tail()}", 0.3)
    assert server.count(f"{prefix}-*") == n


def test_elasticsearch(weir, own_server, certificates, prefix):
    """Basic authentication and an API key; a wrong certificate and a wrong password are held, not lost."""
    server = own_server("elasticsearch8", user=USER, tls=str(certificates))
    name, _, password = USER.partition(":")
    trusted = f"ca_file {certificates}/node.crt"
    basic = f"user {name}\npassword {password}"
    w = weir(ELASTICSEARCH, es_url=server.url, prefix=f"{prefix}-basic", output=f"{trusted}\n{basic}")
    send_events(w.port, "app", [{"seq": i} for i in range(500)])
    arrives(server, w, f"{prefix}-basic", 500)

    key = server.ok("POST", "/_security/api_key", {"name": "weir", "role_descriptors": {"w": {
        "cluster": ["monitor"], "index": [{"names": [f"{prefix}-key-*"], "privileges": ["create_doc", "auto_configure"]}]}}})
    w = weir(ELASTICSEARCH, es_url=server.url, prefix=f"{prefix}-key", output=f"{trusted}\napi_key {key['encoded']}")
    send_events(w.port, "app", [{"seq": i} for i in range(500)])
    arrives(server, w, f"{prefix}-key", 500)

    for i, output in enumerate((f"ca_file {certificates}/other.crt\n{basic}", f"{trusted}\nuser {name}\npassword wrong")):
        w = weir(ELASTICSEARCH, es_url=server.url, prefix=f"{prefix}-late{i}", output=output)
        w.allow(".*")
        send_events(w.port, "app", [{"seq": i} for i in range(100)])
        wait_until(lambda: w.metrics().sum("weir_output_down") + w.metrics().sum("weir_output_holding") > 0, 30, w.log_tail)
        assert password not in w.log()
        w.stop()
        w.values["output"] = f"{trusted}\n{basic}"
        w.configure(ELASTICSEARCH)
        w.start()
        arrives(server, w, f"{prefix}-late{i}", 100)


def test_opensearch(weir, own_server, prefix):
    server = own_server("opensearch2-secure")
    w = weir(ELASTICSEARCH, es_url=server.url, prefix=prefix, output="user admin\npassword admin\nssl_verify false")
    send_events(w.port, "app", [{"seq": i} for i in range(500)])
    arrives(server, w, prefix, 500)
