# SPDX-License-Identifier: MIT
"""docs/aws.md: AWS's command line reads every command, the templates take the parameters, Packer
takes its commands, and `check` the configurations, also those that the template writes."""

import base64
import json
import re
import shlex
import subprocess

import pytest

from files import (APPLIANCE, HERE, IMAGE, NLB, PACKER, PAGE, REPOSITORY, USER_DATA, environment)
from lib.daemon import command
from template import Stack, read

TEXT = PAGE.read_text(encoding="utf-8")
# What is not run here, and why.
NOT_RUN = {
    r"packer (init|build .*) packaging/aws": "Packer 1.7 and newer, which Debian 12 does not have",
    r"sha256sum .*": "a file that is built",
}
ENVIRONMENT = environment(
    AWS_DEFAULT_REGION="eu-central-1", AWS_ACCESS_KEY_ID="none", AWS_SECRET_ACCESS_KEY="none",
    AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE="/dev/null",
    AWS_SHARED_CREDENTIALS_FILE="/dev/null")


def _blocks(language):
    """The fenced blocks of one language, also those within lists, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", TEXT, re.MULTILINE | re.DOTALL)
    return [re.sub(f"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def _commands():
    lines = "\n".join(_blocks("bash")).replace("\\\n", " ").splitlines()
    assert len(lines) > 12
    return [line for line in lines if line.strip()]


def _calls():
    return [shlex.split(line)[1:] for line in _commands() if line.startswith("aws ")]


def _ask(calls):
    done = subprocess.run(["/usr/bin/python3", HERE / "aws_commands.py"], cwd=REPOSITORY,
                          input=json.dumps(calls), capture_output=True, text=True, check=True,
                          env=ENVIRONMENT)
    return json.loads(done.stdout)


@pytest.fixture(scope="module", name="answers")
def _answers():
    """(words, exit code, what was said, parameters) of each call of aws."""
    calls = _calls()
    return [(words, *answer) for words, answer in zip(calls, _ask(calls))]


def test_aws_reads_every_command(answers):
    for words, code, said, _ in answers:
        assert code == 0, f"{' '.join(words)}\n{said}"


def test_aws_finds_a_fault():
    calls = [["ec2", "modify-instance-attribute", "--instance-id", "i-1", "--no-source-dest-chk"],
             ["elbv2", "register-targets", "--targets", "i-1", "--target-group-arn", "a"],
             ["cloudformation", "wait", "stack-create-complete", "--stak-name", "a"]]
    for code, said, _ in _ask(calls):
        assert code != 0, said


def test_stacks_get_the_parameters_that_they_take(answers):
    stacks = [(words, parameters) for words, _, _, parameters in answers
              if words[:2] == ["cloudformation", "create-stack"]]
    assert len(stacks) == 3
    for words, given in stacks:
        file = words[words.index("--template-body") + 1].removeprefix("file://")
        takes = read((REPOSITORY / file).read_text())["Parameters"]
        assert set(given) <= set(takes), file
        assert set(takes) - set(given) <= {name for name in takes if "Default" in takes[name]}
        for name, value in given.items():
            assert re.search(takes[name].get("AllowedPattern", ""), value), (name, value)
            if takes[name]["Type"] == "Number":
                assert takes[name]["MinValue"] <= int(value) <= takes[name]["MaxValue"]


def test_every_other_command(tmp_path):
    package = tmp_path / "trafficduplicator.deb"
    package.touch()
    others = [line for line in _commands() if not line.startswith("aws ")]
    for line in others:
        if any(re.fullmatch(pattern, line) for pattern in NOT_RUN):
            continue
        words = shlex.split(re.sub(r"package=\S+", f"package={package}", line))
        assert words[0] == "packer" and words[1] == "build", line
        done = subprocess.run([PACKER, "validate", *words[2:]], cwd=REPOSITORY, check=False,
                              capture_output=True, text=True,
                              env=environment(HOME=str(tmp_path)))
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    for pattern in NOT_RUN:
        assert any(re.fullmatch(pattern, line) for line in others), f"unused: {pattern}"


def test_shell():
    for block in _blocks("bash") + _blocks("sh"):
        done = subprocess.run(["shellcheck", "--shell=sh", "-"], input=block, text=True,
                              capture_output=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stdout}"


# Configurations.

def _check(folder, text):
    file = folder / "config"
    file.write_text(text)
    done = command("check", "-c", file)
    assert done.returncode == 0, f"{text}\n{done.stderr}"
    return done


def test_configurations_of_the_page(tmp_path):
    blocks = _blocks("json")
    assert blocks
    for block in blocks:
        _check(tmp_path, block)


def _config(**parameters):
    stack = Stack(read(APPLIANCE.read_text()), VpcId="vpc-1", SubnetId="subnet-1", **parameters)
    text = base64.b64decode(stack.resource("Appliance")["UserData"]).decode()
    encoded = re.search(r"encoding: b64\n *content: (\S+)\n", text).group(1)
    return base64.b64decode(encoded).decode()


def test_configurations_of_the_template(tmp_path):
    done = _check(tmp_path, _config(Destinations="10.0.1.10/514,10.0.2.10/514"))
    assert not done.stderr, "the status page is the machine's own"
    several = {"FirstPort": "2055", "LastPort": "2060", "Destinations": "10.0.1.10"}
    for seen in ({"AdminCidr": "10.9.0.0/24"}, {"LoadBalancerGroup": "sg-1"}):
        text = _config(**several, **seen)
        assert json.loads(text)["SETTINGS"]["HTTP"] == "0.0.0.0:9514"
        _check(tmp_path, text)
    given = '{"A": {"SOURCEPORT": 514,\n "DESTINATION": ["10.0.1.10"]}}'
    assert _config(Config=given) == given


# Words.

def test_the_load_balancer_is_as_the_page_says():
    stack = Stack(read(NLB.read_text()), VpcId="vpc-1", SubnetIds="subnet-1")
    target, balancer = stack.resource("Appliances"), stack.resource("LoadBalancer")
    attributes = {pair["Key"]: pair["Value"] for pair in
                  target["TargetGroupAttributes"] + balancer["LoadBalancerAttributes"]}
    table = dict(re.findall(r"^\| (.*?) \| (.*?) \|", TEXT, re.MULTILINE))
    assert table["target type"] == f"`{target['TargetType']}`"
    assert table["health check"] == (f"{target['HealthCheckProtocol']}, port "
                                     f"{target['HealthCheckPort']}, `{target['HealthCheckPath']}`, "
                                     f"code {target['Matcher']['HttpCode']}")
    assert table["interval, timeout, thresholds"] == (
        f"{target['HealthCheckIntervalSeconds']} s, {target['HealthCheckTimeoutSeconds']} s, "
        f"{target['HealthyThresholdCount']} and {target['UnhealthyThresholdCount']}")
    assert table["deregistration delay"].startswith(
        attributes["deregistration_delay.timeout_seconds"] + " s, then connections are terminated")
    assert attributes["deregistration_delay.connection_termination.enabled"] == "true"
    assert (table["stickiness"], attributes["stickiness.enabled"]) == ("off", "false")
    assert (table["cross-zone load balancing"],
            attributes["load_balancing.cross_zone.enabled"]) == ("on", "true")
    assert target["Protocol"] == stack.resource("Listener")["Protocol"] == "UDP"


def test_doctor_says_the_same():
    """The commands that doctor gives on EC2 are the page's."""
    doctor = (REPOSITORY / "src/control/doctor_cloud.c").read_text()
    assert "aws ec2 modify-instance-attribute --instance-id %s --no-source-dest-check" in doctor
    assert "aws ec2 modify-instance-attribute --instance-id i-0123456789abcdef0 " \
        "--no-source-dest-check" in _commands()
    receivers = (REPOSITORY / "src/control/doctor_receivers.c").read_text()
    assert "aws ec2 authorize-security-group-ingress --group-id sg-... --protocol udp" in receivers


@pytest.mark.parametrize("path", [APPLIANCE, NLB, USER_DATA, IMAGE], ids=lambda path: path.name)
def test_the_page_names_every_file(path):
    assert f"`{path.name}`" in TEXT
