"""The Debian package, the unit, the container's root folder, the tarball: built, checked by Debian's tools, and run where there is nothing else."""
import glob
import os
import re
import subprocess
import tarfile

import pytest

from conftest import DEPLOY, ROOT, deploy, run
from fake_es import FakeES
from harness import forward, http
from harness.ports import free_port
from harness.process import Process
from harness.waiting import wait_until

AS_ROOT = [] if os.getuid() == 0 else ["sudo"]


def make(target):
    run("make", "-C", ROOT, "--no-print-directory", target)


@pytest.fixture(scope="session")
def package():
    make("deb")
    found, = glob.glob(os.path.join(ROOT, "build/deb/weir_*.deb"))
    return found


@pytest.fixture(scope="session")
def clean_root(package, tmp_path_factory):
    """A minimal Debian with what the package depends on, by its own word, in which it has been installed."""
    depends = run("dpkg-deb", "-f", package, "Depends")
    # The smallest of what would do comes last.
    names = sorted(d.split("|")[-1].split()[0] for d in depends.split(","))
    names = ["systemd-standalone-sysusers" if n == "systemd-sysusers" else n for n in names]
    tar = run(os.path.join(ROOT, "test/deploy/clean-root"), *names).strip()
    root = tmp_path_factory.mktemp("root")
    run(*AS_ROOT, "tar", "-xf", tar, "-C", root)
    run(*AS_ROOT, "cp", package, root / "weir.deb")
    run(*AS_ROOT, "chroot", root, "dpkg", "-i", "/weir.deb")
    yield root
    run(*AS_ROOT, "rm", "-rf", root)


class Running:
    """A weir below `root`, with the configuration that is there and Elasticsearch here; it must deliver, and end in order."""

    def __init__(self, folder, command, root_dir):
        self.forward, self.admin = free_port(), free_port()
        with FakeES() as es:
            env = {"PATH": os.environ["PATH"], "WEIR_ROOT": root_dir, "ES_SCHEME": "http", "ES_HOST": "127.0.0.1", "ES_PORT": str(es.port),
                   "WEIR_FORWARD_BIND": "127.0.0.1", "WEIR_FORWARD_PORT": str(self.forward), "WEIR_ADMIN_BIND": "127.0.0.1",
                   "WEIR_ADMIN_PORT": str(self.admin)}
            log = str(folder / "log")
            self.process = Process(command, log, env)
            try:
                wait_until(self.is_ready, 20, lambda: f"ready: {open(log).read()}")
                forward.send_events(self.forward, "app.test", [{"message": f"event {i}"} for i in range(20)])
                wait_until(lambda: len(es.documents()) == 20, 20, lambda: f"20 documents: {open(log).read()}")
                assert self.process.stop() == 0
            finally:
                self.process.kill()

    def is_ready(self):
        try:
            return http.request("GET", f"http://127.0.0.1:{self.admin}/readyz", timeout=5).status == 200
        except OSError:
            return False


def test_package_passes_lintian(package):
    assert run("lintian", "--allow-root", "--fail-on", "error,warning", package) == ""


def test_package_runs_in_a_clean_root(clean_root, tmp_path):
    entry = run("grep", "^weir:", clean_root / "etc/passwd").split(":")
    assert entry[5] == "/var/lib/weir" and entry[6].strip().endswith("nologin")
    assert run(*AS_ROOT, "chroot", clean_root, "weir", "--version").startswith("weir ")
    run(*AS_ROOT, "install", "-d", "-m", "700", "-o", entry[2], "-g", entry[3], clean_root / "var/lib/weir")
    Running(tmp_path, [*AS_ROOT, "chroot", "--userspec=weir:weir", clean_root, "/usr/bin/weir", "-c", "/etc/weir/weir.conf"], "/var/lib/weir")


def test_package_keeps_changed_configuration_and_goes(clean_root):
    conffiles = run("dpkg-query", f"--admindir={clean_root}/var/lib/dpkg", "-W", "-f", "${Conffiles}", "weir")
    assert re.findall(r"(/etc/\S+)", conffiles) == ["/etc/default/weir", "/etc/weir/weir.conf"]
    run(*AS_ROOT, "chroot", clean_root, "dpkg", "-r", "weir")
    assert (clean_root / "etc/weir/weir.conf").exists() and not (clean_root / "usr/bin/weir").exists()
    run(*AS_ROOT, "chroot", clean_root, "dpkg", "-P", "weir")
    assert not (clean_root / "etc/weir/weir.conf").exists()


def test_unit(tmp_path, weir_binary):
    with open(deploy("systemd/weir.service")) as f:
        text = f.read()
    assert "ExecStart=/usr/bin/weir -c /etc/weir/weir.conf\n" in text
    unit = tmp_path / "weir.service"
    unit.write_text(text.replace("/usr/bin/weir", weir_binary))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert done.returncode == 0 and not [line for line in done.stderr.splitlines() if "weir.service" in line], done.stderr
    run("systemd-analyze", "security", "--offline=yes", "--threshold=20", unit)  # in tenths: 2.0
    run("systemd-analyze", "verify", "--man=no", unit)


