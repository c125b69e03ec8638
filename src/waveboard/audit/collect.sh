# The one program waveboard runs on a host to read it. POSIX sh, no root, nothing written, every child bounded.
# It is fed to `/bin/sh -s` over stdin behind a parameter block (program.py) that sets wb_nonce, wb_root and wb_paths.
# With wb_root it reads a recorded tree instead of the machine, and asks the machine nothing.
# Frames: `@@NONCE begin NAME CAP`, `$argv`, `|data`, `!stderr`, `@@NONCE end RC MS`. docs/evidence.md documents every frame.

LC_ALL=C; PATH="$PATH:/usr/sbin:/usr/bin:/sbin:/bin"; export LC_ALL PATH; unset CDPATH; umask 077
wb_limit_total=4500 # hundredths of a second for everything; what has not begun by then is not begun
wb_ifs=$IFS
wb_nl='
'
wb_tab='	'

# The symlink walk. Also the text of the bounded children, hence kept in a variable; holds no single quote.
# It never touches what lies below an autofs mount nobody has triggered (wb_autofs), nor, unless told, below a network
# filesystem (wb_net). Sets w_canon w_exists w_ancestor w_blocked w_problem; paths are without wb_root.
wb_walker='
listed() { case "
$1" in *"
$2
"*) return 0 ;; esac; return 1; }
walk() {
	w_canon= w_rest=$1 w_exists=1 w_ancestor= w_blocked= w_problem= w_links=0
	while :; do
		while :; do case $w_rest in /*) w_rest=${w_rest#/} ;; *) break ;; esac; done
		[ -n "$w_rest" ] || break
		w_part=${w_rest%%/*}
		case $w_rest in */*) w_rest=${w_rest#*/} ;; *) w_rest= ;; esac
		case $w_part in .) continue ;; ..) w_canon=${w_canon%/*}; continue ;; esac
		w_next=$w_canon/$w_part
		[ "$w_exists" = 1 ] || { w_canon=$w_next; continue; }
		if listed "$wb_autofs" "$w_next"; then
			if [ -n "$w_rest" ] && listed "$wb_mounted" "$w_next/${w_rest%%/*}"; then w_canon=$w_next; continue; fi
			w_problem="autofs pending at $w_next"; w_ancestor=$w_canon w_canon=$w_next; return
		fi
		if listed "$wb_net" "$w_next"; then w_problem=network w_ancestor=$w_canon w_canon=$w_next; return; fi
		if [ -h "$wb_root$w_next" ]; then
			case $wb_root$w_next in /proc/self|/proc/thread-self|/proc/*/root|/proc/*/cwd|/proc/*/exe|/proc/*/fd/*|/proc/*/ns/*)
				w_problem="magic link $w_next"; w_ancestor=$w_canon; return ;; esac
			w_links=$((w_links + 1))
			if [ "$w_links" -gt 40 ]; then w_problem="too many links"; w_ancestor=$w_canon; return; fi
			w_to=$(readlink "$wb_root$w_next" && echo .) || { w_problem="cannot read link $w_next"; return; }
			w_to=${w_to%??}
			case $w_to in /*) w_canon= ;; esac
			w_rest=$w_to/$w_rest
		elif [ -e "$wb_root$w_next" ]; then
			w_canon=$w_next
		else
			if [ -d "$wb_root${w_canon:-/}" ] && ! [ -x "$wb_root${w_canon:-/}" ]; then w_blocked=${w_canon:-/}; fi
			w_exists=0 w_ancestor=${w_canon:-/} w_canon=$w_next
		fi
	done
	w_canon=${w_canon:-/}
}
describe() { # one line: path canonical exists ancestor mount_id blocked non_empty problem, tab separated
	walk "$1"
	d_id= d_full=
	if [ -z "$w_problem$w_blocked$wb_root" ]; then
		d_at=$w_canon; [ "$w_exists" = 1 ] || d_at=$w_ancestor
		# what cannot be opened and is no mount point lies on the mount of the directory above it
		until [ -r "$d_at" ] || [ "$d_at" = / ] || listed "$wb_mounted" "$d_at"; do d_at=${d_at%/*}; d_at=${d_at:-/}; done
		{ [ -d "$d_at" ] || [ -f "$d_at" ]; } && { while read -r d_key d_value; do case $d_key in mnt_id:) d_id=$d_value; break ;; esac; done </proc/self/fdinfo/3
		} 2>/dev/null 3<"$d_at"
	fi
	if [ -z "$w_problem" ] && [ "$w_exists" = 1 ] && [ -d "$wb_root$w_canon" ] && [ -r "$wb_root$w_canon" ]; then
		d_full=0
		for d_entry in "$wb_root$w_canon"/* "$wb_root$w_canon"/.[!.]* "$wb_root$w_canon"/..?*; do
			if [ -e "$d_entry" ] || [ -h "$d_entry" ]; then d_full=1; break; fi
		done
	fi
	case $w_canon$w_ancestor$w_blocked$w_problem in
	*[[:cntrl:]]*) w_problem="a control character in the resolved name"; w_canon= w_ancestor= w_blocked= ;; esac
	printf "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n" "$1" "$w_canon" "$w_exists" "$w_ancestor" "$d_id" "$w_blocked" "$d_full" "$w_problem"
}'
eval "$wb_walker"

# -- frames ---------------------------------------------------------------------------------------------------------

now() { # hundredths of a second since boot
	wb_now=0
	{ IFS=' ' read -r n_up n_rest </proc/uptime; } 2>/dev/null || return 0
	case $n_up in 0.*) ;; *) wb_now=${n_up%.*}${n_up#*.} ;; esac
}
begin() { printf '@@%s begin %s %s\n' "$wb_nonce" "$1" "${2:-0}"; } # NAME [CAP]
finish() { # a frame begins when the one before it ended: one look at the clock a frame
	wb_began=$wb_now; now; f_ms=$(((wb_now - wb_began) * 10)); [ "$f_ms" -ge 0 ] || f_ms=0
	printf '@@%s end %s %s\n' "$wb_nonce" "$1" "$f_ms"
}
late() { [ $((wb_now - wb_start)) -gt "$wb_limit_total" ]; }
refuse() { begin "$1"; printf '\n!%s\n' "$3"; finish "$2"; } # a frame without data that says why

at() { # where PATH really is: itself on a live machine, resolved inside the tree otherwise. Sets a_file.
	a_file=$1
	[ -n "$wb_root" ] || return 0
	walk "$1"
	[ "$w_exists" = 1 ] && [ -z "$w_problem" ] || { a_file=/nonexistent; return 1; }
	a_file=$wb_root$w_canon
}
prefix() { sed 's/^/|/'; }
complain() { # TEXT: its first lines as stderr lines
	c_left=20; set -f; IFS=$wb_nl
	for c_line in $1; do [ "$c_left" -gt 0 ] && printf '!%.400s\n' "$c_line"; c_left=$((c_left - 1)); done
	IFS=$wb_ifs; set +f
}
copy() { # NAME FILE: the bytes of one file
	at "$2"
	if ! [ -f "$a_file" ] || ! [ -r "$a_file" ]; then
		if [ -e "$a_file" ]; then refuse "$1" 1 "cannot read $2: permission denied"; else refuse "$1" 1 "cannot read $2: no such file"; fi
		return 0
	fi
	begin "$1"; printf '$cat\n$%s\n' "$2"
	if [ -n "$wb_root" ]; then head -c 4194304 <"$a_file" | prefix; else prefix 2>/dev/null <"$a_file"; fi
	c_rc=$?
	echo
	finish "$c_rc"
}
run() { # NAME SECONDS CAP COMMAND...: one bounded child. CAP: bytes, or lines where a line cannot be long (5000l), which saves a child
	r_name=$1 r_seconds=$2 r_cap=$3; shift 3
	command -v "$1" >/dev/null 2>&1 || { refuse "$r_name" 127 "$1: not installed"; return 0; }
	if late; then refuse "$r_name" 124 "the total time limit was reached"; return 0; fi
	begin "$r_name" "$r_cap"; printf '$%s\n' "$@"
	case $r_cap in
	*l) r_err=$({ { timeout -s KILL "$r_seconds" "$@" 4>&-; printf 'rc %s' "$?" >&2; } | sed -e 's/^/|/' -e "${r_cap%l}q" >&4; } 2>&1) ;;
	*) r_err=$({ { timeout -s KILL "$r_seconds" "$@" 4>&-; printf 'rc %s' "$?" >&2; } | head -c "$r_cap" | prefix >&4; } 2>&1) ;;
	esac
	echo
	r_rc=${r_err##*rc }; r_err=${r_err%rc *}
	complain "$r_err"
	finish "${r_rc:-1}"
}
value() { # KEY FILE: `|KEY first-line`, nothing when there is no such file
	at "$2" || return 0
	[ -f "$a_file" ] && [ -r "$a_file" ] || return 0
	v_line=
	{ IFS= read -r v_line <"$a_file"; } 2>/dev/null || [ -n "$v_line" ] || return 0
	printf '|%s %s\n' "$1" "$v_line"
}
lines() { # FILE: every line prefixed, by builtins: for a few short lines only
	at "$1" || return 1
	[ -f "$a_file" ] && [ -r "$a_file" ] || return 1
	while IFS= read -r l_line || [ -n "$l_line" ]; do printf '|%s\n' "$l_line"; done 2>/dev/null <"$a_file"
}
short() { begin "$1"; printf '$cat\n$%s\n' "$2"; if lines "$2"; then echo; finish 0; else printf '\n!cannot read %s\n' "$2"; finish 1; fi; }

# -- what the host is -----------------------------------------------------------------------------------------------

meta() {
	begin meta
	value hostname /proc/sys/kernel/hostname
	[ -z "$wb_root" ] || { value hostname /etc/hostname; printf '|sysroot %s\n' "$wb_root"; }
	value boot_id /proc/sys/kernel/random/boot_id
	value machine_id /etc/machine-id
	value kernel /proc/sys/kernel/osrelease
	if at /etc/os-release && [ -f "$a_file" ]; then
		while IFS= read -r m_line; do case $m_line in ID=*|VERSION_ID=*) printf '|os %s\n' "$m_line" ;; esac; done <"$a_file"
	fi
	if [ -z "$wb_root" ]; then
		while read -r m_key m_real m_uid m_rest; do case $m_key in Uid:) printf '|uid %s\n' "$m_uid"; wb_uid=$m_uid; break ;; esac; done </proc/self/status
		for m_tool in rsync sudo python3 curl systemctl mkfs.ext4 blkid findmnt docker; do
			for m_dir in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
				if [ -x "$m_dir/$m_tool" ]; then printf '|tool %s %s\n' "$m_tool" "$m_dir/$m_tool"; break; fi
			done
		done
	fi
	echo; finish 0
}

# What is made of lines, in one child: every file it is told of, framed as `copy` would or read for what it says. Its words: m FILE: the
# mount table, framed; t FILE: the table, not framed; c NAME FILE: a frame; x NAME FILE: a frame whose bytes are exact; f: the frame of
# the unit files; u FILE: one of those. It tells on stderr: which targets are autofs and pending, which are network, which are worth a
# statfs; `inexact` where it knows no zero byte. A unit file that went away meanwhile is skipped, which an awk that is given file names
# would not do. No file that is there and cannot be read may come here: mawk ends at the first.
wb_reading='
function plain(s) { while (match(s, /\\0[0-7][0-7]|\\1[0-7][0-7]/)) { c = substr(s, RSTART + 1, 3)
	v = substr(c, 1, 1) * 64 + substr(c, 2, 1) * 8 + substr(c, 3, 1)
	if (v < 32) return ""; done = done substr(s, 1, RSTART - 1) sprintf("%c", v); s = substr(s, RSTART + 4) }
	s = done s; done = ""; return s }
function tell(kind, what) { print kind what > "/dev/stderr" }
function mounted(line,    f, n, i, fs, t) { n = split(line, f, " ")
	fs = ""; for (i = 7; i <= n; i++) if (f[i] == "-") { fs = f[i + 1]; break }
	t = plain(f[5]); if (t == "") return; if (fs == "zfs") tell("zfs", "")
	over[f[2] SUBSEP f[5]] = 1; tell("mounted ", t)
	if (fs == "autofs") { raw[f[1]] = f[5]; auto[f[1]] = t; return }
	if (fs ~ /^(nfs|nfs4|cifs|smb3|smbfs|ceph|glusterfs|lustre|afs|9p|virtiofs|ocfs2|gfs2|vboxsf|fuse|fuseblk|fuse[.].*)$/) { tell("net ", t); return }
	if (fs ~ /^(proc|sysfs|devpts|devtmpfs|cgroup|cgroup2|mqueue|debugfs|tracefs|securityfs|pstore|bpf|configfs|fusectl|hugetlbfs|nsfs|rpc_pipefs|binfmt_misc|efivarfs|ramfs|autofs)$/) return
	if (fs == "overlay" && t != "/") return
	if (fs == "tmpfs" && t !~ /^\/(tmp|mnt|srv|data|var|opt)/) return
	tell("local ", t) }
function copied(name, file, table,    line, got) {
	if (name != "") printf "@@%s begin %s 0\n$cat\n$%s\n", nonce, name, file
	while ((got = (getline line < file)) > 0) { if (name != "") print "|" line; if (table) mounted(line) }
	if (name != "") ended(file, got)
	close(file) }
function ended(file, got) { if (got < 0) printf "\n!cannot read %s\n@@%s end 1 0\n", file, nonce; else printf "\n@@%s end 0 0\n", nonce }
function exact(name, file,    part, text, between, got) { # in pieces between bytes that no text has, the last line ended or not
	if (length(sprintf("%c", 0)) != 1) { tell("inexact", ""); return }
	printf "@@%s begin %s 0\n$cat\n$%s\n", nonce, name, file; RS = "\001"
	while ((got = (getline part < file)) > 0) { text = text between part; between = RS }
	RS = "\n"; close(file)
	if (text != "") { part = sub(/\n$/, "", text) ? "\n" : ""; gsub(/\n/, "\n|", text); printf "|%s%s", text, part }
	ended(file, got) }
function unit(file,    line, told) {
	while ((getline line < file) > 0) { if (!told++) print "|F " substr(file, cut + 1)
		if (line ~ /^(What|Where|Type|Options|SourcePath) *=/ || line ~ /^(S:|E:ID_(SERIAL|SERIAL_SHORT|SCSI_SERIAL|WWN|FS_TYPE|FS_UUID|FS_UUID_SUB|FS_LABEL)=)/) print "|L " line }
	close(file) }
BEGIN { nonce = ARGV[1]; cut = ARGV[2]
	for (a = 3; a < ARGC; a++) {
		if (ARGV[a] == "m") copied("mountinfo", ARGV[++a], 1)
		else if (ARGV[a] == "t") copied("", ARGV[++a], 1)
		else if (ARGV[a] == "c") { copied(ARGV[a + 1], ARGV[a + 2], 0); a += 2 }
		else if (ARGV[a] == "x") { exact(ARGV[a + 1], ARGV[a + 2]); a += 2 }
		else if (ARGV[a] == "f") { framed = 1; printf "@@%s begin files 0\n", nonce }
		else unit(ARGV[++a]) }
	if (framed) printf "\n@@%s end 0 0\n", nonce
	for (i in auto) if (!((i SUBSEP raw[i]) in over)) tell("autofs ", auto[i]) }'
opens() { [ -f "$1" ] && { IFS= read -r o_line <"$1"; } 2>/dev/null; }
tables() { # sets wb_autofs wb_net wb_mounted wb_local: newline-terminated lists of mount targets
	wb_autofs= wb_net= wb_mounted= wb_local= wb_table= t_one= t_copy=
	command -v awk >/dev/null 2>&1 || wb_no_table=1
	[ -n "$wb_root${wb_no_table-}" ] || ! opens /proc/self/mountinfo || ! opens /proc/net/fib_trie || t_one=1
	unit_files
	set --
	if [ -n "$t_one" ]; then
		set -- m /proc/self/mountinfo c fib_trie /proc/net/fib_trie
		if opens /proc/1/mountinfo; then set -- "$@" c mountinfo1 /proc/1/mountinfo; else copy mountinfo1 /proc/1/mountinfo; fi
		for t_file in swaps mdstat cmdline net/if_inet6; do
			if [ -f /proc/$t_file ] && [ -r /proc/$t_file ]; then set -- "$@" c "${t_file#*/}" /proc/$t_file; else short "${t_file#*/}" /proc/$t_file; fi
		done
		if [ -f /etc/fstab ] && [ -r /etc/fstab ]; then set -- "$@" x fstab /etc/fstab; else copy fstab /etc/fstab; fi
		set -- "$@" f
	else
		copy fstab /etc/fstab
		for t_file in swaps mdstat cmdline net/if_inet6; do short "${t_file#*/}" /proc/$t_file; done
		t_table=/proc/self/mountinfo t_told=
		[ -z "$wb_root" ] || recorded_table
		copy mountinfo "$t_table"
		copy mountinfo1 /proc/1/mountinfo
		[ -z "$wb_root" ] || [ -n "$t_told" ] || mounts
		copy fib_trie /proc/net/fib_trie
		if at "${t_told:-$t_table}" && [ -f "$a_file" ]; then set -- t "$a_file"; fi
		begin files
	fi
	set -f; IFS=$wb_nl; set -- "$@" $w_files
	[ -n "${wb_no_table-}" ] || wb_table=$(awk "$wb_reading" "$wb_nonce" "${#wb_root}" "$@" 2>&1 >&4) || wb_no_table=1
	for t_line in $wb_table; do
		case $t_line in
		"autofs "*) wb_autofs=$wb_autofs${t_line#autofs }$wb_nl ;;
		"net "*) [ -n "$wb_root" ] || wb_net=$wb_net${t_line#net }$wb_nl ;; # nothing in a tree hangs
		"mounted "*) wb_mounted=$wb_mounted${t_line#mounted }$wb_nl ;;
		"local "*) wb_local=$wb_local${t_line#local }$wb_nl ;;
		inexact) t_copy=1 ;;
		esac
	done
	IFS=$wb_ifs; set +f
	[ -z "$t_copy" ] || copy fstab /etc/fstab
	[ -n "$t_one" ] || { echo; finish 0; }
}
filled() { at "$1" && [ -f "$a_file" ] && [ -s "$a_file" ]; } # of a tree: it holds the file, and something is in it
recorded_table() { # sets t_table: a tree's mount table, and t_told: the one that was saved whole, pid 1's or, without either, some process's
	for t_file in /proc/self/mountinfo /proc/thread-self/mountinfo; do
		if filled "$t_file"; then t_table=$t_file t_told=$t_file; return 0; fi
	done
	if filled /proc/1/mountinfo; then t_told=/proc/1/mountinfo; return 0; fi
	at /proc || return 0
	t_pid=
	for t_file in "$a_file"/[1-9]*/mountinfo; do # the oldest process is the likeliest to see what pid 1 sees
		t_file=${t_file%/*}; t_file=${t_file##*/}
		case $t_file in *[!0-9]*|????????????*) continue ;; esac
		if [ "${t_pid:-$t_file}" -ge "$t_file" ] && filled "/proc/$t_file/mountinfo"; then t_pid=$t_file; fi
	done
	[ -z "$t_pid" ] || t_table=/proc/$t_pid/mountinfo t_told=$t_table
}
mounts() { # a recording may hold the older table only: mounts(5) without ids and device numbers
	for m_file in /proc/self/mounts /proc/thread-self/mounts /proc/1/mounts /proc/mounts /etc/mtab; do
		filled "$m_file" && { copy mounts "$m_file"; return 0; }
	done
}
unit_files() { # sets w_files: `u` and a file, a line each: mount units and udev's records
	set --
	for u_dir in /etc/systemd/system /run/systemd/system /run/systemd/generator /usr/lib/systemd/system /lib/systemd/system; do
		[ -z "$wb_root" ] && [ -h /lib ] && [ "$u_dir" = /lib/systemd/system ] && continue
		at "$u_dir" || continue
		set -- "$@" "$a_file"/*mount
		if [ -z "$wb_root" ]; then set -- "$@" "$a_file"/*.[rw][ae]*s/*mount; continue; fi # wants, requires; each pattern reads the directory again
		for u_wants in "$a_file"/*.[rw][ae]*s; do [ -h "$u_wants" ] || set -- "$@" "$u_wants"/*mount; done # a link may lead out of the tree
	done
	at /run/udev/data && set -- "$@" "$a_file"/b*
	w_files=
	for g_file in "$@"; do
		case $g_file in *"$wb_nl"*) continue ;; *.mount|*.automount|*.wants/*|*.requires/*|*/b[0-9]*:*) ;; *) continue ;; esac
		[ -f "$g_file" ] && [ -r "$g_file" ] || continue
		if [ -n "$wb_root" ]; then at "${g_file#"$wb_root"}" || continue; g_file=$a_file; fi # no link of a tree is followed
		w_files=${w_files}u$wb_nl$g_file$wb_nl
	done
}

