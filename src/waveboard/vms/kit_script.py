"""The kit as one POSIX sh script that a person reads and runs as root on a host that is there already; and the one that takes it away.

Everything stands in the script as plain text. It is staged beside its place, checked, and only then moved into it, what lets
somebody in last; cut off anywhere, it does nothing or is run again. waveboard itself runs none of it.
"""

import base64
from collections.abc import Iterator
from hashlib import sha256
from shlex import quote

from waveboard.vms.kit import HAND, HOME, IDENTITY, MARK, READER, SETTINGS, SIGNERS, SUDOERS, Kit, Placed, logins, placed

USERS = "/etc/waveboard/kit.users"  # users that the kit made, so that taking it away removes no other
UNITS = "wb-*"  # steps and armed undos; one that has ended is neither running nor waiting

_HEAD = r"""set -eu
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
staged=''

say() { printf '%s\n' "$*"; }
cannot() {
    printf 'cannot %s: because %s\n  way out: %s\n' "$1" "$2" "$3" >&2
    exit 1
}
clear_staged() { for one in $staged; do rm -f -- "$one.wb-new"; done; }

told() { sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p" @IDENTITY@; }

ours() {
    [ "$(id -u)" = 0 ] || cannot "$1" 'this is not root' 'run it as root'
    [ -e @IDENTITY@ ] || return 0
    [ "$(told instance)" = @INSTANCE@ ] || cannot "$1" "@IDENTITY@ names another workspace, '$(told instance)'" \
        'take that one away with its own `vm kit --remove`; two workspaces cannot change one host'
    [ "$(told hostname)" = @HOST@ ] || cannot "$1" "@IDENTITY@ says that this host is '$(told hostname)'" \
        'run the script of that host'
}

# keys NAME: sets `place`, the file in which sshd looks for that user's keys
keys() {
    home=$(getent passwd "$1" | cut -d: -f6)
    place=$(sshd -T -C "user=$1,host=localhost,addr=127.0.0.1" 2>/dev/null |
        sed -n 's/^authorizedkeysfile \([^ ]*\).*/\1/p') || true
    case $place in
        '')
            place=.ssh/authorized_keys
            say "note: sshd does not say where it looks for the keys of $1; taken: ~$1/$place"
            ;;
        none) cannot "give $1 its key" 'sshd is told to look at no file of keys' 'set AuthorizedKeysFile' ;;
    esac
    place=$(printf '%s\n' "$place" | sed -e "s|%u|$1|g" -e "s|%h|$home|g" -e 's|%%|%|g')
    case $place in /*) ;; *) place=$home/$place ;; esac
    if [ -L "$place" ] || [ -L "$(dirname "$place")" ]; then
        cannot "touch the keys of $1" "$place leads elsewhere through a link" 'make it a plain file in a plain directory'
    fi
}

# fresh FILE < content: FILE.wb-new, made anew, so that no link that lies there is written through
fresh() {
    rm -f -- "$1.wb-new"
    (set -C && cat > "$1.wb-new") || cannot "stage $1" "$1.wb-new cannot be made" 'look who else writes there'
}

# keep_owner FILE NEW: a file that was there keeps its owner and mode
keep_owner() {
    if [ -e "$1" ]; then
        chown "$(stat -c %u:%g "$1")" "$2"
        chmod "$(stat -c %a "$1")" "$2"
    else
        chown 0:0 "$2"
        chmod 0644 "$2"
    fi
}
"""