def test_stop_timeout_fits_the_drain():
    with open(deploy("systemd/weir.service")) as f:
        assert int(re.search(r"TimeoutStopSec=(\d+)s", f.read())[1]) >= 8 + 30 + 10


def test_sysusers_and_tmpfiles(tmp_path):
    (tmp_path / "etc").mkdir()
    run("systemd-sysusers", f"--root={tmp_path}", deploy("systemd/weir.sysusers"))
    assert "weir:" in (tmp_path / "etc/passwd").read_text()


def test_image_root(tmp_path, weir_binary):
    """What the Dockerfile copies into its last stage."""
    root = tmp_path / "root"
    run(*AS_ROOT, deploy("docker/make-root"), weir_binary, os.path.join(ROOT, "config/weir.conf"), root)
    try:
        assert os.listdir(root / "usr/bin") == ["weir"] and not (root / "bin").exists()
        packages = set(os.listdir(root / "var/lib/dpkg/status.d"))
        assert {"libc6", "libssl3", "libcurl4", "zlib1g", "tzdata"} <= packages
        assert all((root / "usr/share/doc" / p / "copyright").exists() for p in packages)
        size = sum(os.lstat(f).st_size for f in glob.glob(f"{root}/**", recursive=True) if not os.path.islink(f))
        assert size < 45 << 20
        Running(tmp_path, [*AS_ROOT, "chroot", "--userspec=10001:10001", root, "/usr/bin/weir", "-c", "/etc/weir/weir.conf"], "/var/lib/weir")
    finally:
        run(*AS_ROOT, "rm", "-rf", root)


def test_dockerfile():
    run("hadolint", deploy("docker/Dockerfile"))


def test_tarball(tmp_path):
    """Twice the same bytes; with its own loader and libraries it runs in an empty folder."""
    for i in range(2):
        make("dist-binary")
        tar, = glob.glob(os.path.join(ROOT, "build/dist/*.tar.gz"))
        run("cp", tar, tmp_path / f"{i}.tar.gz")
    run("cmp", tmp_path / "0.tar.gz", tmp_path / "1.tar.gz")
    with tarfile.open(tar) as t:
        t.extractall(tmp_path, filter="data")
    folder, = glob.glob(str(tmp_path / "weir-*/"))
    assert run(os.path.join(folder, "bin/weir"), "--version").startswith("weir ")
    assert os.path.exists(os.path.join(folder, "share/doc/libssl3/copyright"))
    loader, = glob.glob(os.path.join(folder, "lib/ld-linux*"))
    assert run(*AS_ROOT, "chroot", folder, f"/lib/{os.path.basename(loader)}", "--library-path", "/lib", "/lib/weir", "--version").startswith("weir ")
    Running(tmp_path, [os.path.join(folder, "bin/weir"), "-c", os.path.join(folder, "etc/weir.conf")], str(tmp_path / "state"))


def test_install_into_a_folder(tmp_path):
    run("make", "-C", ROOT, "--no-print-directory", "install", f"DESTDIR={tmp_path}", "PREFIX=/opt/weir", "SYSTEMD=1")
    unit = (tmp_path / "etc/systemd/system/weir.service").read_text()
    assert "ExecStart=/opt/weir/bin/weir " in unit and "/usr/bin/weir" not in unit
    assert (tmp_path / "opt/weir/bin/weir").exists()


def test_man_pages():
    pages = [deploy("man", p) for p in os.listdir(deploy("man"))]
    run("mandoc", "-T", "lint", "-W", "warning", *pages)


def words_of_help(weir_binary):
    text = run(weir_binary, "--help")
    verbs = set(re.findall(r"^ {7}weir ([a-z][a-z-]*)", text, re.M))
    assert {"check", "plugins", "help"} <= verbs
    return verbs, set(re.findall(r"--[a-z][a-z-]+", text))


def test_man_page_has_all_commands_and_options(weir_binary):
    with open(deploy("man/weir.1")) as f:
        text = f.read()
    verbs, options = words_of_help(weir_binary)
    assert not verbs - set(re.findall(r"Cm ([a-z-]+)", text))
    assert not options - {"--" + o for o in re.findall(r"(?:Fl|,) -([a-z-]+)", text)}


def test_bash_completion(weir_binary):
    def completed(*words):
        script = f'. {deploy("completion/weir.bash")}; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _weir "$1"; echo "${{COMPREPLY[*]}}"'
        return run("bash", "-c", script, "bash", weir_binary, *words).split()
    verbs, options = words_of_help(weir_binary)
    assert set(completed("")) == verbs and set(completed("--")) == options
    assert completed("ch") == ["check"] and completed("--dry") == ["--dry-run"]
    assert completed("help", "elasticsearch_da") == ["elasticsearch_data_stream"]
    assert completed("deadletter", "re") == ["replay"] and completed("setup-es", "--ov") == ["--overwrite"]


def test_scripts():
    scripts = ["docker/make-root", "libs-of", "packages-of", "tarball/make", "tarball/weir.sh", "install-deps"]
    run("shellcheck", "-e", "SC2086", *[os.path.join(DEPLOY, s) for s in scripts])
