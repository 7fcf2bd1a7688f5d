"""Requests signed for AWS, and where the keys come from."""
import pytest

from harness.aws import Keys, Services
from harness.forward import send_events
from harness.waiting import wait_until
from harness.weir import ELASTICSEARCH

from test_outputs_files import send
from test_outputs_http import CONFIG as HTTP, web  # noqa: F401

CONFIG = ELASTICSEARCH.replace("@type elasticsearch", "@type opensearch").replace("hosts {{es_url}}", """<endpoint>
    url {{es_url}}/
    region eu-west-1
    {{endpoint}}
  </endpoint>""")
GIVEN = "access_key_id AKIAGIVEN\nsecret_access_key a secret/with+signs\n"
ROLE = "assume_role_arn arn:aws:iam::123456789012:role/logs\nassume_role_session_name a session\n"
# Nothing of the machine's own environment counts.
EMPTY = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "HOME": "/nonexistent",
         **{f"AWS_{name}": "" for name in (
             "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE", "ROLE_ARN", "WEB_IDENTITY_TOKEN_FILE",
             "CONTAINER_CREDENTIALS_RELATIVE_URI", "CONTAINER_CREDENTIALS_FULL_URI", "CONTAINER_AUTHORIZATION_TOKEN",
             "CONTAINER_AUTHORIZATION_TOKEN_FILE", "EC2_METADATA_SERVICE_ENDPOINT", "ENDPOINT_URL_STS")}}


@pytest.fixture
def services():
    s = Services()
    yield s
    s.close()


def keys_of(services, service="es"):
    access, secret, token = services.credentials
    return Keys("eu-west-1", service, **{access: (secret, token)})


def protect(fake_es, keys):
    fake_es.authorize = lambda r: keys.allows(r.method, r.target, r.headers, r.wire)
    return keys


@pytest.fixture
def run(weir, fake_es, prefix):
    def start(endpoint, env=None, **values):
        w = weir(CONFIG, start=False, es_url=fake_es.url, prefix=prefix, endpoint=endpoint, **values)
        w.env = {**EMPTY, **(env or {})}
        return w.start()
    return start


def deliver(w, fake_es, keys, n=20):
    before = fake_es.stored_events()
    send_events(w.port, "app", [{"sender": "s", "seq": before + i, "text": "ä" * 100} for i in range(n)])
    wait_until(lambda: fake_es.stored_events() == before + n, 30, lambda: f"{keys.mistakes[:3]}\n{w.log_tail()}")
    assert not keys.mistakes


@pytest.mark.parametrize("output", ["", "compression_level best_speed", "index_name ü#x-%Y\nlogstash_format false\nrequest_timeout 5s",
                                    "template_name logs\ntemplate_file {folder}/t.json", "custom_headers {\"x-other\": \"1\"}"])
def test_given_keys(run, fake_es, tmp_path, output):
    """Every request is signed right: bodies with and without gzip, all kinds of paths, also those of what is set up first."""
    keys = protect(fake_es, Keys("eu-west-1", "es", AKIAGIVEN=("a secret/with+signs", None)))
    (tmp_path / "t.json").write_text('{"index_patterns": ["logs-*"]}')
    w = run(GIVEN, output=output.format(folder=tmp_path) if "{folder}" in output else output)
    deliver(w, fake_es, keys)
    assert "a secret" not in w.log()


def test_wrong_secret_is_held(run, fake_es):
    keys = protect(fake_es, Keys("eu-west-1", "es", AKIAGIVEN=("another one", None)))
    w = run(GIVEN)
    send_events(w.port, "app", [{"sender": "s", "seq": 1}])
    w.wait_log("403")
    assert not fake_es.stored_events()
    keys.keys["AKIAGIVEN"] = ("a secret/with+signs", None)
    wait_until(lambda: fake_es.stored_events() == 1, 60, w.log_tail)
    w.allow("403")


def test_web_identity(run, fake_es, services, tmp_path):
    token = tmp_path / "token"
    token.write_text("eyJ.first=\n")
    keys = protect(fake_es, keys_of(services, "aoss"))
    w = run(ROLE + f"assume_role_web_identity_token_file {token}\naws_service_name aoss", {"AWS_ENDPOINT_URL_STS": services.url + "/"})
    deliver(w, fake_es, keys)
    assert [form for *_, form in services.asked] == [{
        "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": "arn:aws:iam::123456789012:role/logs",
        "RoleSessionName": "a session", "WebIdentityToken": "eyJ.first="}]


def test_role(run, fake_es, services):
    """The role's credentials, for which the environment's are signed with."""
    keys = protect(fake_es, keys_of(services))
    services.sts_keys = Keys("us-east-2", "sts", AKIAOWN=("own", "own token"))
    w = run(ROLE + "sts_credentials_region us-east-2", {"AWS_ENDPOINT_URL_STS": services.url, "AWS_ACCESS_KEY_ID": "AKIAOWN",
                                                        "AWS_SECRET_ACCESS_KEY": "own", "AWS_SESSION_TOKEN": "own token"})
    deliver(w, fake_es, keys)
    assert services.asked[0][3]["Action"] == "AssumeRole" and not services.sts_keys.mistakes


