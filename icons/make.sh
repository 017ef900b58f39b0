#!/bin/sh
# Makes the icon set from icon.svg, and the smallest size from icon-16.svg. Needs the Debian packages librsvg2-bin, icoutils and icnsutils.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

rsvg-convert icon-16.svg --output "$work/16.png"
for size in 24 32 48 64 128 256 512; do
  rsvg-convert --width "$size" --height "$size" icon.svg --output "$work/$size.png"
done
cp "$work/32.png" 32x32.png
cp "$work/128.png" 128x128.png
cp "$work/256.png" 128x128@2x.png
cp "$work/512.png" icon.png
icotool --create --output icon.ico "$work/16.png" "$work/24.png" "$work/32.png" "$work/48.png" "$work/64.png" --raw "$work/256.png"
png2icns icon.icns "$work/16.png" "$work/32.png" "$work/48.png" "$work/128.png" "$work/256.png" "$work/512.png" > "$work/log"

# The tray's icons: the same, with a mark for what there is to know.
tray() {
  sed "s|</svg>|$2</svg>|; ${3:-}" icon.svg | rsvg-convert --width 32 --height 32 --output "tray/$1.png"
}
dot='<circle cx="392" cy="392" r="92" stroke="#f4f7f5" stroke-width="28"'
mkdir -p tray
tray ready ''
tray busy "$dot fill=\"#e0a12c\"/>"
tray failed "$dot fill=\"#c8382e\"/>"
tray paused '' 's/#1f6a70/#8b8f8e/; s/#124149/#6b6f6e/; s/#ffc65c/#d5d8d6/g'