_INSTALL = r"""
# stage PATH MODE SHA256 < content
stage() {
    mkdir -p "$(dirname "$1")"
    staged="$staged $1"
    fresh "$1"
    chown 0:0 "$1.wb-new"
    chmod "$2" "$1.wb-new"
    [ "$(sha256sum < "$1.wb-new" | cut -d' ' -f1)" = "$3" ] ||
        cannot "stage $1" 'its bytes did not arrive as they were sent' 'run it again'
}

settle() {
    if cmp -s "$1.wb-new" "$1" && [ "$(stat -c %u:%g:%a "$1.wb-new")" = "$(stat -c %u:%g:%a "$1")" ]; then
        rm -f "$1.wb-new"
        say "as it should be: $1"
        return 0
    fi
    case $1 in @SETTINGS@) # a person may have written it; the contracts decide, and what stood there is not lost without a word
        if [ -e "$1" ]; then say "note: $1 said: $(head -c 1000 "$1")"; fi ;;
    esac
    mv -f "$1.wb-new" "$1"
    if command -v restorecon > /dev/null; then restorecon "$1"; fi
    say "written: $1"
}

account() {
    if id -u "$1" > /dev/null 2>&1; then return 0; fi
    useradd --create-home --shell /bin/sh "$1"
    printf '%s\n' "$1" >> @USERS@ # only now: a name that stands there is a user that --remove deletes, home and all
    say "made: user $1, without a password"
}

# login NAME < its key lines
login() {
    keys "$1"
    mkdir -p "$(dirname "$place")"
    staged="$staged $place"
    { grep -v ' @MARK@$' "$place" 2> /dev/null || true; cat; } | fresh "$place"
    keep_owner "$place" "$place.wb-new"
    settle "$place"
}

needs() {
    for tool in python3 sudo useradd getent sha256sum cmp; do
        command -v "$tool" > /dev/null || cannot 'install the kit' "there is no $tool here" "install $tool and run it again"
    done
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' ||
        cannot 'install the kit' 'the hand needs Python 3.9 or later' 'install a later python3'
}

check() {
    if command -v visudo > /dev/null; then
        visudo -c -q -f @SUDOERS@.wb-new || cannot 'install the kit' 'visudo refuses its sudoers lines' 'nothing was changed; look above'
    else
        say 'note: there is no visudo here; the sudoers lines were not checked'
    fi
}

prove() {
    said=$(printf '{"op": "hello"}' | @HAND@ | tail -n 1) || true
    case $said in *'"ok": true'* | *'"ok":true'*) ;; *) cannot 'call the kit installed' "the hand answers: $said" 'see docs/hand.md' ;; esac
@ALLOWED@
}
"""

_REMOVE = r"""
idle() {
    if command -v systemctl > /dev/null && systemctl list-units --no-legend --state=running,waiting '@UNITS@' | grep -q .; then
        cannot 'take the kit away' 'a step of a plan runs, or its undo is armed' 'finish or undo that plan first'
    fi
    [ -x @HAND@ ] || return 0
    said=$(printf '{"op": "hello"}' | @HAND@ | tail -n 1) || true
    case $said in
        *'"ok": true'* | *'"ok":true'*) ;;
        *)
            cannot 'take the kit away' "the hand does not say whether a plan is open: $said" \
                'mend it; or, when you know that none is open, remove @HAND@ and run this again'
            ;;
    esac
    case $said in *'"plan": null'* | *'"plan":null'*) ;; *)
        cannot 'take the kit away' 'a plan is open on this host, or halted' 'finish, undo or settle it first' ;;
    esac
}

gone() {
    [ -e "$1" ] || return 0
    rm -f -- "$1"
    say "removed: $1"
}

logout() {
    if ! id -u "$1" > /dev/null 2>&1; then return 0; fi
    keys "$1"
    if grep -q ' @MARK@$' "$place" 2> /dev/null; then
        staged="$staged $place"
        { grep -v ' @MARK@$' "$place" || true; } | fresh "$place"
        keep_owner "$place" "$place.wb-new"
        if [ -s "$place.wb-new" ]; then mv -f "$place.wb-new" "$place"; else rm -f "$place.wb-new" "$place"; fi
        say "removed: the kit's key of $1 from $place"
    fi
    if grep -qxF -e "$1" @USERS@ 2> /dev/null; then
        userdel --remove "$1" 2> /dev/null || ! id -u "$1" > /dev/null 2>&1 ||
            cannot "remove the user $1" 'it is logged in, or runs something' 'end that and run it again'
        say "removed: user $1, which the kit had made"
    fi
}
"""


