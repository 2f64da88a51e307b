#!/usr/bin/env bash
# Puts the real servers that the tests of registries talk to into .backends/ (Debian; nothing else of the system
# changes, no daemon is started): Consul, etcd and dnsmasq, of the Debian suites that have them.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$PWD/.backends
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=$(awk '/^URIs:/{print $2; exit}' /etc/apt/sources.list.d/debian.sources)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Unpacks packages of a Debian suite into the target: unpack <suite> <package>…
unpack() {
  local suite=$1
  shift
  local state=$work/$suite
  mkdir -p "$state/lists/partial" "$state/debs"
  echo "deb [signed-by=$keyring] $mirror $suite main" >"$state/sources.list"
  local options=(
    -qq
    -oDir::Etc::SourceList="$state/sources.list" -oDir::Etc::SourceParts=/dev/null
    -oDir::State::Lists="$state/lists" -oDir::Cache::pkgcache= -oDir::Cache::srcpkgcache=
    -oAcquire::Check-Valid-Until=false -oAPT::Sandbox::User=root
  )
  apt-get "${options[@]}" update
  (cd "$state/debs" && apt-get "${options[@]}" download "$@")
  for package in "$state"/debs/*.deb; do
    dpkg -x "$package" "$target"
  done
}

mkdir -p "$target"
[ -x "$target/usr/bin/consul" ] || unpack bullseye consul
[ -x "$target/usr/bin/etcd" ] && [ -x "$target/usr/sbin/dnsmasq" ] ||
  unpack bookworm etcd-server dnsmasq-base libdbus-1-3 libidn2-0 libunistring2 libnettle8 libhogweed6 libgmp10 libnetfilter-conntrack3 libnfnetlink0 libnftables1 libnftnl11 libmnl0 libjansson4 libxtables12

"$target/usr/bin/consul" version | sed -n 1p
"$target/usr/bin/etcd" --version | sed -n 1p
LD_LIBRARY_PATH=$target/usr/lib/x86_64-linux-gnu:$target/lib/x86_64-linux-gnu "$target/usr/sbin/dnsmasq" --version | sed -n 1p
