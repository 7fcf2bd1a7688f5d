"""The Grafana dashboard and the alert rules: their queries by promtool, their metrics against what weir has."""
import glob
import json
import os
import re

import yaml
from grafana_foundation_sdk.models.dashboard import Dashboard

from conftest import ROOT, deploy, run


def dashboard():
    with open(deploy("grafana/weir.json")) as f:
        return json.load(f)


def queries():
    """Of the dashboard, with Grafana's variables as they could be."""
    d = dashboard()
    found = [t["expr"] for p in d["panels"] for t in p.get("targets", [])] + [a["expr"] for a in d["annotations"]["list"]]
    return [q.replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$plugin", ".*") for q in found]


def rules():
    with open(deploy("grafana/alerts.yml")) as f:
        return yaml.safe_load(f)["groups"][0]["rules"]


def test_alert_rules():
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", deploy("grafana/alerts.yml"))
    run("promtool", "test", "rules", deploy("grafana/alerts_test.yml"))


def test_each_alert_is_tested_and_says_what_to_do():
    with open(deploy("grafana/alerts_test.yml")) as f:
        text = f.read()
    for rule in rules():
        assert f'alertname="{rule["alert"]}"' in text
        assert rule["labels"]["severity"] in ("critical", "warning") and rule["annotations"]["summary"] and rule["annotations"]["description"]


def test_dashboard_queries(tmp_path):
    body = {"groups": [{"name": "dashboard", "rules": [{"record": f"q:{i}", "expr": q} for i, q in enumerate(queries())]}]}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(body))
    run("promtool", "check", "rules", tmp_path / "rules.yml")


def test_all_metrics_are_weirs():
    source = ""
    for path in glob.glob(os.path.join(ROOT, "server/*.c")):
        with open(path) as f:
            source += f.read()
    names = set()
    for text in queries() + [r["expr"] for r in rules()]:
        names |= set(re.findall(r"\b((?:weir|fluentd)_[a-z_]+)", text))
    assert len(names) > 25
    assert not [n for n in names if f'"{n.removesuffix("_bucket")}"' not in source]


def test_dashboard_is_one():
    d = dashboard()
    read = Dashboard.from_json(d)
    assert read.uid == "weir" and len(read.panels) == len(d["panels"])
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in d["panels"]]
    assert len(set(places)) == len(places) and len({p["id"] for p in d["panels"]}) == len(places)
    assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in d["panels"])
    assert all(p["description"] for p in d["panels"] if p["type"] != "row")
