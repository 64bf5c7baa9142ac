# SPDX-License-Identifier: MIT
"""The CloudFormation templates, against AWS's own specification of its resources. That a stack
comes up of them takes an AWS account, and is not tested here."""

import base64
import copy

import pytest
import yaml

from cloudformation import Checker, specification
from files import APPLIANCE, HERE, NLB, USER_DATA, VALIDATORS
from template import Stack, read

TEMPLATES = [APPLIANCE, NLB]
USER_DATA_LIMIT_BYTES = 16 << 10  # EC2's, before base64
TEMPLATE_LIMIT_BYTES = 51200  # CloudFormation's for --template-body
PARAMETER_LIMIT_BYTES = 4096  # CloudFormation's


@pytest.fixture(scope="module", name="specified")
def _specified():
    types = {resource["Type"] for path in TEMPLATES
             for resource in read(path.read_text())["Resources"].values()}
    return specification(VALIDATORS, HERE / "specification.js", types | {"AWS::EC2::NoSuch"})


@pytest.mark.parametrize("path", TEMPLATES, ids=[path.name for path in TEMPLATES])
def test_no_fault(path, specified):
    assert Checker(read(path.read_text()), specified).faults == []
    assert len(path.read_bytes()) <= TEMPLATE_LIMIT_BYTES


def _break(text):
    """Each is (the text to replace, what instead, what the checker says)."""
    return pytest.param(*text, id=text[2])


@pytest.mark.parametrize("old, new, said", map(_break, [
    ("SourceDestCheck: false", "SourceDestChek: false", "there is no property SourceDestChek"),
    ("SourceDestCheck: false", "SourceDestCheck: none", "'none' is no boolean"),
    ("Type: AWS::EC2::Instance\n", "Type: AWS::EC2::NoSuch\n", "there is no type"),
    ("SubnetId: !Ref SubnetId", "SubnetId: !Ref Subnet", "there is no Subnet"),
    ("GroupSet: [!Ref ApplianceGroup]", "GroupSet: !Ref ApplianceGroup", "array is wanted"),
    ("Interface.PrimaryPrivateIpAddress\n", "Interface.Address\n", "no attribute Address"),
    ("SIGNAL_URL='${Ready}'", "SIGNAL_URL='${Redy}'", "there is no Redy"),
    ("[HasKey, !Ref", "[HasAKey, !Ref", "there is no HasAKey"),
    ("DependsOn: Appliance", "DependsOn: Appliances", "there is no Appliances"),
    ("HttpTokens: required", "HttpToken: required", "there is no property HttpToken"),
    ('- DeviceIndex: "0"\n          Net', "- Net", "DeviceIndex is missing"),
    ("Encrypted: true", "Encrypted: [true]", "is no boolean"),
    ("FromPort: 22", "FromPort: ssh", "'ssh' is no integer"),
    ("ToPort: !Ref LastPort", "ToPort: !Ref ClientCidr", "ClientCidr is no number"),
    ("    Default: c6in.large", "    Default: c7gn.large", "does not match AllowedPattern"),
    ("PropagateTagsToVolumeOnCreation: true", "DependsOn: IsReady", "no property DependsOn"),
    ("    Type: AWS::EC2::SecurityGroup\n", "    Type: AWS::EC2::SecurityGroup\n"
     "    DependsOn: Appliance\n", "they need each other"),
    ("VolumeSize: !Ref VolumeSize", "VolumeSize: 8", "VolumeSize: is never used"),
    ("[!Condition HasAdmin, ", "[!Condition HasAdmins, ", "there is no HasAdmins"),
]))
def test_a_fault_is_found(specified, old, new, said):
    text = APPLIANCE.read_text()
    assert old in text
    faults = Checker(read(text.replace(old, new, 1)), specified).faults
    assert any(said in fault for fault in faults), faults


def _appliance(references=None, **parameters):
    return Stack(read(APPLIANCE.read_text()), references, VpcId="vpc-1", SubnetId="subnet-1",
                 **parameters)


