#!/bin/sh
# Makes the clips of this folder. Needs ffmpeg with libx264, libx265 and
# drawtext (libfreetype, libfontconfig). The pictures are ffmpeg's own test
# source with the frame number burnt in; nothing is taken from anywhere else.
#
# Each clip is 4 s of 25 pictures a second: 100 pictures in 4 groups, no
# B-pictures, one slice a picture, parameter sets before each key picture, so
# that it can be repeated for ever. The AAC tone is 125 frames of 1024 samples
# at 32 kHz: also exactly 4 s.
set -eu
cd "$(dirname "$0")"
quiet="-hide_banner -loglevel error -y"

picture() { # size fontsize
	echo "testsrc2=size=$1:rate=25:duration=4,drawtext=font=DejaVu Sans Mono:text='%{eif\:n\:d\:3}':x=(w-tw)/2:y=(h-th)/2:fontsize=$2:fontcolor=white:box=1:boxcolor=black@0.85:boxborderw=$(($2 / 6)),format=yuv420p"
}

h264() { # name size fontsize kbit/s level
	ffmpeg $quiet -f lavfi -i "$(picture "$2" "$3")" -c:v libx264 -profile:v baseline -level "$5" -preset veryslow -threads 1 \
		-b:v "$4k" -maxrate "$4k" -bufsize "$(($4 / 2))k" \
		-x264-params "keyint=25:min-keyint=25:scenecut=0:bframes=0:ref=1:slices=1:sliced-threads=0:repeat-headers=1:aud=0:sei=0:info=0" \
		-bsf:v filter_units=remove_types=6 -f h264 "$1"
}

h265() { # name size fontsize kbit/s
	ffmpeg $quiet -f lavfi -i "$(picture "$2" "$3")" -c:v libx265 -profile:v main -preset slow \
		-b:v "$4k" -maxrate "$4k" -bufsize "$(($4 / 2))k" \
		-x265-params "keyint=25:min-keyint=25:scenecut=0:bframes=0:ref=1:slices=1:frame-threads=1:repeat-headers=1:aud=0:info=0:open-gop=0:log-level=none" \
		-bsf:v filter_units=remove_types=39-40 -f hevc "$1"
}

h264 main.h264 640x360 96 950 3.0
h264 sub.h264 320x180 56 200 2.0
h265 main.h265 640x360 96 950
h265 sub.h265 320x180 56 200

# A beep of 200 ms in each second. The input has a period of 4 s, so the second
# 4 s of the coded sound can be repeated without a click.
ffmpeg $quiet -f lavfi -i "aevalsrc='0.2*sin(2*PI*440*t)*lt(mod(t,1),0.2)':s=32000:d=12" -c:a aac -b:a 24k -ac 1 -f adts long.adts
ffmpeg $quiet -ss 4 -i long.adts -c copy -frames:a 125 -f adts tone.adts
rm long.adts
