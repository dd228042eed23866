#!/usr/bin/env bash
# Installs what the tests need from Debian: SIPp, Chromium, PostgreSQL, Redis, coturn, Chinese fonts. Nothing when all is there.
set -euo pipefail
missing=()
command -v sipp >/dev/null || missing+=(sip-tester)
command -v chromium >/dev/null || missing+=(chromium)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v turnserver >/dev/null || missing+=(coturn)
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
compgen -G '/usr/share/fonts/opentype/noto/NotoSansCJK*' >/dev/null || missing+=(fonts-noto-cjk)
[ -d /usr/share/fonts/truetype/hanazono ] || missing+=(fonts-hanazono)
[ -d /usr/share/fonts/truetype/babelstone ] || missing+=(fonts-babelstone-han)
[ ${#missing[@]} -eq 0 ] && exit 0
echo "Installing for the tests: ${missing[*]}"
as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "Ask an administrator for: apt-get install ${missing[*]}"; exit 1; }
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
