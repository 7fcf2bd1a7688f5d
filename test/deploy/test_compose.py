"""The compose files against the schema of the Compose Specification, and what no schema sees: names, order, files; and the senders' examples."""
import copy
import json
import os
import re
import subprocess
import time

import jsonschema
import kubernetes_validate
import pytest
import yaml

from conftest import deploy, schema

COMPOSE = ["compose/compose.yaml", "compose/compose.opensearch.yaml"]


def load(path):
    with open(path) as f:
        return yaml.safe_load(f)


def resolved(name):
    """The file with its `extends` put in."""
    c = load(deploy(name))
    for key, service in c["services"].items():
        base = service.pop("extends", None)
        if base:
            merged = copy.deepcopy(load(os.path.join(os.path.dirname(deploy(name)), base["file"]))["services"][base["service"]])
            for k, v in service.items():
                merged[k] = {**merged.get(k, {}), **v} if isinstance(v, dict) else v
            c["services"][key] = merged
    return c


@pytest.mark.parametrize("name", [*COMPOSE, "compose/common.yaml", "senders/docker/compose.yaml"])
def test_files_are_valid(name):
    with open(schema("compose-spec.json")) as f:
        s = json.load(f)
    jsonschema.validate(load(deploy(name)), s)
    jsonschema.validate(resolved(name), s)


@pytest.mark.parametrize("name", COMPOSE)
def test_names_order_and_files(name):
    c = resolved(name)
    services = c["services"]
    once = {"service_completed_successfully"}
    for key, s in services.items():
        assert ":" in s["image"] and not s["image"].endswith(":latest")
        for other, how in s.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{key} waits for the health of {other}, which tells none"
            else:
                assert how["condition"] in once and "healthcheck" not in services[other]
        for v in s.get("volumes", []):
            source = v.split(":")[0]
            if source.startswith("."):
                assert os.path.exists(os.path.join(os.path.dirname(deploy(name)), source)), v
            else:
                assert source in c["volumes"], v
        for p in s.get("ports", []):
            assert p.startswith("127.0.0.1:"), "a demonstration is not for the network"
    used = {v.split(":")[0] for s in services.values() for v in s.get("volumes", [])}
    assert set(c["volumes"]) <= used
    # Elasticsearch, then its templates, then weir, then senders.
    assert "weir-setup" in services["weir"]["depends_on"] and "weir" in services["fluent-bit"]["depends_on"]
    host = services["weir"]["environment"]["ES_HOST"]
    assert host in services["weir-setup"]["depends_on"] and services["weir-setup"]["environment"]["ES_HOST"] == host
    assert os.path.exists(os.path.join(deploy("compose"), services["weir"]["build"]["context"], services["weir"]["build"]["dockerfile"]))


def fluent_bit(name):
    if name.startswith("compose/"):
        return load(deploy(name))
    with open(deploy(name)) as f:
        config, = [o for o in yaml.safe_load_all(f) if o["kind"] == "ConfigMap"]
    return yaml.safe_load(config["data"]["fluent-bit.yaml"])


def to_python(regex):
    """Oniguruma's form to Python's."""
    slashed = re.fullmatch(r"/(.*)/(m?)", regex, re.S)
    flags = re.S if slashed and slashed[2] else 0
    return re.compile((slashed[1] if slashed else regex).replace("(?<", "(?P<").replace("(?P<!", "(?<!").replace("(?P<=", "(?<="), flags)


@pytest.mark.parametrize("name", ["compose/fluent-bit.yaml", "senders/was-sidecar.yaml", "senders/istio-access-log.yaml", "senders/node-agent.yaml"])
def test_fluent_bit_configurations(name):
    c = fluent_bit(name)
    known = {p["name"] for p in c.get("parsers", [])} | {"cri", "java", "go", "python"} | {p["name"] for p in c.get("multiline_parsers", [])}
    for i in c["pipeline"]["inputs"]:
        for key in ("parser", "multiline.parser"):
            assert set(re.split(r", *", i[key])) <= known if key in i else True
        assert i["storage.type"] == "filesystem" and i["db"]
    forward, = c["pipeline"]["outputs"]
    assert forward["require_ack_response"] is True and forward["port"] == 24224
    for p in c.get("parsers", []):
        if p["format"] == "regex":
            assert p["time_key"] in to_python(p["regex"]).groupindex


