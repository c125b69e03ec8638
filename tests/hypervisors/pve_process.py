"""fakepve as a process of its own, told by lines of JSON on stdin what befalls it. Only tests start it; nothing imports it.

One gap of the fake is closed here: a new disk of a configuration is really allocated.
"""

import asyncio
import json
import sys
import tempfile

from fakepve import FakePve
from fakepve.certs import make_cert

TEMPLATE = {
    "scsi0": "local-lvm:base-9000-disk-0,size=8G",
    "boot": "order=scsi0",
    "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr1",
    "memory": 1024,
    "meta": "creation-qemu=10.0.2,ctime=1771000000",
}


class LabPve(FakePve):
    jobs = ()
    listed = {}  # noqa: RUF012
    former = {}  # noqa: RUF012

    def _routes_access(self):
        here = [("GET", "/cluster/backup", self._jobs), ("GET", "/nodes/{node}/vzdump/extractconfig", self._extract)]
        return [*super()._routes_access(), *here]

    async def _extract(self, v, user):
        """The configuration in a backup, as PVE prints it: that of the VM as it is now, or of the former one that `former` names."""
        store, _, name = v["volume"].partition(":")
        vmid = next(int(part) for part in (*name.split("-"), "212") if part.isdigit())
        self._check_access(user, store, "backup", vmid, v["volume"])
        config = {**self.vm(vmid).config, "smbios1": self.former.get(v["volume"], self.vm(vmid).config.get("smbios1"))}
        lines = [f"{key}: {value}" for key, value in config.items() if value is not None]
        return (
            "\n".join(["#made by hand", *lines, "#qmdump#map:scsi0:drive-scsi0:local-lvm:raw:", "[snap]", "smbios1: uuid=0"])
            + "\n"
        )

    async def _jobs(self, v, user):
        return list(self.jobs)

    def serve(self, storage, content):
        self.storages[storage]["content"] = content

    def sleepy(self, storage):
        self.storages[storage]["active"] = 0

    def list(self, storage, rows):
        """What a storage of another kind (a backup server) would tell."""
        self.listed[storage] = rows

    async def _content_list(self, v, user):
        return self.listed.get(v["storage"]) or await super()._content_list(v, user)

    def keep(self, storage, volumes):
        """Backups in a storage: volume name -> what is listed of it."""
        self.storages[storage]["volumes"] = {name: {"content": "backup", **one} for name, one in volumes.items()}

    async def _apply_config(self, vm, user, p):
        p = dict(p)
        for key in [k for k in p if k.startswith(("scsi", "virtio")) and k[-1].isdigit()]:
            p[key], _ = self._qm_new_drive(vm.vmid, key, p[key], None)
        await super()._apply_config(vm, user, p)


async def main() -> None:
    pve = LabPve(host="127.0.0.1", port=0)
    pve.time_scale = 0
    pve.storages["local-lvm"].update(total=100 * 2**30, avail=80 * 2**30)
    pve.storages["tank"] = {
        "type": "lvmthin",
        "active": 1,
        "content": "images",
        "files": set(),
        "vgname": "tank",
        "thinpool": "data",
        "avail": 60 * 2**30,
    }
    pve.add_vm(9000, "debian", node="pve1", config=dict(TEMPLATE), template=True)
    pve.vm(9000).config["template"] = 1
    pve.apitokens["root@pam!wb"] = "11111111-2222-3333-4444-555555555555"
    pve.apitokens["weak@pve!wb"] = "11111111-2222-3333-4444-555555555555"
    pve.users["weak@pve"] = "x"
    with tempfile.TemporaryDirectory(prefix="pve-") as directory:
        cert, key, _ = make_cert(directory, hosts=("127.0.0.1",))
        await pve.start(cert, key)
    print(json.dumps({"url": f"https://127.0.0.1:{pve.port}"}), flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        told = json.loads(line)
        target = pve if told.get("vm") is None else pve.vm(told["vm"])
        answer = None
        if "set" in told:
            setattr(target, told["set"], told["to"])
        elif told["call"] == "config":
            answer = target.config
        else:
            answer = getattr(target, told["call"])(*told.get("args", []), **told.get("kwargs", {}))
            if asyncio.iscoroutine(answer):
                answer = await answer
        print(json.dumps(answer, default=str), flush=True)


asyncio.run(main())
