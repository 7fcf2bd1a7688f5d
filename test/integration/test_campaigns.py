"""Short forms of the fault campaigns (test/faults): 50 kills, stops under load, clocks, disks and memory. FAULTS_SEED repeats a failure."""
import os
import sys

import pytest

sys.path.append(os.path.join(os.path.dirname(__file__), "../faults"))

import campaign  # noqa: E402

SHORT = {"kill-random": 0.028, "kill-points": 0.02, "sigterm": 0.05}
LONGER = {"disk-full": 0.05}
# What is put between weir and the system does not go together with sanitizers.
UNDER_A_SHIM = {"clock": 0.2, "sync-fails": 0.05, "no-memory": 0.02, "slow-senders": 0.1}


def run(name, scale, folder):
    c = campaign.Campaign(name, int(os.environ.get("FAULTS_SEED", "1")), scale, str(folder), print)
    campaign.scenarios()[name](c)
    c.progress("done")
    assert c.result["acked"] > 0
    assert (c.result["lost"], c.result["doubled"]) == (0, 0), c.notes


@pytest.mark.parametrize("name", SHORT)
def test_campaign(name, tmp_path):
    run(name, SHORT[name], tmp_path)


@pytest.mark.skipif(os.environ.get("WEIR_VARIANT", "release") != "release", reason="for the release build")
@pytest.mark.parametrize("name", UNDER_A_SHIM)
def test_campaign_under_a_shim(name, tmp_path):
    run(name, UNDER_A_SHIM[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", LONGER)
def test_longer_campaign(name, tmp_path):
    run(name, LONGER[name], tmp_path)
