#!/usr/bin/env bash
# Names every tool that is missing or too old, with its remedy; exits 1 if any is.
# usage: scripts/require.sh go node gcc
set -u
missing=0
need() { # name, wanted, found, remedy
  printf 'fengsui needs %s %s, found %s. Remedy: %s\n' "$1" "$2" "${3:-none}" "$4" >&2
  missing=1
}
older() { # found wanted: true when found < wanted
  [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" != "$2" ]
}
for tool in "$@"; do
  case "$tool" in
    go)
      v=$(go env GOVERSION 2>/dev/null | sed 's/^go//; s/[^0-9.].*//')
      { [ -z "$v" ] || older "$v" 1.26; } && need Go '1.26 or newer' "$v" 'install Go from go.dev/dl and put its bin folder on PATH'
      ;;
    node)
      v=$(node --version 2>/dev/null | sed 's/^v//')
      { [ -z "$v" ] || older "$v" 20; } && need Node '20 or newer' "$v" 'install Node.js 20 LTS from nodejs.org (it brings npm)'
      command -v npm >/dev/null 2>&1 || need npm 'any' '' 'install it with Node.js'
      ;;
    gcc)
      v=$(gcc -dumpversion 2>/dev/null)
      [ -z "$v" ] && need gcc 'any version' '' 'apt-get install gcc libc6-dev'
      ;;
  esac
done
exit "$missing"