@pytest.fixture(scope="module")
def app_logs(tmp_path_factory):
    """What the example application writes in its first second."""
    folder = tmp_path_factory.mktemp("app")
    with open(deploy("compose/app.sh")) as f:
        script = f.read().replace("cd /var/log/app", f"cd {folder}").replace("sleep 0.3", "sleep 0.01")
    app = subprocess.Popen(["sh", "-c", script])
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and len((folder / "catalina.out").read_text().splitlines() if (folder / "catalina.out").exists() else []) < 12:
        time.sleep(0.02)
    app.kill()
    app.wait()
    return folder


@pytest.mark.parametrize("name", ["compose/fluent-bit.yaml", "senders/was-sidecar.yaml"])
def test_parsers_fit_what_servers_write(name, app_logs):
    c = fluent_bit(name)
    parsers = {p["name"]: p for p in c["parsers"]}
    lines = (app_logs / "access.log").read_text().splitlines()[:-1]
    assert lines
    for line in lines:
        m = to_python(parsers["was-access"]["regex"]).match(line)
        assert m and m["status"] in ("200", "404", "500") and m["took_ms"] is not None, line
    for line in (app_logs / "app.json").read_text().splitlines()[:-1]:
        assert json.loads(line)["level"] in ("info", "warn", "error")
    multiline, = c["multiline_parsers"]
    start, cont = (to_python(r["regex"]) for r in multiline["rules"])
    joined = []
    for line in (app_logs / "catalina.out").read_text().splitlines():
        assert bool(start.match(line)) != bool(cont.match(line)), line
        joined = [*joined, line] if start.match(line) else [*joined[:-1], joined[-1] + "\n" + line]
    m = to_python(parsers["was-error"]["regex"]).match(joined[0])
    assert m["level"] == "SEVERE" and m["logger"] == "org.example.shop.Orders.pay"
    assert "Caused by: java.io.IOException" in m["message"] and "\n    at org.example" in m["message"] and "at org" not in m["logger"]


@pytest.mark.parametrize("name", ["was-sidecar.yaml", "istio-access-log.yaml", "node-agent.yaml"])
def test_manifests_of_senders(name):
    with open(deploy("senders", name)) as f:
        objects = list(yaml.safe_load_all(f))
    for o in objects:
        for release in ("1.30", "1.36"):
            kubernetes_validate.validate(o, release, strict=True)
        if o["kind"] in ("Deployment", "DaemonSet"):
            spec = o["spec"]["template"]["spec"]
            volumes = {v["name"] for v in spec["volumes"]}
            for c in spec["containers"] + spec.get("initContainers", []):
                assert {m["name"] for m in c.get("volumeMounts", [])} <= volumes and not c["image"].endswith(":latest")


def test_docker_daemon_options():
    with open(deploy("senders/docker/daemon.json")) as f:
        options = json.load(f)["log-opts"]
    # https://docs.docker.com/engine/logging/drivers/fluentd/
    known = {"fluentd-address", "tag", "labels", "env", "fluentd-async", "fluentd-async-reconnect-interval", "fluentd-buffer-limit", "fluentd-retry-wait",
             "fluentd-max-retries", "fluentd-sub-second-precision", "fluentd-write-timeout", "fluentd-request-ack"}
    compose = load(deploy("senders/docker/compose.yaml"))["services"]["shop"]["logging"]["options"]
    assert set(options) <= known and set(compose) <= known
    assert all(isinstance(v, str) for v in [*options.values(), *compose.values()])
