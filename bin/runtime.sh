# shellcheck shell=sh
# What bin/postern and bin/test share: the locked packages and the Node.js that comes with them.
# The script that reads this file sets $root, the folder of the clone, and `set -eu`.

INSTALL_WAIT_S=600 # a cold npm ci on a slow line; after it the waiting script gives up
NODE_MAJOR=26      # the first line with everything src/ relies on (package.json "engines")

# shellcheck disable=SC2154 # $root comes from the script that reads this file
installed=$root/node_modules/.postern-lock
lock=$root/.cache/install.lock

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
fail() {
  say "$@"
  exit 2
}

hash_of_lock_file() {
  if command -v sha256sum >/dev/null 2>&1; then
    sha256sum <"$root/package-lock.json" | cut -d' ' -f1
  elif command -v shasum >/dev/null 2>&1; then
    shasum -a 256 <"$root/package-lock.json" | cut -d' ' -f1
  else
    cksum <"$root/package-lock.json"
  fi
}

is_installed() { [ "$(cat "$installed" 2>/dev/null)" = "$wanted" ]; }

# A lock is dead when its owner is, or when nobody signed it within a minute.
is_dead_lock() {
  if [ -n "$1" ]; then
    ! kill -0 "$1" 2>/dev/null
  else
    [ -n "$(find "$lock" -prune -mmin +1 2>/dev/null)" ]
  fi
}

# Removes under a second lock, so that two waiters cannot remove each other's fresh one.
remove_dead_lock() {
  owner=$(cat "$lock/owner" 2>/dev/null) || owner=
  is_dead_lock "$owner" || return 0
  mkdir "$lock.breaking" 2>/dev/null || return 0
  [ "$(cat "$lock/owner" 2>/dev/null)" != "$owner" ] || rm -rf "$lock"
  rmdir "$lock.breaking"
}

# mkdir is atomic, so the folder is the lock; the file in it names the process that holds it.
take_lock() {
  waited=0
  until mkdir "$lock" 2>/dev/null; do
    [ -d "$lock" ] || [ -w "$root/.cache" ] || fail "cannot write to $root/.cache"
    [ "$waited" -lt "$INSTALL_WAIT_S" ] ||
      fail "another install does not end; if none is running, remove $lock and $lock.breaking"
    [ "$waited" -ne 2 ] || say "waiting for another install to end"
    sleep 1
    waited=$((waited + 1))
    remove_dead_lock
  done
  trap 'rm -rf "$lock"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  echo $$ >"$lock/owner"
}

install_packages() {
  command -v npm >/dev/null 2>&1 ||
    fail "the packages of package-lock.json are not installed and npm is not on the PATH;" \
      "install npm (it comes with Node.js) or use the container image"
  mkdir -p "$root/.cache" 2>/dev/null || fail "cannot create $root/.cache"
  take_lock
  if ! is_installed; then
    say "installing the packages of package-lock.json (only when it has changed)"
    (cd "$root" && npm ci --no-audit --no-fund --loglevel=error >&2) ||
      fail "npm ci failed; what it said is above"
    printf '%s\n' "$wanted" >"$installed"
  fi
  rm -rf "$lock"
  trap - EXIT INT TERM HUP
}

ensure_packages() {
  wanted=$(hash_of_lock_file)
  is_installed || install_packages
}

is_recent_enough() {
  major=$("$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null) &&
    [ "$major" -ge "$NODE_MAJOR" ]
}

find_node() {
  if [ -n "${POSTERN_NODE:-}" ]; then
    command -v "$POSTERN_NODE" || fail "POSTERN_NODE=$POSTERN_NODE is not a program"
  elif [ -x "$root/node_modules/.bin/node" ]; then
    echo "$root/node_modules/.bin/node"
  elif is_recent_enough node; then
    command -v node
  else
    fail "needs Node.js $NODE_MAJOR or later: npm ci brought none for this machine and the PATH" \
      "has none; set POSTERN_NODE to one"
  fi
}
