"""Documents that name things: the things are there."""
import glob
import os
import re

from conftest import ROOT, deploy


def read(path):
    with open(path) as f:
        return f.read()


def literals():
    """All string literals of the program, those that the compiler joins joined."""
    text = ""
    for path in glob.glob(os.path.join(ROOT, "server/*.c")) + glob.glob(os.path.join(ROOT, "lib/*/*.c")):
        text += re.sub(r'"\s*\n\s*"', "", read(path)) + "\n"
    return text


def troubleshooting():
    return re.findall(r"^\| `([^`]+)` \|", read(os.path.join(ROOT, "config/TROUBLESHOOTING.md")), re.M)


def test_messages_of_the_troubleshooting_page_are_weirs():
    source = literals()
    assert not [m for m in troubleshooting() if f'"{m}' not in source and m not in source]


def test_every_error_is_on_the_troubleshooting_page():
    """Who looks it up at night finds it, by how it begins."""
    errors = re.findall(r'\blog_error\(\s*[^",;]+,\s*(?:[^";]+\?\s*)?"([^"]+)"', literals())
    assert len(errors) > 40
    rows = troubleshooting()
    assert not [e for e in errors if not e.startswith("WEIR_DIE_AT") and not any(e.startswith(row) for row in rows)]


def test_links_lead_somewhere():
    for path in glob.glob(deploy("**/*.md"), recursive=True):
        for link in re.findall(r"\]\(([^)#:]+)\)", read(path)):
            assert os.path.exists(os.path.join(os.path.dirname(path), link)), f"{path}: {link}"


def test_each_folder_has_a_short_readme():
    for folder in ("kubernetes", "helm", "docker", "compose", "senders", "systemd", "debian", "tarball", "templates", "kibana", "grafana"):
        text = read(deploy(folder, "README.md"))
        assert len(text) < 4500, f"{folder}/README.md is longer than a page"


def test_versions_agree():
    version = re.search(r"^VERSION := (\S+)", read(os.path.join(ROOT, "Makefile")), re.M)[1]
    for path, pattern in [("helm/weir/Chart.yaml", r"^appVersion: (\S+)"), ("kubernetes/base/kustomization.yaml", r"newTag: (\S+)"),
                          ("kubernetes/statefulset/kustomization.yaml", r"newTag: (\S+)"), ("debian/changelog", r"^weir \(([^)]+)\)"),
                          ("docker/Dockerfile", r"^ARG VERSION=(\S+)"), ("compose/common.yaml", r"image: weir:(\S+)")]:
        assert re.search(pattern, read(deploy(path)), re.M)[1] == version, path
