"""One example of every RPC of the scheduler, as in `asked.py`."""

from nsml_core.calls import Call
from nsml_core.store import Store
from nsml_protos import scheduler_pb2 as sc
from nsml_protos import session_pb2 as pb
from nsml_scheduler.decide import join
from nsml_scheduler.state import NODE
from tests.faults.asked import Example, just, of
from tests.services.world import ROOT, SCHEDULER, World


async def _node(world: World, number: int) -> str:
    name, log = f"node{number}", world.floors["scheduler"].log
    joined = sc.NodeJoined(name=name, cpus=1)
    await Store(log, NODE).decide(name, Call(ROOT).context(), lambda node: join(node, joined))
    return name


async def _draining(world: World, number: int) -> str:
    name = await _node(world, number)
    await world.scheduler(ROOT).Drain(sc.NodeRequest(name=name))
    return name


def _named(name: str) -> sc.NodeRequest:
    return sc.NodeRequest(name=name, reason="to be mended")


async def _class(world: World, number: int) -> str:
    name = f"class-{number}"
    await world.scheduler(ROOT).SetClass(sc.PriorityClass(name=name, rank=1))
    return name


def _class_named(name: str) -> sc.ClassRequest:
    return sc.ClassRequest(name=name)


EXAMPLES = (
    Example("Scheduler/Fits", just(pb.Resources(cpus=1))),
    Example("Scheduler/Cluster", just(sc.ClusterRequest())),
    Example("Scheduler/Admit", just(sc.AdmitRequest(owner="ann")), caller=SCHEDULER),
    Example("Scheduler/Queue", just(sc.QueueRequest())),
    Example("Scheduler/Cordon", of(_node, _named), ("NodeCordoned",), caller=ROOT),
    Example("Scheduler/Uncordon", of(_draining, _named), ("NodeUncordoned",), caller=ROOT),
    Example("Scheduler/Drain", of(_node, _named), ("NodeDraining",), caller=ROOT),
    Example("Scheduler/RemoveNode", of(_draining, _named), ("NodeRemoved",), caller=ROOT),
    Example("Scheduler/GetQuota", just(sc.QuotaRequest())),
    Example("Scheduler/SetQuota", just(sc.Quota(owner="ann", gpus=9)), ("QuotaSet",), caller=ROOT),
    Example("Scheduler/Keep", just(sc.KeepRequest(owner="ann", bytes=9)), caller=SCHEDULER),
    Example("Scheduler/GetPolicy", just(sc.PolicyRequest())),
    Example(
        "Scheduler/SetPolicy", just(sc.PolicySet(preemption=False)), ("PolicySet",), caller=ROOT
    ),
    Example(
        "Scheduler/SetClass",
        just(sc.PriorityClass(name="urgent", rank=50)),
        ("ClassSet",),
        caller=ROOT,
    ),
    Example("Scheduler/RemoveClass", of(_class, _class_named), ("ClassRemoved",), caller=ROOT),
    Example(
        "Scheduler/SetWeight",
        just(sc.WeightSet(owner="ann", weight=2)),
        ("WeightSet",),
        caller=ROOT,
    ),
)
