#!/bin/bash
# Builds the layouts of docs/storage-graph.md on loop disks, writes a marker through each path, reads the host, leaves nothing.
# usage: unshare -m --propagation private bash build.sh DIR   (DIR holds `program`, the collector with its paths)
# It runs in a mount namespace of its own: what it mounts goes with it. Loops are detached when their last user is gone.
set -eu
dir=$1
root=$dir/root
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin HOME=/ "$@"; }
m() { inside mount "$@"; }
made() { inside mkdir -p "$@"; }
mark() { # LAYOUT PATH: through that path, synced
	made "${2%/*}"; printf 'WBMARK:%s:%s\n' "$1" "$(cat "$dir/nonce")" >"$dir/one"
	inside tee "$2/marker" <"$dir/one" >/dev/null
	printf '%s %s\n' "$1" "$2" >>"$dir/layouts"
}
loop() { # FILE: a loop device over it, named on stdout, gone with its last user
	losetup -P -f --show "$1"
}
mkdir -p "$root"
: >"$dir/layouts"; : >"$dir/disks"

# -- disks ---------------------------------------------------------------------------------------------------------
for disk in boot:900 data:400 vdd:200 vde:300 vdf:64 vdg:400 vdh:64; do
	image=$dir/${disk%:*}.img
	truncate -s "${disk#*:}M" "$image"
	if [ "${disk%:*}" = boot ]; then
		printf 'label: gpt\nsize=300M\nsize=64M\nsize=200M\nsize=100M\n' | sfdisk -q "$image"
	fi
	device=$(loop "$image")
	printf '%s %s\n' "${disk%:*}" "${device#/dev/}" >>"$dir/disks"
	eval "${disk%:*}=$device"
done
[ -b "${boot}p4" ] || partx -a "$boot" # a kernel that reads no partition tables is told the partitions
for device in "${boot}p1" "${boot}p2" "$data" "$vdf" "$vdh"; do mkfs.ext4 -q "$device"; done
mkfs.btrfs -q -f -d raid0 -m raid0 "$vdd" "${boot}p3"
mkfs.btrfs -q -f "$vde"
mkfs.xfs -q -f -l logdev="${boot}p4" "$vdg"

# -- a root of its own ---------------------------------------------------------------------------------------------
mount "${boot}p1" "$root"
mkdir -p "$root"/{usr,proc,sys,dev,etc,srv,mnt,run,var/lib,tmp}
for link in bin sbin lib lib64; do [ ! -h "/$link" ] || cp -P "/$link" "$root/$link"; done
mount --bind /usr "$root/usr"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --bind /dev "$root/dev"
cp -P -R /etc/passwd /etc/alternatives "$root/etc/"
printf '%s / ext4 defaults 0 1\n%s /mnt/data ext4 nofail 0 2\nLABEL=ghost /mnt/ghost ext4 nofail 0 2\n' "${boot}p1" "$data" >"$root/etc/fstab"
printf '%s /mnt/done ext4 x-systemd.automount 0 2\n%s /mnt/auto ext4 x-systemd.automount 0 2\n' "$vdh" "$vdh" >>"$root/etc/fstab"

# -- host layouts --------------------------------------------------------------------------------------------------
made /mnt/{part2,data,fake,bmulti,bsub,btop,lboot,ldata,ldel,lsub,x,y,prop,tmpfs,zram,oboot,odata,vdf,xfs,ghost,auto,done,late}
m "${boot}p2" /mnt/part2
m "$data" /mnt/data
made /srv/{plain,fake,symboot,xover/data,yboot,propboot,low,oup,owork,volboot,wal,b,export} /var/lib/pgd
made /mnt/data/{own,pgsub,sym,xsub,ysub,propsrc,oup,owork,latesub,b,named,anon,parent,nest}
mark part_boot /srv/plain
mark part2_same_disk /mnt/part2
mark data_disk /mnt/data/own
m --bind /srv/fake /mnt/fake; mark bind_boot /mnt/fake
m --bind /mnt/data/pgsub /var/lib/pgd; mark bind_data /var/lib/pgd
m "$vdd" /mnt/bmulti
mark btrfs_multi /mnt/bmulti
for _ in $(seq 600); do for _ in 1 2 3 4; do head -c 1000 "$dir/one"; head -c 980 /dev/urandom; done; done >"$root/mnt/bmulti/marker"
m "$vde" /mnt/btop; inside btrfs -q subvolume create /mnt/btop/@sub; inside umount /mnt/btop
m -o subvol=@sub "$vde" /mnt/bsub; mark btrfs_sub /mnt/bsub
inner() { # LAYOUT IMAGE MOUNTPOINT: a filesystem in a file, mounted by its loop device
	inside truncate -s 32M "$2"; inside mkfs.ext4 -q "$2"
	inner_device=$(inside losetup -f --show "$2")
	m "$inner_device" "$3"; losetup -d "$inner_device"; mark "$1" "$3"
}
inner loop_on_boot /srv/img1 /mnt/lboot
inner loop_on_data /mnt/data/img2 /mnt/ldata
inner loop_deleted /srv/img3 /mnt/ldel
inner loop_on_btrfs_sub /mnt/bsub/img4 /mnt/lsub
inside ln -s /srv/symboot /mnt/link; mark symlink_to_boot /mnt/link
inside ln -s /mnt/data/sym /var/lib/symdata; mark symlink_to_data /var/lib/symdata
made /mnt/x/data; m --bind /mnt/data/xsub /mnt/x/data; m --bind /srv/xover /mnt/x; mark shadowed /mnt/x/data
m --bind /mnt/data/ysub /mnt/y; m --bind /srv/yboot /mnt/y; mark mount_over_mount /mnt/y
m --make-shared /mnt/data; m --bind /mnt/data/propsrc /mnt/prop; m --bind /srv/propboot /mnt/data/propsrc; mark propagated /mnt/prop
m -t tmpfs tmpfs /mnt/tmpfs; mark tmpfs /mnt/tmpfs
if [ -r /sys/class/zram-control/hot_add ]; then
	zram=$(cat /sys/class/zram-control/hot_add); echo "$zram" >"$dir/zram"
	echo 32M >"/sys/block/zram$zram/disksize"; mkfs.ext4 -q "/dev/zram$zram"; m "/dev/zram$zram" /mnt/zram; mark zram /mnt/zram
