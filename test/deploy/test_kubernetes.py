"""kustomize's and helm's output against the schemas of Kubernetes and Istio, against each other, and the configuration in it against weir."""
import base64
import copy
import functools
import os
import re

import jsonschema
import kubernetes_validate
import pytest
import yaml

from conftest import deploy, run, schema

KUSTOMIZATIONS = ["base", "statefulset", "overlays/dev", "overlays/istio", "overlays/istio-mixer", "overlays/opensearch"]
# The oldest and newest releases that the manifests are for.
RELEASES = ["1.30", "1.36"]
# Of clusters and meshes so old that their schemas are nowhere to be had.
OLD = {("policy/v1beta1", "PodDisruptionBudget"), ("autoscaling/v2beta2", "HorizontalPodAutoscaler"),
       ("config.istio.io/v1alpha2", "instance"), ("config.istio.io/v1alpha2", "handler"), ("config.istio.io/v1alpha2", "rule")}


@functools.cache
def kustomized(name):
    return list(yaml.safe_load_all(run("kubectl", "kustomize", deploy("kubernetes", name))))


@functools.cache
def helmed(*arguments):
    return [o for o in yaml.safe_load_all(run("helm", "template", "weir", deploy("helm/weir"), "-n", "logging", *arguments)) if o]


@functools.cache
def istio_schemas():
    found = {}
    with open(schema("istio.yaml")) as f:
        for crd in yaml.load_all(f, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            for version in crd["spec"]["versions"]:
                key = (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"])
                found[key] = closed(version["schema"]["openAPIV3Schema"])
    return found


def closed(node):
    """The same schema, in which an object has no fields but those that are named: what the API server would prune is an error."""
    if isinstance(node, list):
        return [closed(n) for n in node]
    if not isinstance(node, dict):
        return node
    node = {k: closed(v) for k, v in node.items()}
    if node.get("type") == "object" and isinstance(node.get("properties"), dict) and "additionalProperties" not in node \
            and not node.get("x-kubernetes-preserve-unknown-fields"):
        node["additionalProperties"] = False
    return node


def validate(o):
    key = (o["apiVersion"], o["kind"])
    if key in istio_schemas():
        s = copy.deepcopy(istio_schemas()[key])
        s["properties"].update(apiVersion={}, kind={}, metadata={})
        jsonschema.validate(o, s)
    elif key not in OLD:
        for release in RELEASES:
            kubernetes_validate.validate(o, release, strict=True)


def pod_specs(objects):
    return [o["spec"]["template"]["spec"] for o in objects if o["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job")]


def only(objects, kind, name=None):
    found, = [o for o in objects if o["kind"] == kind and name in (None, o["metadata"]["name"])]
    return found


def check_references(objects):
    """Each name that an object says is that of an object, and each port."""
    names = {(o["kind"], o["metadata"]["name"]) for o in objects}
    labelled = [o["spec"]["template"]["metadata"]["labels"] for o in objects if o["kind"] in ("Deployment", "StatefulSet", "DaemonSet")]
    for spec in pod_specs(objects):
        for v in spec.get("volumes", []):
            if "configMap" in v:
                assert ("ConfigMap", v["configMap"]["name"]) in names
            if "secret" in v:
                assert ("Secret", v["secret"]["secretName"]) in names
        for c in spec["containers"]:
            mounted = {m["name"] for m in c.get("volumeMounts", [])}
            claims = {"buffer"} if any(o["kind"] == "StatefulSet" for o in objects) else set()
            assert mounted <= {v["name"] for v in spec.get("volumes", [])} | claims
            for e in c.get("envFrom", []):
                assert ("ConfigMap", e["configMapRef"]["name"]) in names
        if "serviceAccountName" in spec:
            assert ("ServiceAccount", spec["serviceAccountName"]) in names
    for o in objects:
        if o["kind"] == "Service":
            assert any(o["spec"]["selector"].items() <= labels.items() for labels in labelled), o["metadata"]["name"]
            ports = {p["name"] for spec in pod_specs(objects) for c in spec["containers"] for p in c.get("ports", [])}
            assert {p["targetPort"] for p in o["spec"]["ports"]} <= ports
        if o["kind"] == "HorizontalPodAutoscaler":
            target = o["spec"]["scaleTargetRef"]
            assert (target["kind"], target["name"]) in names
        if o["kind"] == "StatefulSet":
            assert ("Service", o["spec"]["serviceName"]) in names


def check_restricted(spec):
    """What the Pod Security Standard `restricted` asks for, https://kubernetes.io/docs/concepts/security/pod-security-standards/"""
    assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert spec["automountServiceAccountToken"] is False
    for c in spec["containers"]:
        assert c["securityContext"]["allowPrivilegeEscalation"] is False
        assert c["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert c["resources"]["requests"]["cpu"] and c["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_kustomizations_are_valid(name):
    objects = kustomized(name)
    for o in objects:
        validate(o)
    check_references(objects)
    for spec in pod_specs(objects):
        check_restricted(spec)


@pytest.mark.parametrize("arguments", [(), ("--set", "kind=StatefulSet"), ("--set", "autoscaling.enabled=false", "--set",
                         "networkPolicy.enabled=false", "--set", "priorityClassName=high", "--set", "podLabels.team=a"),
                         ("--set", "kind=StatefulSet", "--set", "buffer.storageClass=fast")])
def test_chart_is_valid(arguments):
    objects = helmed(*arguments)
    for o in objects:
        validate(o)
    check_references(objects)


def test_chart_takes_the_given_secret():
    objects = helmed("--set", "elasticsearch.existingSecret=mine")
    assert not [o for o in objects if o["kind"] == "Secret"]
    volumes = {v["name"]: v for v in pod_specs(objects)[0]["volumes"]}
    assert volumes["elasticsearch"]["secret"]["secretName"] == "mine"


def test_chart_lints():
    run("helm", "lint", "--strict", deploy("helm/weir"))


@pytest.mark.parametrize("setting", ["kind=DaemonSet", "elasticsearch.port=http", "elasticsearch.scheme=ftp", "imagge.tag=1",
                         "resources.limits.memory=lots", "terminationGracePeriodSeconds=1"])
def test_chart_refuses_wrong_values(setting):
    run("helm", "template", "weir", deploy("helm/weir"), "--set", setting, status=1)


def test_each_value_has_a_schema():
    import json
    with open(deploy("helm/weir/values.yaml")) as f:
        values = yaml.safe_load(f)
    with open(deploy("helm/weir/values.schema.json")) as f:
        properties = json.load(f)["properties"]
    assert set(values) == set(properties) - {"global"}
    for name, value in values.items():
        if isinstance(value, dict) and properties[name].get("additionalProperties") is False:
            assert set(value) == set(properties[name]["properties"]), name


def plain(o):
    """An object without what only kustomize or only helm says: labels, hashes of contents, the image's pull policy."""
    o = copy.deepcopy(o)
    if o["kind"] == "Secret" and "stringData" in o:
        o["data"] = {k: base64.b64encode(v.encode()).decode() for k, v in o.pop("stringData").items()}

    def clean(node):
        if isinstance(node, dict):
            for key in ("labels", "matchLabels", "selector", "imagePullPolicy", "annotations"):
                value = node.get(key)
                if key == "annotations" and isinstance(value, dict):
                    for k in [k for k in value if k.startswith("checksum/")]:
                        del value[k]
                elif isinstance(value, dict):
                    for k in [k for k in value if k.startswith(("app.kubernetes.io/", "helm.sh/"))]:
                        del value[k]
                elif value is not None and key == "imagePullPolicy":
                    del node[key]
                if node.get(key) == {}:
                    del node[key]
            return {k: clean(v) for k, v in node.items()}
        if isinstance(node, list):
            return [clean(n) for n in node]
        return re.sub(r"^(weir-(config|env|elasticsearch))-[a-z0-9]{10}$", r"\1", node) if isinstance(node, str) else node
    return clean(o)


@pytest.mark.parametrize("name, kind", [("base", "Deployment"), ("statefulset", "StatefulSet")])
def test_chart_and_kustomization_are_the_same(name, kind):
    ours = {(o["kind"], o["metadata"]["name"]): o for o in map(plain, kustomized(name)) if o["kind"] != "Namespace"}
    theirs = {(o["kind"], o["metadata"]["name"]): o for o in map(plain, helmed("--set", f"kind={kind}"))}
    assert sorted(ours) == sorted(theirs)
    for key in ours:
        assert ours[key] == theirs[key], key


def test_both_shapes_have_the_same_pods():
    specs = [copy.deepcopy(pod_specs(map(plain, kustomized(n)))[0]) for n in ("base", "statefulset")]
    specs[0]["volumes"] = [v for v in specs[0]["volumes"] if v["name"] != "buffer"]
    assert specs[0] == specs[1]


def test_service_is_the_address_that_senders_know():
    for name in KUSTOMIZATIONS:
        s = only(kustomized(name), "Service", "fluentd-es")
        assert s["metadata"]["namespace"] == "logging"
        port, = s["spec"]["ports"]
        assert port["port"] == 24224 and port["name"].split("-")[0] == "tcp" and port["appProtocol"] == "tcp"


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


def test_grace_period_fits_the_drain():
    for name in ("base", "statefulset"):
        objects = kustomized(name)
        spec, = pod_specs(objects)
        weir, = spec["containers"]
        config = [o for o in objects if o["metadata"]["name"].startswith("weir-config")][0]["data"]
        flush = seconds(re.search(r"shutdown_timeout (\S+)", config["buffer.conf"])[1])
        pre_stop = weir["lifecycle"]["preStop"]["sleep"]["seconds"]
        store = 8  # DRAIN_INPUT_NS in server/server.c
        assert spec["terminationGracePeriodSeconds"] >= pre_stop + store + flush + 10


def test_buffers_fit_their_volume():
    for name in ("base", "statefulset"):
        objects = kustomized(name)
        config = [o for o in objects if o["metadata"]["name"].startswith("weir-config")][0]["data"]
        need = config["weir.conf"].count("@include buffer.conf") * int(re.search(r"total_limit_size (\d+)g", config["buffer.conf"])[1]) + 1
        text = yaml.safe_dump(objects)
        size = re.search(r"\b(?:sizeLimit|(?<!-)storage): (\d+)Gi", text)[1]
        assert int(size) >= need


@pytest.mark.parametrize("name", ["base", "overlays/opensearch"])
def test_weir_takes_the_configuration(name, tmp_path, weir_binary):
    objects = kustomized(name)
    config = [o for o in objects if o["metadata"]["name"].startswith("weir-config")][0]["data"]
    env = [o for o in objects if o["metadata"]["name"].startswith("weir-env")][0]["data"]
    secret = only(objects, "Secret")["data"]
    for key, value in secret.items():
        (tmp_path / key).write_bytes(base64.b64decode(value) + b"\n")
    for file, text in config.items():
        (tmp_path / file).write_text(text.replace("/run/secrets/elasticsearch", str(tmp_path)))
    shown = run(weir_binary, "check", "--show", tmp_path / "weir.conf", env={**os.environ, **env})
    assert f'host {env["ES_HOST"]}' in shown and "user weir" in shown and "change-me" not in shown
