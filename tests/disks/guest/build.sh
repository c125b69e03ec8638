#!/bin/bash
# Builds, inside the layouts guest, what needs device-mapper, md, NFS, 9p or docker; a marker goes through each path, synced.
# usage: bash build.sh NONCE; prints lines `path LAYOUT PATH`, `inside LAYOUT CONTAINER PATH`, `absent LAYOUT REASON`, `crypt TABLE`.
set -eu
nonce=$1
exec 3>&1 1>&2 # the answer is on 3, what the tools say is for the log
disk() { lsblk -dnpo NAME,SERIAL | awk -v serial="$1" '$2 == serial { print $1 }'; }
boot=$(disk boot); pv=$(disk pv); mirror=$(disk mirror)
mark() { # LAYOUT DIRECTORY [TIMES]
	for _ in $(seq "${3:-1}"); do printf 'WBMARK:%s:%s\n' "$1" "$nonce"; done >"$2/marker"
	printf 'path %s %s\n' "$1" "$2" >&3
}
filesystem() { # LAYOUT DEVICE [TIMES]: made, mounted, marked
	mkfs.ext4 -q "$2"; mkdir -p "/mnt/$1"; mount "$2" "/mnt/$1"; mark "$1" "/mnt/$1" "${3:-1}"
}
mkdir -p /srv/plain /srv/volboot /mnt/nfs /mnt/share
mark part_boot /srv/plain
mark data_disk /mnt/data

# -- LVM: one volume group over a partition of the boot disk and a whole data disk ---------------------------------------
vgcreate -q vg0 "${boot}2" "$pv"
volume() { lvcreate -q -y -Wy "$@"; }
volume -n on_boot -L 32M vg0 "${boot}2"; filesystem lv_on_boot /dev/vg0/on_boot
volume -n on_data -L 32M vg0 "$pv"; filesystem lv_on_data /dev/vg0/on_data
volume -n striped -i 2 -I 64 -L 32M vg0; filesystem lv_striped /dev/vg0/striped 20000
volume -n linear2 -L 32M vg0 "$pv"; lvextend -q -L +32M vg0/linear2 "${boot}2"; filesystem lv_linear2 /dev/vg0/linear2
volume -n pool -L 64M vg0 "$pv"; volume -n pool_meta -L 8M vg0 "${boot}2"
lvconvert -q -y --type thin-pool --poolmetadata vg0/pool_meta vg0/pool
lvcreate -q -n thin -V 64M --thinpool vg0/pool; filesystem lv_thin /dev/vg0/thin

# -- md and crypt --------------------------------------------------------------------------------------------------------
mdadm --create /dev/md0 --run --quiet --level=1 --raid-devices=2 --bitmap=none --assume-clean "${boot}3" "$mirror"
filesystem md_mixed /dev/md0
printf secret >/run/key
cryptsetup luksFormat -q --type luks2 --cipher aes-xts-plain64 --key-size 512 --sector-size 512 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "${boot}4" /run/key
cryptsetup open --disable-keyring --key-file /run/key "${boot}4" cryptdata
filesystem crypt_on_boot /dev/mapper/cryptdata
printf 'crypt %s\n' "$(dmsetup table --showkeys cryptdata)" >&3

# -- from elsewhere ------------------------------------------------------------------------------------------------------
mount -t nfs4 127.0.0.1:/srv/export /mnt/nfs; mark nfs_loopback /mnt/nfs
if mount -t 9p -o trans=virtio,version=9p2000.L share /mnt/share; then
	mark host_9p /mnt/share
else
	modinfo 9p || printf 'absent host_9p the kernel %s has no module 9p\n' "$(uname -r)" >&3
fi

# -- docker, whose root is on the data disk --------------------------------------------------------------------------------
docker import -c 'ENV PATH=/bin' - busybox <"/srv/busybox.tar"
docker volume create -o type=none -o o=bind -o device=/srv/volboot volboot
docker volume create -o type=nfs4 -o o=addr=127.0.0.1,rw -o device=:/srv/export/vol volnfs
inside() { # LAYOUT CONTAINER
	printf 'inside %s %s /data\n' "$1" "$2" >&3
}
echo_mark="printf 'WBMARK:%s:%s\\n' \"\$0\" $nonce > /data/marker"
docker run --network none --name stopped -v volboot:/data busybox sh -c "$echo_mark" d_vol_bindopt_stopped
inside d_vol_bindopt_stopped stopped
docker run -d --network none --name running -v volnfs:/data busybox sh -c "$echo_mark; exec sleep 86400" d_vol_nfsopt
inside d_vol_nfsopt running
for _ in $(seq 60); do docker exec running cat /data/marker && break; sleep 1; done
sync