fi
m -t overlay ov -o lowerdir=/srv/low,upperdir=/srv/oup,workdir=/srv/owork /mnt/oboot; mark overlay_upper_boot /mnt/oboot
m -t overlay ov -o lowerdir=/srv/low,upperdir=/mnt/data/oup,workdir=/mnt/data/owork /mnt/odata; mark overlay_upper_data /mnt/odata
m "$vdf" /mnt/vdf; mark data_not_in_fstab /mnt/vdf
m -t xfs -o logdev="${boot}p4" "$vdg" /mnt/xfs; mark xfs_extlog /mnt/xfs
mark fstab_not_mounted /mnt/ghost
echo 'path_missing /srv/nothing/here' >>"$dir/layouts"
mkfifo "$dir/pipe"; exec 7<>"$dir/pipe"
group=$(ps -o pgid= -p $$ | tr -d ' ')
for target in auto done; do m -t autofs -o "fd=7,pgrp=$group,minproto=5,maxproto=5,direct" systemd-1 "/mnt/$target"; done
m "$vdh" /mnt/done; mark automount_done /mnt/done
echo 'automount_pending /mnt/auto/pg' >>"$dir/layouts"

# -- one pretended container: the tables are the kernel's, docker itself is not there ----------------------------------
c=/mnt/data/docker/overlay2/c1
made "$c"/{diff,work,merged} /srv/image/{usr,proc,data,d/boot,d/data,d/late,d/named,d/bindopt,d/tmp,pg/data,nest/wal,scratch} /mnt/data/nest/wal /mnt/data/parent/data
inside ln -s usr/lib64 /srv/image/lib64; inside ln -s usr/lib /srv/image/lib; inside ln -s /scratch /mnt/data/b/pg_wal
cat >"$root/run/container" <<END
set -eu
mount -t overlay overlay -o lowerdir=/srv/image,upperdir=$c/diff,workdir=$c/work $c/merged
cd $c/merged
mount --bind /usr usr; mount -t proc proc proc; mount -t tmpfs tmpfs d/tmp
for pair in /srv/b:d/boot /mnt/data/b:d/data /mnt/late:d/late /mnt/data/named:d/named /srv/volboot:d/bindopt /mnt/data/parent:pg /mnt/data/anon:pg/data /mnt/data/nest:nest /srv/wal:nest/wal; do
	mount --bind "\${pair%:*}" "\${pair#*:}"
done
echo ready >/run/ready
exec chroot . /usr/bin/sleep 300
END
setsid chroot "$root" /usr/bin/unshare -m --propagation private /usr/bin/sh /run/container &
for _ in $(seq 100); do [ -e "$root/run/ready" ] && break; sleep 0.1; done
pid=$(pgrep -f -x '/usr/bin/sleep 300' -n)
m --bind /mnt/data/latesub /mnt/late
for pair in d_writable_layer:/data d_bind_boot:/d/boot d_bind_data:/d/data d_late_mount:/d/late d_named:/d/named d_vol_bindopt:/d/bindopt \
	d_tmpfs:/d/tmp d_parent_anon:/pg/data d_nested:/nest/wal d_symlink_out:/d/data/pg_wal; do
	printf 'WBMARK:%s:%s\n' "${pair%:*}" "$(cat "$dir/nonce")" | nsenter -t "$pid" -m -r /usr/bin/tee "${pair#*:}/marker-${pair%:*}" >/dev/null
	printf '%s %s\n' "${pair%:*}" "${pair#*:}" >>"$dir/inside"
done
cat "/proc/$pid/mountinfo" >"$dir/container"

# -- read it, as we do and as the old way does -------------------------------------------------------------------------
inside rm /srv/img3
for target in / /mnt/data /mnt/part2 /mnt/bmulti /mnt/bsub /mnt/lboot /mnt/ldata /mnt/ldel /mnt/lsub /mnt/vdf /mnt/xfs /mnt/done; do sync -f "$root$target"; done
setsid timeout -s KILL 60 chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin /usr/bin/sh -s <"$dir/program" >"$dir/answer"
while read -r layout path; do
	said=$(timeout -s KILL 3 setsid chroot "$root" /usr/bin/findmnt -n -o SOURCE --target "$path" 2>/dev/null | tr '\n' '|') || true
	printf '%s %s\n' "$layout" "$said" >>"$dir/naive"
done <"$dir/layouts"
inside findmnt -n -o SOURCE --target / >"$dir/naive-root"
kill "$pid"
exec 7>&-
