package catalog

import (
	"math/rand/v2"
	"strings"
	"testing"

	"fengsui/gb28181"
)

func TestARowIsItsChannel(t *testing.T) {
	const device = gb28181.ID("34020000001180000001")
	word := func() string {
		return strings.Repeat("东x", rand.IntN(3)*rand.IntN(100)) // also longer than one byte of length can say
	}
	for range 2000 {
		want := gb28181.Channel{
			Device: device, ID: gb28181.ID("3402000000132" + word()), Name: word(), Manufacturer: word(), Model: word(), CivilCode: word(), Address: word(),
			Parental: rand.IntN(2) == 0, ParentID: word(), BusinessGroup: gb28181.ID(word()), On: rand.IntN(2) == 0, OffReason: word(),
			PTZType: rand.IntN(8), Longitude: rand.Float64(), Latitude: -rand.Float64(), Streams: word(), Secrecy: rand.IntN(2) == 0,
		}
		if rand.IntN(2) == 0 {
			want.ParentID = string(device)
		}
		r := pack(device, &want)
		if got := r.channel(device); got != want || r.id() != want.ID || r.on() != want.On {
			t.Fatalf("%+v came back as %+v", want, got)
		}
		if again := pack(device, &want); again != r {
			t.Fatalf("rows of the same channel differ: %+v, %+v", r, again)
		}
		other := want
		other.On = !other.On
		if r == pack(device, &other) {
			t.Fatalf("rows of %+v and %+v are equal", want, other)
		}
	}
}