# -- block devices, from sysfs alone --------------------------------------------------------------------------------

# By the shell itself: an attribute that cannot be read (a CD drive has no wwid) ends an awk, with every device that would come after.
attribute() { # KEY FILE in the current device: |KEY value; some end without a newline
	if [ -n "$wb_root" ]; then value "$1" "$b_dir/$2"; return 0; fi
	b_value=
	[ -f "$2" ] && [ -r "$2" ] && { IFS= read -r b_value <"$2" || [ -n "$b_value" ]; } || return 0
	printf '|%s %s\n' "$1" "$b_value"
}
device() { # the device whose directory, resolved, is $1 (without wb_root); the current directory on a live machine. $2: its name, if another
	b_dir=$1 b_name=${2:-${1##*/}} b_at=$1
	case $wb_root:$b_dir in
	:*|*:/sys/devices/*) ;;
	*) walk "$b_dir/device"; case $w_canon in /sys/devices/*) b_at=$w_canon/block/$b_name ;; esac ;; # kernels whose /sys/block is no list of links
	esac
	printf '|dev %s\n|at %s\n' "$b_name" "${b_at#/sys}"
	v_line=; attribute number dev
	case $v_line:$b_dir in *:*:/sys/devices/*) b_done=$b_done$b_name$wb_nl$v_line$wb_nl ;; esac # nothing is left to be told of it
	attribute size size
	case $wb_root:$b_dir in
	*/virtual/block/loop*/*) ;; # a partition
	:*/virtual/block/loop[0-9]*) [ -e loop ] || return 0 ;; # attached to no file, as most are: nothing more to tell
	esac
	attribute ro ro; attribute partition partition
	attribute rotational queue/rotational
	attribute serial serial; attribute serial device/serial
	attribute wwid wwid; attribute wwid device/wwid
	attribute transport device/transport; attribute transport device/../transport
	case $b_at in
	*/session[0-9]*/*)
		b_session=${b_at#*/session}; b_session=/sys/class/iscsi_connection/connection${b_session%%/*}:0
		value address "$b_session/persistent_address"; value address "$b_session/address" ;;
	*/nvme-fabrics/*) attribute address ../address ;;
	esac
	[ -z "$wb_root" ] || [ ! -h "$wb_root$b_dir/slaves" ] || return 0
	for b_slave in "$wb_root$b_dir"/slaves/*; do
		if [ -e "$b_slave" ] || [ -h "$b_slave" ]; then printf '|slave %s\n' "${b_slave##*/}"; fi
	done
	[ ! -d "$wb_root$b_dir/dm" ] || { attribute dm_name dm/name; attribute dm_uuid dm/uuid; }
	[ ! -d "$wb_root$b_dir/md" ] || { attribute md_level md/level; attribute md_state md/array_state; attribute md_degraded md/degraded; }
	[ ! -d "$wb_root$b_dir/loop" ] || { backing "$b_dir/loop/backing_file"; wb_loops=1; }
}
backing() { # a name with a line break in it is told as no name at all: its first line may be another file's
	at "$1" && [ -f "$a_file" ] && [ -r "$a_file" ] || return 0
	{ IFS= read -r b_value && { IFS= read -r b_more || [ -n "$b_more" ]; } && b_value="a name with a line break"; } 2>/dev/null <"$a_file"
	[ -z "$b_value" ] || printf '|loop_file %s\n' "$b_value"
}
block() {
	begin block; wb_loops= b_seen=$wb_nl b_done=$wb_nl
	if [ -z "$wb_root" ]; then
		for b_link in /sys/class/block/*; do cd -P "$b_link" && device "$PWD"; done 2>/dev/null
		cd /
	else
		for b_list in /sys/class/block /sys/block /sys/dev/block; do
			at "$b_list" || continue
			for b_link in "$a_file"/*; do
				b_link=${b_link##*/}
				case $b_done in *"$wb_nl$b_link$wb_nl"*) continue ;; esac # a link costs a child
				walk "$b_list/$b_link"; b_to=$w_canon
				if [ "$w_exists" = 1 ] && [ -d "$wb_root$b_to" ]; then
					recorded "$b_to"
					for b_part in "$wb_root$b_to"/*/partition "$wb_root$b_to"/*/start; do # older kernels do not number their partitions
						if [ ! -f "$b_part" ] || [ -h "${b_part%/*}" ]; then continue; fi
						b_part=${b_part%/*}; recorded "${b_part#"$wb_root"}"
					done
				else # where a link leads was not saved; where that is says much
					case $w_exists$w_problem$b_to in 0/sys/devices/*/*) told "$b_to" ;; *) continue ;; esac
				fi
				case $b_list/${b_to##*/} in
				/sys/dev/block/*:*) ;;
				/sys/dev/block/*) told "$b_to"; printf '|number %s\n' "$b_link" ;;
				esac
			done
		done
	fi
	echo
	if [ "$b_seen" = "$wb_nl" ] && [ -n "$wb_root" ]; then printf '!no block devices were recorded\n'; finish 1; else finish 0; fi
}
told() { printf '|dev %s\n|at %s\n' "${1##*/}" "${1#/sys}"; b_seen=$b_seen$wb_nl; } # a name and a place, no more
recorded() { # a directory of the tree, once; one that is called by its number tells its name inside, or is nobody's
	case $b_seen in *"$wb_nl$1$wb_nl"*) return 0 ;; esac
	b_named=
	case ${1##*/} in
	[0-9]*:[0-9]*)
		if at "$1/uevent" && opens "$a_file"; then while IFS= read -r b_line; do case $b_line in DEVNAME=*) b_named=${b_line#*=} ;; esac; done <"$a_file"; fi
		case $b_named in '') return 0 ;; */*) b_named=${b_named%%/*}!${b_named#*/} ;; esac ;;
	esac
	b_seen=$b_seen$1$wb_nl
	device "$1" "$b_named"
}
pools() { # filesystems that span devices by themselves
	begin pools
	for p_fs in btrfs bcachefs; do
		at "/sys/fs/$p_fs" || continue
		for p_dir in "$a_file"/*-*-*-*-*; do
			[ -d "$p_dir" ] && at "${p_dir#"$wb_root"}/" && [ "$p_dir" = "${a_file%/}" ] || continue
			printf '|pool %s %s\n' "$p_fs" "${p_dir##*/}"
			for p_dev in "$p_dir"/devices/* "$p_dir"/dev-*/block; do
				[ -e "$p_dev" ] || [ -h "$p_dev" ] || continue
				case $p_dev in
				*/block) p_to=$(readlink "$p_dev") && printf '|member %s\n' "${p_to##*/}" ;;
				*) printf '|member %s\n' "${p_dev##*/}" ;;
				esac
			done
			for p_dev in "$p_dir"/devinfo/*/missing; do
				[ -f "$p_dev" ] && [ ! -h "$p_dev" ] && { read -r p_gone <"$p_dev"; } 2>/dev/null && [ "$p_gone" = 1 ] && echo '|missing 1'
			done
		done
	done
	at /sys/class/ubi && for p_dev in "$a_file"/ubi*; do # flash that volumes are on, a directory a device
		p_dir=${p_dev##*/}
		case $p_dir in *_*|*[!a-z0-9]*) continue ;; esac
		at "/sys/class/ubi/$p_dir/mtd_num" && opens "$a_file" && printf '|pool ubi %s\n|member mtdblock%s\n' "$p_dir" "$o_line"
	done
	echo; finish 0
}
names() { # udev's names; on a live machine also the mount namespaces, in the same child
	if [ -z "$wb_root" ]; then
		set -- /proc/self/ns/mnt /proc/1/ns/mnt
		for k_link in /dev/disk/by-uuid/* /dev/disk/by-label/* /dev/disk/by-partuuid/* /dev/disk/by-partlabel/* /dev/disk/by-path/* /dev/disk/by-id/* /dev/mapper/*; do
			[ ! -h "$k_link" ] || set -- "$@" "$k_link"
		done
		begin links 5000l; printf '$ls\n$-ldn\n'
		k_told=$(ls -ldn "$@" 2>/dev/null)
		set -f; IFS=$wb_nl; set -- $k_told; IFS=$wb_ifs; set +f
		[ $# = 0 ] || printf '|%s\n' "$@"
		echo; finish 0
		return 0
	fi
	begin links
	for k_dir in /dev/disk/by-uuid /dev/disk/by-label /dev/disk/by-partuuid /dev/disk/by-partlabel /dev/disk/by-path /dev/disk/by-id /dev/mapper; do
		at "$k_dir" || continue
		for k_link in "$a_file"/*; do
			[ -h "$k_link" ] && k_to=$(readlink "$k_link") && printf '|l 1 0 0 0 %s/%s -> %s\n' "$k_dir" "${k_link##*/}" "$k_to"
		done
	done
	echo; finish 0
}
# -- sizes and paths ------------------------------------------------------------------------------------------------

