# Sourced by bin/waveboard and bin/test: makes .venv from uv.lock, installing what is missing and saying so.
# $root is the checkout. Quiet when there is nothing to do.

say() { printf 'waveboard: %s\n' "$*" >&2; }

apt_install() {
  local missing=() package
  for package in "$@"; do dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package"); done
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "missing packages: ${missing[*]} (install them, or run as root on Debian/Ubuntu)"
    return 1
  fi
  say "installing: ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null 2>&1 || {
    apt-get update -qq >/dev/null 2>&1
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
  }
}

find_python() {
  local candidate
  for candidate in python3.13 python3.12 python3.11 python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

make_venv() {
  local stamp="$root/.venv/.synced" want python uv
  want=$(sha256sum "$root/uv.lock" "$root/pyproject.toml" | sha256sum | cut -d' ' -f1)
  [ -x "$root/.venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ] && return 0
  if ! python=$(find_python); then
    apt_install python3 python3-venv
    python=$(find_python) || { say "cannot start: because Python 3.11 or newer is missing"; exit 1; }
  fi
  uv=$(command -v uv || true)
  if [ -z "$uv" ] || ! "$uv" --version >/dev/null 2>&1; then
    uv="$root/.tools/bin/uv"
    if [ ! -x "$uv" ]; then
      say "installing uv into .tools"
      "$python" -m venv "$root/.tools" >/dev/null 2>&1 || { apt_install python3-venv && "$python" -m venv "$root/.tools"; }
      "$root/.tools/bin/pip" install -q uv
    fi
  fi
  say "installing the locked Python packages into .venv"
  (cd "$root" && "$uv" sync --frozen --quiet --compile-bytecode --python "$python")
  echo "$want" >"$stamp"
}
