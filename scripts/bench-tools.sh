#!/usr/bin/env bash
# Installs what the benchmarks run beside the binary, where it is missing:
# Kamailio. A Debian package, as root or by sudo; otherwise it names the command.
# No service is started: the benchmarks run it with a configuration of their own.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"
command -v kamailio >/dev/null 2>&1 && exit 0
run=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null 2>&1 || { echo "benchmarks need kamailio. Remedy: as root: apt-get install kamailio" >&2; exit 1; }
  run=(sudo)
fi
command -v apt-get >/dev/null 2>&1 || { echo "benchmarks need kamailio; this is no Debian: install it by your package manager" >&2; exit 1; }
echo "installing for the benchmarks: kamailio"
"${run[@]}" apt-get update -q >/dev/null
# Debian asks this file whether a package may start its service: it may not.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap '"${run[@]}" rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | "${run[@]}" tee "$policy" >/dev/null
  "${run[@]}" chmod 755 "$policy"
fi
"${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends kamailio >/dev/null
