# SPDX-License-Identifier: MIT
"""What can be hit, by name, and a schedule of one fault."""

from .lane import Schedule

ROLES = ("receiver", "getter", "orchestrator")
MEMBERS = [f"{role}-{number}" for role in ROLES for number in (1, 2)]
BROKER_LINKS = {role: [f"{role}-{n}-broker" for n in (1, 2)] for role in ROLES}
STORE_LINKS = {role: [f"{role}-{n}-store" for n in (1, 2)] for role in ("receiver", "getter")}
FRONT = "client-orchestrator"
LINKS = (
    {f"{role}->broker": links for role, links in BROKER_LINKS.items()}
    | {f"{role}->store": links for role, links in STORE_LINKS.items()}
    | {"orchestrator->store": ["tickets-store"], "client->orchestrator": [FRONT], "requester->broker": ["requester-broker"]}
)  # fmt: skip
DISTRIBUTED, EMBEDDED = "distributed", "embedded"


def one(kind, fault, at=0.3, **more):
    name = fault.name if kind == DISTRIBUTED else f"{fault.name}, embedded"
    return Schedule(name, kind, [(at, fault)], **more)


def lasting(fault, seconds):
    fault.seconds = seconds
    fault.name += f" {seconds} s"
    return fault
