#!/usr/bin/env bash
# Installs what the tests run beside the binary, where it is missing: sipp, sipvicious,
# ffmpeg, tshark, redis-server, PostgreSQL, Chromium. Debian packages, as root
# or by sudo; otherwise it names the command.
set -eu
declare -A package=(
  [sipp]=sip-tester [svmap]=sipvicious [ffmpeg]=ffmpeg [ffprobe]=ffmpeg [tshark]=tshark
  [redis-server]=redis-server [chromium]=chromium [nft]=nftables [ip]=iproute2 [setsid]=util-linux
)
want=()
for command in "${!package[@]}"; do
  command -v "$command" >/dev/null 2>&1 || want+=("${package[$command]}")
done
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || want+=(postgresql)
[ ${#want[@]} -eq 0 ] && exit 0
mapfile -t want < <(printf '%s\n' "${want[@]}" | sort -u)
run=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null 2>&1 || { echo "tests need: ${want[*]}. Remedy: as root: apt-get install ${want[*]}" >&2; exit 1; }
  run=(sudo)
fi
command -v apt-get >/dev/null 2>&1 || { echo "tests need: ${want[*]}; this is no Debian: install them by your package manager" >&2; exit 1; }
echo "installing for the tests: ${want[*]}"
export DEBIAN_FRONTEND=noninteractive
"${run[@]}" apt-get update -q >/dev/null
"${run[@]}" apt-get install -qy --no-install-recommends "${want[@]}" >/dev/null