local_paths() { # sizes, local paths and /tmp, in one child; what is on a network, or was not answered, is kept for the end in wb_later
	wb_later= p_told= p_rc= p_tmp= wb_tmp=
	if [ -n "$wb_root" ]; then
		refuse usage 1 'a recorded tree holds no usage'
	elif [ -n "${wb_no_table-}" ]; then
		refuse usage 127 'awk: not installed'
	elif late; then
		refuse usage 124 'the total time limit was reached'
	else
		set -f; IFS=$wb_nl; set -- $wb_paths; IFS=$wb_ifs; set +f
		if ! listed "$wb_net$wb_autofs" /tmp && command -v find >/dev/null 2>&1; then p_tmp=$wb_below; fi
		p_told=$(WB_LOCAL=$wb_local WB_AUTOFS=$wb_autofs WB_NET=$wb_net WB_MOUNTED=$wb_mounted WB_NONCE=$wb_nonce \
			timeout -s KILL 8 /bin/sh -c "$wb_lists$wb_walker$wb_sizes$wb_each$p_tmp" sh "$@" 2>/dev/null)
		p_rc=$?
		case $wb_nl$p_told$wb_nl in *"${wb_nl}tmp$wb_nl"*) close_tmp ;; esac
		p_rc=
		local_usage
	fi
	begin paths; set -f; IFS=$wb_nl; set -- $wb_paths; IFS=$wb_ifs; set +f
	printf '$%s\n' describe "$@"
	if [ -n "${wb_no_table-}" ]; then
		echo; echo '!awk: not installed, so what must not be touched is not known'; finish 127; return 0
	fi
	for p_path in "$@"; do
		if [ -n "$wb_root" ]; then p_line=$(describe "$p_path"); printf '|%s\n' "$p_line"; continue; fi
		p_line=
		case "$wb_nl$p_told$wb_nl" in
		*"$wb_nl$p_path$wb_tab"*"$wb_nl"*) p_line=${p_told#*"$p_path$wb_tab"}; p_line=$p_path$wb_tab${p_line%%"$wb_nl"*} ;;
		esac
		case $p_line in ''|*"${wb_tab}network") wb_later=$wb_later$p_path$wb_nl ;; *) printf '|%s\n' "$p_line" ;; esac
	done
	echo; finish 0
}
wb_sizes='
IFS="
"; set -f; stat -f -c "%S %b %f %a %c %d %n" $WB_LOCAL 2>&1; echo "rc $?"; set +f; unset IFS'
local_usage() { # lines that begin with a number are answers, the others up to the status are complaints
	begin usage 2000l; printf '$%s\n' stat -f -c '%S %b %f %a %c %d %n'
	l_complaints=; set -f; IFS=$wb_nl
	for l_line in $wb_local; do printf '$%s\n' "$l_line"; done
	for l_line in $p_told; do
		case $l_line in
		'rc '*) p_rc=${l_line#rc }; break ;;
		[0-9]*) printf '|%s\n' "$l_line" ;;
		*) l_complaints=$l_complaints$l_line$wb_nl ;;
		esac
	done
	IFS=$wb_ifs; set +f
	p_told=${p_told#*"rc $p_rc$wb_nl"}
	echo; complain "$l_complaints"
	finish "${p_rc:-137}"
}
wb_lists='wb_root=; wb_autofs=$WB_AUTOFS wb_net=$WB_NET wb_mounted=$WB_MOUNTED;'
wb_each='
for e_path in "$@"; do describe "$e_path"; done'
# Files above 1 MB below /tmp; the floor is in blocks of 512 bytes. The frame goes to the stream, what find complains of and its status to
# whoever waits, behind a line `tmp`. Where nothing is found, which is most hosts, no further child is needed. What is found is kept in
# memory for a moment: the limit is for one who fills /tmp with names.
wb_find='/tmp -xdev -maxdepth 2 -type f -size +1953 -exec stat -c'
wb_below='
echo tmp; set -f; set -- find '$wb_find' "%s %n" {} +
printf "@@%s begin tmp 2000l\n" "$WB_NONCE" >&4; printf "\$%s\n" "$@" >&4
exec 5>&1; ulimit -v 262144; b_found=$("$@" 2>&5 4>&-); b_rc=$?
[ -z "$b_found" ] || printf "%s\n" "$b_found" | sed -e "s/^/|/" -e 2000q >&4
echo "rc $b_rc"'
close_tmp() { # the frame that the child opened: killed, it has no status of its own
	wb_tmp=${p_told#*"${wb_nl}tmp$wb_nl"}
	p_told=${p_told%%"${wb_nl}tmp$wb_nl"*}$wb_nl
	[ "$p_rc" != 0 ] || p_rc=${wb_tmp##*rc }
	echo; complain "${wb_tmp%rc *}"
	finish "$p_rc"; wb_tmp=told
}
network() { # what may hang: each question its own child, all at once, one short line each; then nobody waits any longer
	begin network; printf '$describe\n$stat\n'
	n_pids=; set -f; IFS=$wb_nl
	for n_path in $wb_later; do
		{ n_line=$(WB_AUTOFS=$wb_autofs WB_NET= WB_MOUNTED=$wb_mounted timeout -s KILL 4 /bin/sh -c "$wb_lists$wb_walker$wb_each" sh "$n_path" 2>/dev/null 4>&-)
			case $n_line in "$n_path$wb_tab"*) printf '|path %s\n' "$n_line" ;; *) printf '|path %s\t\t1\t\t\t\t\ttimed out\n' "$n_path" ;; esac; } &
		n_pids="$n_pids$!$wb_nl"
	done
	for n_path in $wb_net; do
		[ -z "$wb_root" ] || break
		{ n_line=$(exec timeout -s KILL 4 stat -f -c '%S %b %f %a %c %d %n' "$n_path" 2>/dev/null 4>&-) && printf '|usage %s\n' "$n_line"; } &
		n_pids="$n_pids$!$wb_nl"
	done
	n_turn=0
	while [ -n "$n_pids" ] && [ "$n_turn" -lt 6 ]; do
		n_left=
		for n_pid in $n_pids; do if kill -0 "$n_pid" 2>/dev/null; then n_left="$n_left$n_pid$wb_nl"; fi; done
		n_pids=$n_left
		if [ -n "$n_pids" ]; then if [ "$n_turn" = 0 ]; then sleep 0.05 2>/dev/null || sleep 1; else sleep 1; fi; fi
		n_turn=$((n_turn + 1))
	done
	for n_pid in $n_pids; do kill -KILL "$n_pid" 2>/dev/null; done
	IFS=$wb_ifs; set +f
	echo; finish 0
}
large() { # where the one child did not come to it: in a child of its own
	[ -z "$wb_tmp" ] || return 0
	if [ -n "$wb_root" ]; then refuse tmp 1 'a recorded tree holds no sizes'; return 0; fi
	if listed "$wb_net" /tmp || listed "$wb_autofs" /tmp; then refuse tmp 1 '/tmp is on a network filesystem'; return 0; fi
	run tmp 5 2000l find $wb_find '%s %n' '{}' +
}

