// Package mansrtsp reads and writes the bodies that control playback inside an
// INVITE's dialog: requests in INFO and their answers in its 200 (MANSRTSP, GB/T
// 28181-2022 Annex B; signalling.md section 6.7). Reading forgives what devices and
// platforms get wrong and names each [Quirk]; writing keeps to the one form that
// every edition since 1.1 has.
package mansrtsp