def _user_data(stack):
    return base64.b64decode(stack.resource("Appliance")["UserData"]).decode()


def _written(text):
    """The files that user data writes: {path: entry}, with their contents as they will be."""
    assert text.startswith("#cloud-config\n")
    entries = copy.deepcopy(yaml.safe_load(text)["write_files"])
    for entry in entries:
        if entry.pop("encoding", "") == "b64":
            entry["content"] = base64.b64decode(entry["content"]).decode()
    return {entry.pop("path"): entry for entry in entries}


def test_user_data_of_the_template_is_the_file():
    """But for the package's address and the configuration, which are parameters here."""
    text = _user_data(_appliance({"Ready": "https://signal.example.com/?a=b&c=d"},
                                 Destinations="10.0.1.10/514",
                                 PackageUrl="https://packages.example.com/a.deb"))
    from_template, from_file = _written(text), _written(USER_DATA.read_text())
    settings = from_template["/etc/trafficduplicator-setup/settings"]["content"]
    assert settings == ("PACKAGE_URL='https://packages.example.com/a.deb'\nPACKAGE_SHA256=''\n"
                        "SIGNAL_URL='https://signal.example.com/?a=b&c=d'\n")
    for path in ("/etc/trafficduplicator-setup/settings", "/etc/trafficduplicator-setup/config"):
        from_template[path]["content"] = from_file[path]["content"] = None
    assert from_template == from_file
    assert yaml.safe_load(text)["runcmd"] == yaml.safe_load(USER_DATA.read_text())["runcmd"]


def test_user_data_has_room_for_the_longest_configuration():
    text = _user_data(_appliance(Config="x" * PARAMETER_LIMIT_BYTES,
                                 PackageUrl="https://" + "x" * 2000))
    assert len(text.encode()) <= USER_DATA_LIMIT_BYTES


def test_source_check_is_off_and_no_role():
    text = APPLIANCE.read_text()
    assert _appliance().resource("Interface")["SourceDestCheck"] is False
    assert "AWS::IAM" not in text and "IamInstanceProfile" not in text


def _ingress(stack):
    return {(rule["IpProtocol"], rule["FromPort"], rule["ToPort"],
             rule.get("CidrIp", rule.get("SourceSecurityGroupId")))
            for rule in stack.resource("ApplianceGroup")["SecurityGroupIngress"]}


def test_security_group():
    """Clients only; administrators and a load balancer where they are named."""
    clients = {"FirstPort": "2055", "LastPort": "2060", "ClientCidr": "10.1.0.0/16"}
    expected = {("udp", "2055", "2060", "10.1.0.0/16")}
    assert _ingress(_appliance(**clients)) == expected
    expected |= {("tcp", 22, 22, "10.9.0.0/24"), ("tcp", 9514, 9514, "10.9.0.0/24")}
    assert _ingress(_appliance(**clients, AdminCidr="10.9.0.0/24")) == expected
    expected |= {("udp", "2055", "2060", "sg-1"), ("tcp", 9514, 9514, "sg-1")}
    assert _ingress(_appliance(**clients, AdminCidr="10.9.0.0/24",
                               LoadBalancerGroup="sg-1")) == expected


def test_destinations_or_a_configuration_must_be_given():
    assert not _appliance().rules_hold()
    assert _appliance(Destinations="10.0.1.10/514").rules_hold()
    assert _appliance(Config="{}").rules_hold()


def test_outputs():
    outputs = _appliance().outputs()
    assert outputs["Address"] == "Interface.PrimaryPrivateIpAddress"
    assert "StatusPage" not in outputs, "it is bound to the machine itself"
    outputs = _appliance(AdminCidr="10.9.0.0/24", ClientCidr="10.1.0.0/16").outputs()
    assert outputs["StatusPage"] == "http://Interface.PrimaryPrivateIpAddress:9514/"
    assert "10.1.0.0/16" in outputs["ReceiversMustAllow"]