def install(host: str, kit: Kit) -> str:
    """The script that gives `host` the kit. Run twice, the second changes nothing."""
    files = placed(host, kit)
    lines = [f"main() {{\n    ours 'install the kit'\n    needs\n{_TRAP}"]
    lines += [_staged(one) for one in files]
    lines.append("    check\n")
    lines += [f"    account {quote(user)}\n" for user in _users(kit)]
    lines += [f"    settle {quote(one.path)}\n" for one in files]
    lines += [f"    login {quote(user)} << 'END_OF_KEYS'\n{keys}END_OF_KEYS\n" for user, keys in _users(kit).items()]
    lines.append(f"    prove\n    say {quote(f'the kit of {kit.instance} is on {host}')}\n}}\nmain\n")
    allowed = "\n".join(
        f"    sudo -n -l -U {quote(user)} {program} > /dev/null ||\n"
        f"        cannot 'call the kit installed' 'sudo does not let {user} run {program}' 'include /etc/sudoers.d in /etc/sudoers'"
        for user, program in ((kit.audit_user, READER), (kit.mutate_user, HAND))
    )
    told = (
        f"waveboard's kit for {host}: the users {' and '.join(_users(kit))}, their sudoers lines, {IDENTITY}, {SIGNERS},",
        f"{SETTINGS} (whose redis may be asked how it is set), the hand and the reader.",
        "Read it, then run it as root on that host. Run again, it changes nothing; the script that takes it all away again:",
        f"waveboard vm kit {host} --remove",
    )
    return _whole(told, (_HEAD + _INSTALL).replace("@ALLOWED@", allowed), "".join(lines), host, kit)


def remove(host: str, kit: Kit) -> str:
    """The script that takes the kit away from `host`: what install put there, users only where install made them. What the hand keeps
    in /var/lib/waveboard stays: it is the only way back for what was set aside."""
    lines = [f"main() {{\n    ours 'take the kit away'\n    idle\n{_TRAP}    gone {SUDOERS}\n"]
    lines += [f"    logout {quote(user)}\n" for user in _users(kit)]
    lines += [f"    gone {path}\n" for path in (HAND, READER, SETTINGS, SIGNERS, IDENTITY, USERS)]
    lines.append(f"    rmdir {HOME} /etc/waveboard 2> /dev/null || true\n")
    stays = "say 'kept: /var/lib/waveboard, the journal and what an undo would need; it is yours to remove'"
    lines.append(f"    if [ -d /var/lib/waveboard ]; then {stays}; fi\n")
    lines.append(f"    say {quote(f'the kit of {kit.instance} is gone from {host}')}\n}}\nmain\n")
    told = (
        f"Takes waveboard's kit away from {host}: sudoers lines, keys, the users it made, the hand, the reader, /etc/waveboard.",
        "Read it, then run it as root on that host. Run again, it finds nothing to do.",
    )
    return _whole(told, _HEAD + _REMOVE, "".join(lines), host, kit)


_TRAP = "    trap clear_staged EXIT\n    trap 'exit 1' HUP INT TERM\n"


def _users(kit: Kit) -> dict[str, str]:
    """user -> its key lines, each ended."""
    found: dict[str, str] = {}
    for user, line in logins(kit):
        found[user] = found.get(user, "") + line + "\n"
    return found


def _whole(told: tuple[str, ...], functions: str, main: str, host: str, kit: Kit) -> str:
    words = {
        "IDENTITY": IDENTITY,
        "SETTINGS": SETTINGS,
        "SUDOERS": SUDOERS,
        "HAND": HAND,
        "USERS": USERS,
        "MARK": MARK,
        "UNITS": UNITS,
    }
    for name, value in {**words, "INSTANCE": quote(kit.instance), "HOST": quote(host)}.items():
        functions = functions.replace(f"@{name}@", value)
    head = "".join(f"# {line}\n" for line in told)
    return f"#!/bin/sh\n{head}{functions}\n# in one function, so that half a script does nothing\n{main}"


def _staged(one: Placed) -> str:
    digest = sha256(one.raw).hexdigest()
    return "".join(_content(one, f"stage {quote(one.path)} {one.mode} {digest}"))


def _content(one: Placed, command: str) -> Iterator[str]:
    """The command with the file as its input: as plain text where it is text, so that it can be read before it is run."""
    end = f"END_OF_{sha256(one.raw).hexdigest()[:12].upper()}"
    try:
        plain = one.raw.decode()
    except UnicodeDecodeError:
        plain = "\0"
    if plain.endswith("\n") and "\0" not in plain:
        yield f"    {command} << '{end}'\n{plain}{end}\n"
    else:
        yield f"    base64 -d << '{end}' | {command}\n{base64.encodebytes(one.raw).decode()}{end}\n"
