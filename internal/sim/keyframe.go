package sim

// forceKey has every live stream of a channel, all with -1, go on with a key
// picture at once.
func (d *device) forceKey(ch int) {
	for _, g := range d.dialogs {
		if g.stream != nil && !g.over && !g.offer.recorded() && (ch == -1 || g.channel == ch) {
			g.stream.Key()
		}
	}
}
