#!/usr/bin/env bash
# Install what the browser tests need: Chromium, Node.js with npm, and axe-core in .cache/npm.
# Missing system packages are installed only where that is ours to do: Debian, as root.
set -euo pipefail
cd "$(dirname "$0")/.."

find_chromium() {
  local name
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    if [ -n "$name" ] && command -v "$name"; then return 0; fi
  done
  return 1
}

remedy() {
  echo "On Ubuntu, apt's chromium only calls a snap, which containers and these tests cannot use:" >&2
  echo "install Google Chrome's own .deb instead (google.com/chrome), or any Chromium, and run" >&2
  echo "  CHROMIUM=/path/to/chrome make test" >&2
  exit 1
}

missing=()
find_chromium >/dev/null || missing+=(chromium)
command -v npm >/dev/null || missing+=(nodejs npm)

if [ "${#missing[@]}" -gt 0 ]; then
  if command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ]; then
    apt-get update -qq
    if ! DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      "${missing[@]}"; then
      echo "apt-get could not install ${missing[*]}." >&2
      remedy
    fi
  else
    echo "The browser tests need: ${missing[*]}." >&2
    echo "Install them (Debian: sudo apt-get install ${missing[*]}; macOS: brew install" >&2
    echo "--cask chromium and brew install node)." >&2
    remedy
  fi
fi

browser="$(find_chromium)" || { echo "There is still no Chromium." >&2; remedy; }
if ! "$browser" --version >/dev/null 2>&1; then
  echo "$browser is there and does not start: '$browser --version' fails." >&2
  remedy
fi

axe=".cache/npm/node_modules/axe-core/package.json"
if ! grep -qs "\"version\": \"$AXE_VERSION\"" "$axe"; then
  mkdir -p .cache/npm
  npm install --prefix .cache/npm --no-save --no-package-lock --no-audit --no-fund --loglevel=error \
    "axe-core@$AXE_VERSION"
fi
grep -q "\"version\": \"$AXE_VERSION\"" "$axe"
echo "Browser tests: $browser, axe-core $AXE_VERSION"