# -- docker: the reader behind one sudo line, else the socket itself, else the reason -------------------------------

wb_reader=/usr/local/libexec/waveboard/wb-ro
wb_socket=/var/run/docker.sock
secrets() { # JSON strings that may hold secrets are emptied: environments, arguments, labels, proxies, passwords
	sed -E -e 's/"(Env|Cmd|Args|Entrypoint|Test|Command|Log|Binds)":\[("([^"\\]|\\.)*",?)*\]/"\1":[]/g' \
		-e 's/"(Command|Path|Output|Description|HttpProxy|HttpsProxy)":"([^"\\]|\\.)*"/"\1":""/g' \
		-e 's/"Labels":\{("([^"\\]|\\.)*":"([^"\\]|\\.)*",?)*\}/"Labels":{}/g' \
		-e 's/(user(name)?|pass(word|wd)?|secret|token|cred[a-z]*)=([^",\\]|\\.)*/\1=/gI' -e 's#//[^"/@]*@#//#g' | limits
}
limits() { # of a log's options max-size and max-file stay; # marks what is done, and a line with a LogConfig of another form is cut
	l_head='("LogConfig":\{"Type":"[^"\\]*","Config":\{)' l_any='("([^"\\]|\\.)*":"([^"\\]|\\.)*",)*' l_rest='(,"([^"\\]|\\.)*":"([^"\\]|\\.)*")*\}'
	l_file='("max-file":"[^"\\]*")' l_size='("max-size":"[^"\\]*")'
	sed -E -e "s/$l_head$l_any$l_file,$l_any$l_size$l_rest/\\1#\\5,\\9}/g" -e "s/$l_head$l_any$l_size,$l_any$l_file$l_rest/\\1#\\5,\\9}/g" \
		-e "s/$l_head$l_any$l_file$l_rest/\\1#\\5}/g" -e "s/$l_head$l_any$l_size$l_rest/\\1#\\5}/g" \
		-e "s/$l_head(\"([^\"\\\\]|\\\\.)*\":\"([^\"\\\\]|\\\\.)*\",?)*\\}/\\1#}/g" \
		-e 's/"LogConfig":(\{"Type":"[^"\\]*","Config":)(null|\{#)/"LogConfig"#\1\2/g' -e 's/"LogConfig":\{.*//' \
		-e 's/"LogConfig"#(\{"Type":"[^"\\]*","Config":\{?)#?/"LogConfig":\1/g'
}
ask() { # DOCUMENT SECONDS URL...: one line each: {"doc": NAME, "ok": true, "body": BODY}
	k_doc=$1 k_seconds=$2; shift 2
	k_body=$(timeout -s KILL "$k_seconds" curl -sf -w '\n' --unix-socket "$wb_socket" "$@" 2>/dev/null | head -c 4194304)
	if [ -z "$k_body" ]; then printf '{"doc":"%s","ok":false,"error":"no answer from the docker socket"}\n' "$k_doc"; return 1; fi
	set -f; IFS=$wb_nl
	for k_line in $k_body; do printf '{"doc":"%s","ok":true,"body":%s}\n' "$k_doc" "$k_line"; done
	IFS=$wb_ifs; set +f
}
settings() { # FILE: daemon.json, as the reader tells it: nothing of it where it may hold a secret, or more than plain text
	k_text= k_bad=
	if [ -e "$1" ]; then
		{ k_text=$(head -c 65537 <"$1" | tr '\000\t\r\n' '\001   '; echo .) && k_text=${k_text%.}; } 2>/dev/null
		[ -r "$1" ] && [ "${#k_text}" -le 65536 ] || k_bad='daemon.json could not be read'
		case $k_text in *[!\ -~]*) k_bad='daemon.json holds more than plain text' ;; esac
		case $(printf %s "$k_text" | tr A-Z a-z) in
		*passw*|*pwd*|*secret*|*token*|*credential*|*auth*|*private*|*://*@*|*key[\"\ ]*:*) k_bad='daemon.json may hold a secret' ;;
		esac
	fi
	if [ -n "$k_bad" ]; then printf '{"doc":"host.daemon_json","ok":false,"error":"%s"}\n' "$k_bad"; return 0; fi
	printf '{"doc":"host.daemon_json","ok":true,"body":"%s"}\n' "$(printf %s "$k_text" | sed 's/[\\"]/\\&/g')"
}
engine() {
	ask docker.version 3 http://d/version || return 0
	ask docker.info 5 http://d/info
	k_list=$(timeout -s KILL 5 curl -sf --unix-socket "$wb_socket" 'http://d/containers/json?all=1' | head -c 4194304 | grep -oE '"Id":"[0-9a-f]{64}"' | head -n 500)
	set --
	for k_id in $k_list; do k_id=${k_id#*:?}; set -- "$@" "http://d/containers/${k_id%?}/json"; done
	if [ $# -gt 0 ]; then ask docker.container 10 "$@"; fi
	ask docker.volumes 5 http://d/volumes
	ask docker.images 5 http://d/images/json
	ask docker.sizes 5 'http://d/containers/json?all=1&size=1'
	ask docker.df 5 http://d/system/df
	settings /etc/docker/daemon.json
	echo '{"doc":"end","ok":true}'
}
dockerd() {
	if [ -n "$wb_root" ]; then refuse docker 1 'a recorded tree holds no docker answers'; return 0; fi
	if [ -x "$wb_reader" ] && [ "${wb_uid-}" = 0 ]; then run docker 25 8388608 "$wb_reader"; return 0; fi
	if [ -x "$wb_reader" ]; then run docker 25 8388608 sudo -n "$wb_reader"; return 0; fi
	if ! [ -S "$wb_socket" ]; then refuse docker 1 "no reader at $wb_reader and no socket at $wb_socket"; return 0; fi
	if ! [ -w "$wb_socket" ]; then refuse docker 1 "no reader at $wb_reader and permission denied on $wb_socket"; return 0; fi
	if ! command -v curl >/dev/null 2>&1; then refuse docker 127 "no reader at $wb_reader and no curl"; return 0; fi
	begin docker; printf '$curl\n$--unix-socket\n$%s\n' "$wb_socket"
	engine 2>/dev/null | secrets | prefix
	echo; finish 0
}

main() {
	echo; now; wb_start=$wb_now
	meta
	tables
	block
	pools
	if [ -z "$wb_root" ]; then
		[ -z "$wb_loops" ] || [ "$wb_uid" != 0 ] || run losetup 5 1000l losetup -n -O NAME,BACK-MAJ:MIN,BACK-FILE -a
		case "$wb_nl$wb_table$wb_nl" in *"${wb_nl}zfs$wb_nl"*) run zpool 5 262144 zpool status -P -L ;; esac
	fi
	names
	local_paths
	large
	dockerd
	network
	begin done; echo; finish 0
}
{ main </dev/null 4>&1; } | head -c 20000000 # in blocks: the shell would write every line by itself
exit 0
