# shellcheck shell=bash
# Sets up the programs of test/support/programs.tsv that the chosen tests need. Read by bin/test,
# which stands in the root of the clone.

readonly PROGRAMS=test/support/programs.tsv
readonly PEERS=.cache/peers
readonly POLICY_RC=/usr/sbin/policy-rc.d
readonly APT=(apt-get -qq -o DPkg::Lock::Timeout=300 -o APT::Sandbox::User=root)
# Dependencies of dependencies of an unpacked mail server; more rounds mean a package is broken.
readonly MAX_LIBRARY_ROUNDS=4

# Usage: set_up_programs FILE...
set_up_programs() {
  local program package how needed_by to_install="" to_unpack=""
  while IFS=$'\t' read -r program package how needed_by; do
    is_needed "$needed_by" "$@" || continue
    ! is_present "$program" "$package" "$how" || continue
    case $how in
      install) to_install+=" $package" ;;
      unpack) to_unpack+=" $package" ;;
    esac
  done < <(grep -v '^#' "$PROGRAMS")
  [ -n "$to_install$to_unpack" ] || return 0

  if ! can_install; then
    say "MISSING, and set up only on Debian as root:$to_install$to_unpack"
    say "the tests that need them are skipped, and say so"
    return 0
  fi
  "${APT[@]}" update >&2 || say "apt-get update failed; going on with the package lists at hand"
  if [ -n "$to_install" ]; then install_quietly "$to_install"; fi
  for package in $to_unpack; do unpack_peer "$package"; done
}

# Usage: is_needed FOLDER,FOLDER FILE... A folder stands for the file of its name, and what begins with it and a dash, as well.
is_needed() {
  local folders=${1//,/|} file
  shift
  for file in "$@"; do
    file=${file#"$PWD"/}
    [[ ! ${file#./} =~ ^test/($folders)[/.-] ]] || return 0
  done
  return 1
}

is_present() {
  case $3 in
    install) PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
    unpack) [ -e "$PEERS/$2/.complete" ] ;;
  esac
}

can_install() {
  [ "$(id -u)" -eq 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null
}

# Packages of servers start them; the policy script is Debian's way to forbid it. One that is
# there already is the host's own decision and stays.
install_quietly() {
  local packages=$1 own_policy=0 status=0
  say "installing$packages"
  if [ ! -e "$POLICY_RC" ]; then
    own_policy=1
    trap 'rm -f "$POLICY_RC"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$POLICY_RC"
    chmod 755 "$POLICY_RC"
  fi
  # shellcheck disable=SC2086 # a list of package names
  DEBIAN_FRONTEND=noninteractive "${APT[@]}" install -y --no-install-recommends $packages \
    </dev/null >&2 || status=$?
  if [ "$own_policy" -eq 1 ]; then
    rm -f "$POLICY_RC"
    trap - EXIT
  fi
  [ "$status" -eq 0 ] || say "apt-get could not install$packages (their tests are skipped)"
}

# Mail servers conflict with each other and would replace the host's own, so they are not installed.
unpack_peer() {
  local package=$1 peer=$PEERS/$1 round
  [ ! -e "$peer/.complete" ] || return 0
  say "unpacking $package into $peer"
  rm -rf "$peer" && mkdir -p "$peer/.debs"
  unpack_into "$peer" "$package" || {
    say "apt-get could not download $package (its tests are skipped)"
    return 0
  }
  for ((round = 0; round < MAX_LIBRARY_ROUNDS; round++)); do
    [ -n "$(missing_libraries "$peer")" ] || break
    add_libraries "$peer"
  done
  if [ -n "$(missing_libraries "$peer")" ]; then
    say "$package lacks $(missing_libraries "$peer" | tr '\n' ' ')(its tests may fail)"
  fi
  touch "$peer/.complete"
}

# Usage: unpack_into PEER PACKAGE...
unpack_into() {
  local peer=$1 deb
  shift
  (cd "$peer/.debs" && "${APT[@]}" download "$@" >&2) || return 1
  for deb in "$peer"/.debs/*.deb; do
    [ -e "$deb.unpacked" ] || { dpkg -x "$deb" "$peer" && touch "$deb.unpacked"; } || return 1
  done
}

missing_libraries() {
  local folders
  folders=$(find "$PWD/$1/lib" "$PWD/$1/usr/lib" -maxdepth 1 -type d 2>/dev/null | paste -sd:)
  find "$1/usr/sbin" "$1/usr/bin" "$1/usr/lib" -type f -perm -u+x \
    -exec env LD_LIBRARY_PATH="$folders" ldd {} + 2>/dev/null |
    awk '/not found/ { print $1 }' | sort -u
}

# The libraries that the packages unpacked so far depend on and that this machine lacks.
add_libraries() {
  local peer=$1 deb name libraries=()
  while IFS= read -r name; do
    if ! dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' &&
      ! compgen -G "$peer/.debs/${name}_*.deb" >/dev/null; then
      libraries+=("$name")
    fi
  done < <(for deb in "$peer"/.debs/*.deb; do dpkg-deb -f "$deb" Depends; done |
    tr ',' '\n' | sed 's/^ *//; s/[ :(|].*//' | grep '^lib' | sort -u)
  [ "${#libraries[@]}" -eq 0 ] || unpack_into "$peer" "${libraries[@]}" || true
}