def test_role_that_is_refused(run, fake_es, services):
    services.sts_keys = Keys("eu-west-1", "sts")
    w = run(ROLE, {"AWS_ENDPOINT_URL_STS": services.url, "AWS_ACCESS_KEY_ID": "AKIAOWN", "AWS_SECRET_ACCESS_KEY": "own"})
    send_events(w.port, "app", [{"sender": "s", "seq": 1}])
    w.wait_log("no AWS credentials")
    w.wait_log("answered 403: not you")
    services.sts_keys.keys["AKIAOWN"] = ("own", None)
    wait_until(lambda: fake_es.stored_events() == 1, 30, w.log_tail)


SOURCES = {
    "container": ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{url}/creds", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic x"},
                  [("GET", "/creds")]),
    "instance": ({"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "{url}/"},
                 [("PUT", "/latest/api/token"), ("GET", "/latest/meta-data/iam/security-credentials/"),
                  ("GET", "/latest/meta-data/iam/security-credentials/a-role")]),
    "web identity": ({"AWS_ROLE_ARN": "arn:x", "AWS_WEB_IDENTITY_TOKEN_FILE": "{folder}/token", "AWS_ENDPOINT_URL_STS": "{url}"},
                     [("POST", "/")]),
    "file": ({"AWS_SHARED_CREDENTIALS_FILE": "{folder}/credentials", "AWS_PROFILE": "logs"}, []),
    "environment": ({"AWS_ACCESS_KEY_ID": "ASIATEMPORARY", "AWS_SECRET_ACCESS_KEY": "temporary secret",
                     "AWS_SESSION_TOKEN": "a token/+="}, []),
}


@pytest.mark.parametrize("source", SOURCES)
def test_usual_places(run, fake_es, services, tmp_path, source):
    env, asked = SOURCES[source]
    (tmp_path / "token").write_text("t")
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = X\naws_secret_access_key = Y\n\n[logs]\naws_access_key_id=ASIATEMPORARY\n"
        "aws_secret_access_key = temporary secret\naws_session_token =  a token/+= \n[other]\naws_access_key_id = Z\n")
    keys = protect(fake_es, keys_of(services))
    w = run("", {k: v.format(url=services.url, folder=tmp_path) for k, v in env.items()})
    deliver(w, fake_es, keys)
    deliver(w, fake_es, keys)
    assert [(method, path) for method, path, *_ in services.asked] == asked, "once is enough"
    if source == "container":
        assert services.asked[0][2]["Authorization"] == "Basic x"


def test_keys_that_end(run, fake_es, services):
    """New ones are asked for before the old ones end; while there are none, the old ones are used as long as they are good."""
    keys = protect(fake_es, keys_of(services))
    services.end = 4
    w = run("", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": services.url + "/creds"})
    deliver(w, fake_es, keys)
    services.credentials = ("ASIASECOND", "second", "second token")
    keys.keys["ASIASECOND"] = services.credentials[1:]

    def second_is_used():
        deliver(w, fake_es, keys, 1)
        return keys.used[-1] == "ASIASECOND"

    wait_until(second_is_used, 20, w.log_tail)
    services.failing = True
    wait_until(lambda: (deliver(w, fake_es, keys, 1), "could not be renewed" in w.log())[1], 20, w.log_tail)
    w.allow("could not be renewed")
    send_events(w.port, "app", [{"sender": "late", "seq": 1}])
    w.wait_log("no AWS credentials")
    services.failing = False
    wait_until(lambda: ("late", 1) in fake_es.event_counts, 30, w.log_tail)
    assert not keys.mistakes


@pytest.mark.parametrize("role", [False, True])
@pytest.mark.parametrize("more", ["", "compress gzip\nhttp_method put", "headers {\"X-One\": \"1\"}"])
def test_http(weir, web, services, more, role):  # noqa: F811
    access, secret, token = services.credentials if role else ("AKIAOWN", "own", None)
    keys = Keys("eu-west-1", "execute-api", **{access: (secret, token)})
    services.sts_keys = Keys("eu-west-1", "sts", AKIAOWN=("own", None))
    w = weir(HTTP.replace("/${tag}", "/${tag}?b=x y&a"), start=False, http_port=web.server_port, output=more + f"""
      <auth>
        method aws_sigv4
        aws_service execute-api
        aws_region eu-west-1
        {"aws_role_arn arn:x" if role else ""}
      </auth>""")
    w.env = {**EMPTY, "AWS_ACCESS_KEY_ID": "AKIAOWN", "AWS_SECRET_ACCESS_KEY": "own", "AWS_ENDPOINT_URL_STS": services.url}
    w.start()
    send(w, "a/b.c", {"a": 1}, {"a": 2})
    wait_until(lambda: web.got, 20, w.log_tail)
    method, path, headers, body = web.got[0]
    assert keys.allows(method, path, headers, body), keys.mistakes
    assert path == "/in/a%2Fb.c?a=&b=x%20y"
