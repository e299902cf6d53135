"""Reads the manifests against their schemas, and against what the program and its image have.

manifests.py DIRECTORY writes the configurations of the ConfigMaps there.
"""

import importlib.resources
import json
import pathlib
import re
import sys

import jsonschema
import kubernetes_validate
import yaml

PACKAGING = pathlib.Path(__file__).resolve().parent.parent
KUBERNETES = ["1.29", "1.33", "1.37"]


def holds(what):
    print(f"   ok: {what}")


def containerfile(word):
    lines = (PACKAGING / "container/Containerfile").read_text().splitlines()
    return next(line.split(" ", 1)[1] for line in lines if line.startswith(word + " "))


def compose():
    # Read as a file: the program in that package wants much that is not here.
    schema = importlib.resources.files("compose") / "config/compose_spec.json"
    manifest = yaml.safe_load((PACKAGING / "container/compose.yaml").read_text())
    error = jsonschema.exceptions.best_match(
        jsonschema.Draft201909Validator(json.loads(schema.read_text())).iter_errors(manifest)
    )
    assert error is None, f"compose.yaml, {error.json_path}: {error.message}"
    holds("compose.yaml is as the Compose specification says")

    service = manifest["services"]["stubborn"]
    health = re.search(r"HEALTHCHECK.* CMD (\[.*\])", (PACKAGING / "container/Containerfile").read_text())
    assert service["healthcheck"]["test"] == ["CMD", *json.loads(health[1])]
    uid = containerfile("USER").split(":")[0]
    assert service["tmpfs"][0].startswith(f"/run/stubborn:uid={uid},")
    for volume in service["volumes"]:
        assert (PACKAGING / "container" / volume.split(":")[0] / "stubborn.toml").is_file()
    address = manifest["services"]["stubborn"]["networks"]["dns"]["ipv4_address"]
    assert manifest["networks"]["dns"]["ipam"]["config"][0]["subnet"] == address.rsplit(".", 1)[0] + ".0/24"
    holds("it says what the Containerfile says")


def kubernetes(directory):
    objects = list(yaml.safe_load_all((PACKAGING / "kubernetes/stubborn.yaml").read_text()))
    for version in KUBERNETES:
        for item in objects:
            kubernetes_validate.validate(item, version, strict=True)
    kinds = ", ".join(item["kind"] for item in objects)
    holds(f"{kinds} are as Kubernetes {', '.join(KUBERNETES)} have them")

    by_kind = {item["kind"]: item for item in objects}
    pod = by_kind["DaemonSet"]["spec"]["template"]
    container = pod["spec"]["containers"][0]
    named = {port["name"]: port["containerPort"] for port in container["ports"]}
    for port in by_kind["Service"]["spec"]["ports"]:
        assert port["targetPort"] in named
    labels = pod["metadata"]["labels"]
    assert by_kind["DaemonSet"]["spec"]["selector"]["matchLabels"] == labels == by_kind["Service"]["spec"]["selector"]

    # What the pod security standard "restricted" asks for, which the namespace enforces.
    security = container["securityContext"]
    assert security["capabilities"]["drop"] == ["ALL"] and security["allowPrivilegeEscalation"] is False
    assert security["readOnlyRootFilesystem"] is True
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    user = f"{pod['spec']['securityContext']['runAsUser']}:{pod['spec']['securityContext']['runAsGroup']}"
    assert user == containerfile("USER")

    config = by_kind["ConfigMap"]["data"]["stubborn.toml"]
    assert f':{named["dns"]}"' in config and f':{named["metrics"]}"' in config
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(named["metrics"])
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    # A ConfigMap that is mounted by "subPath" would never change.
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert "subPath" not in mounts["/etc/stubborn"]
    assert volumes[mounts["/etc/stubborn"]["name"]]["configMap"]["name"] == by_kind["ConfigMap"]["metadata"]["name"]
    assert by_kind["ConfigMap"]["metadata"]["name"] == "stubborn" and "/run/stubborn" in mounts
    holds("the pod fits its service, its configuration, its image and the restricted standard")
    (directory / "configmap.toml").write_text(config)


compose()
kubernetes(pathlib.Path(sys.argv[1]))
